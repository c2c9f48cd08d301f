package attach

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/internal/nstest"
)

// loadDispatcher loads libxdp's own dispatcher for n programs. It returns its types, too.
func loadDispatcher(t *testing.T, n byte) (*ebpf.Program, *btf.Spec) {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*/bpf/xdp-dispatcher.o")
	if err != nil || len(found) == 0 {
		t.Fatal("libxdp's dispatcher is not installed: run scripts/setup.sh")
	}
	spec, err := ebpf.LoadCollectionSpec(found[0])
	if err != nil {
		t.Fatal(err)
	}
	// As libxdp fills it: magic, version, number, frags; then the actions after
	// which the next is called, all of them, and priorities.
	conf := make([]byte, len(spec.Maps[".rodata"].Contents[0].Value.([]byte)))
	conf[0], conf[1], conf[2] = dispatcherMagic, 2, n
	for i := range int(n) {
		conf[4+4*i+3] = 0x80
	}
	spec.Maps[".rodata"].Contents[0].Value = conf
	p := spec.Programs[dispatcherName]
	c, err := ebpf.NewCollection(&ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{".rodata": spec.Maps[".rodata"]}, Programs: map[string]*ebpf.ProgramSpec{dispatcherName: p},
		Types: spec.Types, ByteOrder: spec.ByteOrder,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.Programs[dispatcherName], spec.Types
}

// member puts a program into a place of the dispatcher, if the kernel allows it.
func member(t *testing.T, d *ebpf.Program, types *btf.Spec, place, name string) bool {
	t.Helper()
	var f *btf.Func
	if err := types.TypeByName(place, &f); err != nil {
		t.Fatal(err)
	}
	first := btf.WithFuncMetadata(asm.Mov.Imm(asm.R0, 2).WithSymbol(place), f)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.Extension, License: "GPL", AttachTarget: d, AttachTo: place,
		Instructions: asm.Instructions{first, asm.Return()},
	})
	if errors.Is(err, unix.EPERM) || errors.Is(err, ebpf.ErrNotSupported) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	l, err := link.AttachFreplace(d, place, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return true
}

// libxdp's dispatcher is called so, with what it calls and what to do. It stays.
func TestDispatcher(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	d, types := loadDispatcher(t, 2)
	members := ""
	if member(t, d, types, "prog1", "second") && member(t, d, types, "prog0", "first") {
		members = ": first, second"
	}
	n.Do(func() error {
		dev, err := netlink.LinkByName("wa")
		if err != nil {
			return err
		}
		return netlink.LinkSetXdpFdWithFlags(dev, d.FD(), unix.XDP_FLAGS_DRV_MODE)
	})
	before := attachedXDP(n, "wa")
	_, err := Attach(Where{Netns: n.Path, Interface: "wa"}, xdpOptions(t))
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("attach beside a dispatcher: %v, want ErrInUse", err)
	}
	matches(t, err.Error(), `in use by libxdp dispatcher with 2 programs`+members+
		` \(id \d+, native, held by process .*\): unload it with what made it \(xdp-loader unload wa --all\), take its place by force \(--force\), or attach at tc-ingress$`)
	if after := attachedXDP(n, "wa"); after != before {
		t.Errorf("the dispatcher %d became %d", before, after)
	}
}

// A program that has the name alone is no dispatcher.
func TestNoDispatcher(t *testing.T) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: dispatcherName, Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if d := dispatcherOf(p); d != nil {
		t.Errorf("taken for a %s", d)
	}
}
