package attach

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/nstest"
)

// program loads a program that returns ret.
func program(t *testing.T, typ ebpf.ProgramType, ret int32, flags uint32) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "returns", Type: typ, Flags: flags, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, ret), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// programFor loads a program of a hook that lets all pass.
func programFor(t *testing.T, h hook.Hook) *ebpf.Program {
	t.Helper()
	s := &ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL"}
	ret := int32(1)
	switch {
	case h == hook.XDP:
		s.Type, ret = ebpf.XDP, 2
	case h == hook.Socket:
		s.Type = ebpf.SocketFilter
	case h == hook.CgroupIngress:
		s.Type, s.AttachType = ebpf.CGroupSKB, ebpf.AttachCGroupInetIngress
	case h == hook.CgroupEgress:
		s.Type, s.AttachType = ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress
	case h.Netfilter():
		s.Type, s.AttachType = ebpf.Netfilter, ebpf.AttachNetfilter
	case h == hook.SkLookup:
		s.Type, s.AttachType = ebpf.SkLookup, ebpf.AttachSkLookup
	case h == hook.Connect:
		s.Type, s.AttachType = ebpf.CGroupSockAddr, Points["sendmsg6"]
	default:
		ret = -1
	}
	s.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, ret), asm.Return()}
	p, err := ebpf.NewProgram(s)
	if lacks := features.HaveProgramType(s.Type); errors.Is(lacks, ebpf.ErrNotSupported) {
		t.Skip(lacks)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// cgroup makes an empty cgroup, and returns its path.
func cgroup(t *testing.T) string {
	t.Helper()
	root, err := CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(root, "weir-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	return "/" + filepath.Base(dir)
}

func loader(p *ebpf.Program) func() (*ebpf.Program, error) {
	return func() (*ebpf.Program, error) { return p, nil }
}

func xdpOptions(t *testing.T) Options {
	return Options{
		Chain:  "edge",
		Linear: loader(program(t, ebpf.XDP, 2, 0)),
		Frags:  loader(program(t, ebpf.XDP, 2, unix.BPF_F_XDP_HAS_FRAGS)),
	}
}

func TestXDPModes(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	n.Veth("wbig", "wpeer", 9000)
	tests := []struct {
		name, iface string
		change      func(*Options)
		mode        Mode
		frags       bool
		why         string
	}{
		{name: "veth", iface: "wa", mode: Native},
		{name: "generic if asked for", iface: "wb", mode: Generic, change: func(o *Options) { o.Mode = Generic }},
		{name: "lo", iface: "lo", mode: Generic, why: "native XDP: not supported by driver"},
		{name: "veth MTU 9000", iface: "wbig", mode: Native, frags: true},
		{name: "veth MTU 9000 without frags", iface: "wbig", mode: Generic, change: func(o *Options) { o.Frags = nil }, why: "MTU 9000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := xdpOptions(t)
			if tt.change != nil {
				tt.change(&o)
			}
			l, err := Attach(Where{Netns: n.Path, Interface: tt.iface}, o)
			if err != nil {
				t.Fatal(err)
			}
			if l.Mode != tt.mode || l.Frags != tt.frags || !strings.Contains(l.Why, tt.why) || tt.why == "" && l.Why != "" {
				t.Errorf("mode %s, frags %t, why %q; want %s, %t, %q", l.Mode, l.Frags, l.Why, tt.mode, tt.frags, tt.why)
			}
			if ok, err := l.Attached(); !ok || err != nil {
				t.Errorf("Attached() = %t, %v after attach", ok, err)
			}
			if err := l.Detach(); err != nil {
				t.Error(err)
			}
			if id := attachedXDP(n, tt.iface); id != 0 {
				t.Errorf("program %d is there after detach", id)
			}
		})
	}
}

func attachedXDP(n *nstest.Net, iface string) (id uint32) {
	n.Do(func() error {
		l, err := netlink.LinkByName(iface)
		if err == nil && l.Attrs().Xdp != nil {
			id = l.Attrs().Xdp.ProgId
		}
		return err
	})
	return id
}

func TestErrors(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	vanish := func(p *ebpf.Program, iface string) func() (*ebpf.Program, error) {
		return func() (*ebpf.Program, error) {
			n.Delete(iface) // after it was found, before the program is attached
			return p, nil
		}
	}
	tests := []struct {
		name  string
		where Where
		o     Options
		want  string
		is    error
	}{
		{"missing interface", Where{Netns: n.Path, Interface: "wnone", Hook: hook.XDP}, xdpOptions(t), `attach edge on .*/wnone at xdp: no such interface$`, ErrNoInterface},
		{"missing interface at tc", Where{Netns: n.Path, Interface: "wnone", Hook: hook.TCEgress}, xdpOptions(t), `at tc-egress: no such interface$`, ErrNoInterface},
		{"missing namespace", Where{Netns: "weir-none", Interface: "wa", Hook: hook.XDP}, xdpOptions(t), `attach edge on weir-none/wa at xdp: no such network namespace: /run/netns/weir-none \(ip netns lists those that have a name\)$`, ErrNoNetns},
		{"loader fails", Where{Netns: n.Path, Interface: "wa", Hook: hook.XDP}, Options{Chain: "edge", Linear: func() (*ebpf.Program, error) { return nil, os.ErrInvalid }}, `invalid argument$`, os.ErrInvalid},
		{"native on lo", Where{Netns: n.Path, Interface: "lo", Hook: hook.XDP}, Options{Chain: "edge", Mode: Native, Linear: loader(program(t, ebpf.XDP, 2, 0))}, `at xdp: native XDP: not supported by driver \S+$`, unix.EOPNOTSUPP},
		{"vanishes", Where{Netns: n.Path, Interface: "wa", Hook: hook.XDP}, Options{Chain: "edge", Linear: vanish(program(t, ebpf.XDP, 2, 0), "wb")}, `no such interface: it vanished meanwhile`, ErrNoInterface},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Attach(tt.where, tt.o)
			if l != nil || !errors.Is(err, tt.is) || !errors.As(err, new(*Error)) {
				t.Fatalf("got %v, %v, want an *Error of %v", l, err, tt.is)
			}
			matches(t, err.Error(), tt.want)
		})
	}
	for _, m := range []Mode{TCX, Clsact} {
		t.Run("vanishes under "+string(m), func(t *testing.T) {
			n.Veth("wa", "wb", 1500)
			_, err := Attach(Where{Netns: n.Path, Interface: "wa", Hook: hook.TCIngress}, Options{Chain: "edge", Mode: m, Linear: vanish(program(t, ebpf.SchedCLS, 0, 0), "wb")})
			if want := absent(t, m, ErrNoInterface); !errors.Is(err, want) {
				t.Fatalf("got %v, want %v", err, want)
			}
		})
	}
}

// absent returns ErrNotSupported if m is tcx and the kernel has none, else err.
func absent(t *testing.T, m Mode, err error) error {
	t.Helper()
	n := nstest.New(t)
	n.Veth("wx", "wy", 1500)
	l, lacks := Attach(Where{Netns: n.Path, Interface: "wx", Hook: hook.TCIngress}, Options{Mode: TCX, Linear: loader(program(t, ebpf.SchedCLS, -1, 0))})
	if lacks == nil {
		l.Detach()
	} else if m == TCX && errors.Is(lacks, ebpf.ErrNotSupported) {
		return ebpf.ErrNotSupported
	}
	return err
}

func TestTC(t *testing.T) {
	for _, m := range []Mode{Best, TCX, Clsact} {
		for _, h := range []hook.Hook{hook.TCIngress, hook.TCEgress} {
			t.Run(string(m)+" "+h.String(), func(t *testing.T) {
				n := nstest.New(t)
				n.Veth("wa", "wb", 1500)
				p, q := program(t, ebpf.SchedCLS, -1, 0), program(t, ebpf.SchedCLS, 0, 0)
				l, err := Attach(Where{Netns: n.Path, Interface: "wa", Hook: h}, Options{Chain: "edge", Mode: m, Linear: loader(p)})
				const lacks = "tcx: not supported (needs Linux 6.6)"
				old := absent(t, TCX, nil) != nil
				if old && m == TCX {
					matches(t, fmt.Sprint(err), `at `+h.String()+": "+regexp.QuoteMeta(lacks)+`$`)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				want, why := m, ""
				if m == Best {
					want = TCX
					if old {
						want, why = Clsact, lacks
					}
				}
				if l.Mode != want || l.Why != why {
					t.Errorf("mode %s, why %q; want %s, %q", l.Mode, l.Why, want, why)
				}
				if err := l.Update(q); err != nil {
					t.Errorf("update: %v", err)
				}
				if ok, err := l.Attached(); !ok || err != nil {
					t.Errorf("Attached() = %t, %v", ok, err)
				}
				n.Delete("wb")
				if ok, err := l.Attached(); ok || err != nil {
					t.Errorf("Attached() = %t, %v after the interface is gone", ok, err)
				}
				if err := l.Detach(); err != nil {
					t.Errorf("detach from a gone interface: %v", err)
				}
			})
		}
	}
}

// Kernels that lack something cannot be had here; what is said of them can.
func TestExplain(t *testing.T) {
	lacks := fmt.Errorf("attach: %w", ebpf.ErrNotSupported)
	denied := fmt.Errorf("attach: %w", unix.EPERM)
	for _, tt := range []struct {
		err  error
		want string
		is   error
	}{
		{explainTC(TCX, lacks), "tcx: not supported (needs Linux 6.6)", ebpf.ErrNotSupported},
		{explainTC(TCX, denied), "tcx: operation not permitted (needs root, or CAP_BPF and CAP_NET_ADMIN)", unix.EPERM},
		{explainTC(Clsact, unix.EOPNOTSUPP), "clsact: operation not supported", unix.EOPNOTSUPP},
		{&joined{[]error{explainTC(TCX, lacks), explainTC(Clsact, unix.ENOENT)}},
			"tcx: not supported (needs Linux 6.6); clsact: no such file or directory", ebpf.ErrNotSupported},
	} {
		if tt.err.Error() != tt.want || !errors.Is(tt.err, tt.is) {
			t.Errorf("got %v (is %v: %t), want %s", tt.err, tt.is, errors.Is(tt.err, tt.is), tt.want)
		}
	}
}

// Filters of two chains share a queueing discipline, which goes with the last,
// unless it was there before.
func TestClsactQdisc(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	at := func(chain string, h hook.Hook) *Link {
		l, err := Attach(Where{Netns: n.Path, Interface: "wa", Hook: h}, Options{Chain: chain, Mode: Clsact, Linear: loader(program(t, ebpf.SchedCLS, -1, 0))})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	count := func() int { return qdiscs(n, "wa") }
	a, b, c := at("one", hook.TCIngress), at("two", hook.TCIngress), at("one", hook.TCEgress)
	if a.Filter.Priority == b.Filter.Priority {
		t.Errorf("two filters of priority %d", a.Filter.Priority)
	}
	for _, l := range []*Link{b, a, c} {
		if count() != 1 {
			t.Errorf("%d clsact before the last detach, want 1", count())
		}
		if err := l.Detach(); err != nil {
			t.Error(err)
		}
	}
	if count() != 0 {
		t.Errorf("%d clsact after the last detach", count())
	}
	n.Do(func() error {
		l, err := netlink.LinkByName("wa")
		if err != nil {
			return err
		}
		return netlink.QdiscAdd(clsactOf(l.Attrs().Index))
	})
	if err := at("one", hook.TCIngress).Detach(); err != nil || count() != 1 {
		t.Errorf("%d clsact, %v: somebody else's was removed", count(), err)
	}
}

func TestPinAndOpen(t *testing.T) {
	dir := nstest.BPFFS(t)
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	for _, h := range hook.All() {
		t.Run(h.String(), func(t *testing.T) {
			w := Where{Netns: n.Path, Interface: "wa", Hook: h}
			switch h.Info().Place {
			case hook.Netns:
				w.Interface = ""
			case hook.Cgroup:
				w = Where{Cgroup: cgroup(t), Hook: h}
			}
			if h == hook.Connect {
				w.Point = "sendmsg6"
			}
			o := Options{Chain: "edge", Linear: loader(programFor(t, h)), Pin: filepath.Join(dir, h.String())}
			l, err := Attach(w, o)
			if h == hook.Socket {
				if !errors.Is(err, errProcess) {
					t.Fatalf("a packet socket was pinned: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Update(programFor(t, h)); err != nil {
				t.Error(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := Open(l.Record)
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := again.Attached(); !ok || err != nil {
				t.Errorf("Attached() = %t, %v after reopening", ok, err)
			}
			if err := again.Detach(); err != nil {
				t.Error(err)
			}
			if left, err := filepath.Glob(o.Pin + "*"); err != nil || len(left) > 0 {
				t.Errorf("pins are still there: %v, %v", left, err)
			}
			again, err = Open(l.Record)
			if l.Mode == Clsact { // has no descriptor to open
				if ok, err := again.Attached(); ok || err != nil {
					t.Errorf("Attached() = %t, %v of what is gone", ok, err)
				}
			} else if !errors.As(err, new(*Error)) {
				t.Errorf("open what is gone: %v, want an *Error", err)
			}
		})
	}
}

// A pin that cannot be made takes the link with it.
func TestPinFails(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	o := xdpOptions(t)
	o.Pin = filepath.Join(t.TempDir(), "link")
	if _, err := Attach(Where{Netns: n.Path, Interface: "wa"}, o); err == nil {
		t.Fatal("pinned outside of a BPF file system")
	}
	if id := attachedXDP(n, "wa"); id != 0 {
		t.Errorf("program %d is attached after the error", id)
	}
}
