package attach

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"weir/hook"
)

// newCgroup makes a cgroup that ends with the test.
func newCgroup(t *testing.T) string {
	t.Helper()
	root, err := CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(root, "weir-attach-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func cgroupProgram(t *testing.T, name string) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetEgress, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// Programs of a cgroup go where they are told to, among foreign ones that are there
// by a link and without, which stay.
func TestCgroupOrder(t *testing.T) {
	dir := newCgroup(t)
	w := Where{Cgroup: dir, Hook: hook.CgroupEgress}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"twin", "linkless", "twin"} {
		p := cgroupProgram(t, name)
		if name == "linkless" {
			err = link.RawAttachProgram(link.RawAttachProgramOptions{
				Target: int(f.Fd()), Program: p, Attach: ebpf.AttachCGroupInetEgress, Flags: unix.BPF_F_ALLOW_MULTI,
			})
		} else {
			var l link.Link
			if l, err = link.AttachCgroup(link.CgroupOptions{Path: dir, Attach: ebpf.AttachCGroupInetEgress, Program: p}); err == nil {
				defer l.Close()
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	foreign := []string{"twin", "linkless", "twin"}
	row, err := Row(w)
	if err != nil || row[0].Link == 0 || row[1].Link != 0 {
		t.Fatalf("row %+v, %v", row, err)
	}
	for _, tt := range []struct {
		order Order
		want  []string
		err   string
	}{
		{order: Order{}, want: []string{"twin", "linkless", "twin", "ours"}},
		{order: Order{Side: First}, want: []string{"ours", "twin", "linkless", "twin"}},
		{order: Order{Before, Anchor{Program: "linkless"}}, want: []string{"twin", "ours", "linkless", "twin"}},
		{order: Order{After, Anchor{ID: row[0].Program}}, want: []string{"twin", "ours", "linkless", "twin"}},
		{order: Order{After, Anchor{ID: row[2].Program}}, want: []string{"twin", "linkless", "twin", "ours"}},
		{order: Order{Before, Anchor{Program: "none"}}, err: `at cgroup-egress: before name:none: name:none is not here: there are \d+ "twin", \d+ "linkless", \d+ "twin"$`},
	} {
		t.Run(tt.order.String(), func(t *testing.T) {
			l, err := Attach(w, Options{Chain: "edge", Linear: loader(cgroupProgram(t, "ours")), Order: tt.order})
			if tt.err != "" {
				if err == nil {
					t.Fatal("attached")
				}
				matches(t, err.Error(), tt.err)
				return
			}
			if errors.Is(err, ebpf.ErrNotSupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Update(cgroupProgram(t, "ours")); err != nil {
				t.Error(err)
			}
			if got := rowNames(t, w); !slices.Equal(got, tt.want) {
				t.Errorf("replaced: %v, want %v", got, tt.want)
			}
			if err := l.Detach(); err != nil {
				t.Error(err)
			}
			if got := rowNames(t, w); !slices.Equal(got, foreign) {
				t.Errorf("detached: %v, want %v", got, foreign)
			}
		})
	}
}

// A program that was attached so that it suffers no other is named, also where it is
// attached above.
func TestCgroupAlone(t *testing.T) {
	dir := newCgroup(t)
	below := filepath.Join(dir, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(below)
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := link.RawAttachProgramOptions{Target: int(f.Fd()), Program: cgroupProgram(t, "alone"), Attach: ebpf.AttachCGroupInetEgress}
	if err := link.RawAttachProgram(o); err != nil {
		t.Fatal(err)
	}
	for _, cgroup := range []string{dir, below} {
		_, err := Attach(Where{Cgroup: cgroup, Hook: hook.CgroupEgress}, Options{Chain: "edge", Linear: loader(cgroupProgram(t, "ours"))})
		if !errors.Is(err, ErrInUse) {
			t.Errorf("attach at %s: %v, want ErrInUse", cgroup, err)
			continue
		}
		matches(t, err.Error(), `at cgroup-egress: already in use by program \d+ "alone", which was attached to cgroup /`+filepath.Base(dir)+` without BPF_F_ALLOW_MULTI: it suffers no other there or below$`)
	}
	if err := link.RawDetachProgram(link.RawDetachProgramOptions(o)); err != nil {
		t.Error(err)
	}
}
