package holder

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/internal/nstest"
)

func xdp(t *testing.T) (*ebpf.Program, ebpf.ProgramID) {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "held", Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	info, err := p.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	return p, id
}

// bpffs mounts a BPF file system; blanks in its path are kept in /proc/self/mountinfo
// in another form.
func bpffs(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a b")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	nstest.MountBPFFS(t, dir)
	return dir
}

func self(t *testing.T) Process {
	t.Helper()
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return Process{os.Getpid(), string(comm[:len(comm)-1])}
}

func TestFind(t *testing.T) {
	dir := bpffs(t)
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	p, id := xdp(t)
	var l link.Link
	n.Do(func() error {
		dev, err := netlink.LinkByName("wa")
		if err != nil {
			return err
		}
		l, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: dev.Attrs().Index})
		return err
	})
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		t.Fatal(err)
	}
	me := self(t)
	check := func(when string, got Holders, held bool, pins ...string) {
		t.Helper()
		if slices.Contains(got.Processes, me) != held || !slices.Equal(got.Pins, pins) {
			t.Errorf("%s: %+v, want this process: %t, pins %v", when, got, held, pins)
		}
	}
	tab := Find()
	check("program", tab.Programs[id], true)
	check("link", tab.Links[info.ID], true)
	progPin, linkPin := filepath.Join(dir, "prog"), filepath.Join(dir, "link")
	for _, err := range []error{p.Pin(progPin), l.Pin(linkPin), p.Close(), l.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tab = Find()
	check("pinned program", tab.Programs[id], false, progPin)
	check("pinned link", tab.Links[info.ID], false, linkPin)
	if got := tab.Links[info.ID].String(); got != "pinned at "+linkPin {
		t.Errorf("a pinned link: %q", got)
	}
	for _, path := range []string{progPin, linkPin} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if got := Find().Programs[id].String(); got != "" {
		t.Errorf("a program without holders: %q", got)
	}
}

// A namespace without a name and without a process in it is found by the
// descriptor that holds it.
func TestFindNetns(t *testing.T) {
	n := nstest.New(t)
	var st unix.Stat_t
	if err := unix.Stat(n.Path, &st); err != nil {
		t.Fatal(err)
	}
	path := Find().Netns[st.Ino]
	var got unix.Stat_t
	if err := unix.Stat(path, &got); err != nil || got.Ino != st.Ino {
		t.Errorf("namespace %d is found at %q (%d, %v)", st.Ino, path, got.Ino, err)
	}
}
