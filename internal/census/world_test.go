package census

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"weir/attach"
	"weir/internal/nstest"
)

// A world is what the programs of a test are attached to.
type world struct {
	*testing.T
	net    *nstest.Net
	cgroup string
}

func newWorld(t *testing.T) *world {
	w := &world{t, nstest.New(t), ""}
	w.net.Veth("wa", "wb", 1500)
	root, err := attach.CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(root, "weir-census-")
	if err != nil {
		t.Fatal(err)
	}
	w.cgroup = dir
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// load loads a program that returns ret.
func (w *world) load(spec ebpf.ProgramSpec, ret int32) *ebpf.Program {
	w.Helper()
	spec.Name, spec.License = "counted", "GPL"
	spec.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, ret), asm.Return()}
	p, err := ebpf.NewProgram(&spec)
	w.must(err)
	w.Cleanup(func() { p.Close() })
	return p
}

// keep keeps a link to the end of the test.
func (w *world) keep(l link.Link, err error) {
	w.Helper()
	w.must(err)
	w.Cleanup(func() { l.Close() })
}

func (w *world) index() (i int) {
	w.net.Do(func() error {
		dev, err := netlink.LinkByName("wa")
		if err == nil {
			i = dev.Attrs().Index
		}
		return err
	})
	return i
}

// linked keeps what f attaches in the namespace.
func (w *world) linked(f func() (link.Link, error)) {
	w.Helper()
	w.net.Do(func() error {
		l, err := f()
		if err == nil {
			w.Cleanup(func() { l.Close() })
		}
		return err
	})
}
