package attach

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/nstest"
)

// At netfilter programs of one priority are refused. An update steps aside and comes
// back, unless another was faster.
func TestNetfilterPriorities(t *testing.T) {
	n := nstest.New(t)
	w := Where{Netns: n.Path, Hook: hook.NetfilterInput}
	at := func(priority int32) (*Link, error) {
		return Attach(w, Options{Chain: "edge", Linear: loader(programFor(t, w.Hook)), Priority: priority})
	}
	a, err := at(-10)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	_, err = at(-10)
	if !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	matches(t, err.Error(), `attach edge on network namespace .* at netfilter-input: priority -10 is taken there, by another BPF program or by a table of nftables or iptables: choose another one \(--priority\)`)
	for _, end := range []int32{math.MinInt32, math.MaxInt32} {
		if _, err := at(end); err == nil {
			t.Errorf("attached at priority %d", end)
		} else {
			matches(t, err.Error(), `the kernel keeps priority -?\d+ for itself: choose the one beside it$`)
		}
	}
	b, err := at(-9)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	update := func(when string, want int32) {
		t.Helper()
		if err := a.Update(programFor(t, w.Hook)); err != nil || a.RunsAt() != want || a.Priority != -10 {
			t.Errorf("%s: updated to priority %d of %d, %v, want %d of -10", when, a.RunsAt(), a.Priority, err, want)
		}
	}
	for range 3 {
		update("beside another", -10)
	}
	aside := programFor(t, w.Hook)
	n.Do(func() error { return a.moveNetfilter(aside, -5) })
	c, err := at(-10) // in the moment in which it is free
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		update("its own is taken", -8)
		update("its own is taken", -7)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	p := programFor(t, w.Hook)
	if err := errors.Join(a.Restore(p), a.Restore(p)); err != nil || a.RunsAt() != -10 {
		t.Errorf("restored to priority %d, %v, want -10", a.RunsAt(), err)
	}
}

// What is not pinned has no pins to remove, of how many links it ever is.
func TestUnpinned(t *testing.T) {
	n := nstest.New(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("+1", nil, 0o600); err != nil { // as the second pin would be called
		t.Fatal(err)
	}
	l, err := Attach(Where{Netns: n.Path, Hook: hook.NetfilterInput}, Options{Chain: "edge", Linear: loader(programFor(t, hook.NetfilterInput))})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Detach(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("+1"); err != nil {
		t.Error(err)
	}
}

// An update that cannot be pinned half-way leaves the program that was there: at its
// places, and by its pins.
func TestNetfilterUpdateFails(t *testing.T) {
	n := nstest.New(t)
	w := Where{Netns: n.Path, Hook: hook.NetfilterInput}
	o := Options{Chain: "edge", Linear: loader(programFor(t, w.Hook)), Pin: filepath.Join(nstest.BPFFS(t), "link")}
	l, err := Attach(w, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Detach()
	before, err := l.running()
	if err != nil {
		t.Fatal(err)
	}
	block := o.Pin + "+1+next"
	if err := os.MkdirAll(filepath.Join(block, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Update(programFor(t, w.Hook)); err == nil {
		t.Fatal("updated, without a pin")
	}
	if err := os.RemoveAll(block); err != nil {
		t.Fatal(err)
	}
	again, err := Open(l.Record)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for what, l := range map[string]*Link{"the link": l, "that of the pins": again} {
		if now, err := l.running(); !slices.Equal(now, before) || err != nil {
			t.Errorf("%s runs programs %v, %v, and before %v", what, now, err, before)
		}
	}
	if err := l.Update(programFor(t, w.Hook)); err != nil {
		t.Errorf("when nothing is in the way any more: %v", err)
	}
}

// Packets are put together before a hook whose priority is behind that.
func TestNetfilterDefrag(t *testing.T) {
	n := nstest.New(t)
	w := Where{Netns: n.Path, Hook: hook.NetfilterPrerouting}
	o := Options{Chain: "edge", Linear: loader(programFor(t, w.Hook)), Priority: -500, Defrag: true}
	_, err := Attach(w, o)
	if err == nil {
		t.Fatal("attached before the defragmenter")
	}
	matches(t, err.Error(), `packets are put together at priority -400: with --defrag choose a greater one`)
	o.Priority = -300
	l, err := Attach(w, o)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestNoCgroup(t *testing.T) {
	dir := cgroup(t)
	root, err := CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"/no/such":                      `attach edge on cgroup /no/such at cgroup-ingress: no such cgroup: ` + root + `/no/such \(mkdir makes one, ls ` + root + ` lists those that there are\)$`,
		"../no/../such":                 `no such cgroup: ` + root + `/such `,
		dir + "x":                       `no such cgroup: ` + root + dir + `x, did you mean ` + dir + `\?$`,
		dir + "/cgroup.procs":           `is a file of a cgroup: give the cgroup, ` + dir + `$`,
		filepath.Dir(root):              filepath.Dir(root) + ` is no cgroup of version 2: they are under ` + root + `, which is /$`,
		filepath.Dir(root) + "/nowhere": `no such cgroup: ` + root + filepath.Dir(root) + `/nowhere `,
	}
	v1, _ := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs")
	for _, f := range v1 {
		if v1 := filepath.Dir(f); fsType(v1) == unix.CGROUP_SUPER_MAGIC {
			tests[v1] = `is a cgroup of version 1: programs are attached to those of version 2, under ` + root + `$`
			break
		}
	}
	for path, want := range tests {
		_, err := Attach(Where{Cgroup: path, Hook: hook.CgroupIngress}, Options{Chain: "edge", Linear: loader(programFor(t, hook.CgroupIngress))})
		if !errors.Is(err, ErrNoCgroup) {
			t.Errorf("%s: %v, want ErrNoCgroup", path, err)
			continue
		}
		matches(t, err.Error(), want)
	}
}

// However a cgroup is spelt, it is one spot, and has one lasting name.
func TestCgroupSpot(t *testing.T) {
	dir := cgroup(t)
	root, err := CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	at := func(path string) Where { return Where{Cgroup: path, Hook: hook.CgroupEgress} }
	want, err := at(dir).Spot()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir + "/", dir[1:], root + dir, "/.." + dir, "/no/.." + dir} {
		if got, err := at(path).Spot(); err != nil || got != want || at(path).Lasting() != at(dir) {
			t.Errorf("%s is %+v, %v, lasting as %s, want %+v", path, got, err, at(path).Lasting(), want)
		}
	}
	if top, err := at(dir + "/../..").Spot(); err != nil || top.Cgroup != inode(root) {
		t.Errorf("above the root: %+v, %v, want the root %d", top, err, inode(root))
	}
}

// A program at a cgroup is found where it is, though its path leads to another one, as
// in a cgroup namespace.
func TestNowCgroup(t *testing.T) {
	dir, other := cgroup(t), cgroup(t)
	w := Where{Cgroup: dir, Hook: hook.CgroupEgress}
	l, err := Attach(w, Options{Chain: "edge", Linear: loader(programFor(t, w.Hook))})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want, err := w.Spot()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, other, "/no/such"} {
		l.Where.Cgroup = path
		if got, ok := l.Now(); !ok || got != w {
			t.Errorf("under the path %s: %s, %t, want %s", path, got, ok, w)
		}
		if got, ok := l.Spot(); !ok || got != want {
			t.Errorf("under the path %s: %+v, %t, want %+v", path, got, ok, want)
		}
	}
}

// A cgroup that is removed, and an interface of a packet socket, take the program
// with them.
func TestPlaceVanishes(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	dir := cgroup(t)
	root, err := CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		w      Where
		vanish func() error
	}{
		{Where{Cgroup: dir, Hook: hook.CgroupEgress}, func() error { return os.Remove(filepath.Join(root, dir)) }},
		{Where{Netns: n.Path, Interface: "wa", Hook: hook.Socket}, func() error { n.Delete("wa"); return nil }},
	} {
		l, err := Attach(x.w, Options{Chain: "edge", Linear: loader(programFor(t, x.w.Hook))})
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := l.Attached(); !ok || err != nil {
			t.Errorf("%s: Attached() = %t, %v", x.w, ok, err)
		}
		if err := x.vanish(); err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ { // a cgroup ends some time later
			if ok, err := l.Attached(); err != nil || !ok || i == 500 {
				if ok || err != nil {
					t.Errorf("%s: Attached() = %t, %v after it vanished", x.w, ok, err)
				}
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := l.Detach(); err != nil {
			t.Error(err)
		}
	}
}
