package attach

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/nstest"
)

func TestParseAnchor(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		a        Anchor
	}{
		{in: "edge", a: Anchor{Chain: "edge"}},
		{in: "id:12", a: Anchor{ID: 12}},
		{in: "name:cil_from_netdev", a: Anchor{Program: "cil_from_netdev"}},
		{in: "", want: `an empty name (want NAME, id:NUMBER or name:PROGRAM)`},
		{in: "id:x", want: `"id:x": "x" is not the number of a program`},
		{in: "id:0", want: `"id:0": "0" is not the number of a program`},
		{in: "name:", want: `"name:": want NAME, id:NUMBER or name:PROGRAM`},
		{in: "tag:12", want: `"tag:12": want NAME, id:NUMBER or name:PROGRAM`},
	} {
		a, err := ParseAnchor(tt.in)
		if tt.want != "" {
			if err == nil || err.Error() != tt.want {
				t.Errorf("ParseAnchor(%q): %v, want %s", tt.in, err, tt.want)
			}
			continue
		}
		if err != nil || a.String() != tt.in || fmt.Sprint(a) != fmt.Sprint(tt.a) {
			t.Errorf("ParseAnchor(%q) = %+v, %v, want %+v", tt.in, a, err, tt.a)
		}
	}
}

// named loads a program that passes everything on.
func named(t *testing.T, name string) (*ebpf.Program, ebpf.ProgramID) {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
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

func rowNames(t *testing.T, w Where) []string {
	t.Helper()
	row, err := Row(w)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range row {
		names = append(names, s.Name)
	}
	return names
}

// Programs go where they are told to, among foreign tcx programs and filters,
// which stay as they are also when ours are replaced and detached.
func TestOrder(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	w := Where{Netns: n.Path, Interface: "wa", Hook: hook.TCIngress}
	var foreignID ebpf.ProgramID
	for _, name := range []string{"twin", "foreign", "twin"} {
		p, id := named(t, name)
		if name == "foreign" {
			foreignID = id
		}
		var lacks error
		n.Do(func() error {
			dev, err := netlink.LinkByName("wa")
			if err != nil {
				return err
			}
			l, err := link.AttachTCX(link.TCXOptions{Program: p, Interface: dev.Attrs().Index, Attach: ebpf.AttachTCXIngress})
			if errors.Is(err, ebpf.ErrNotSupported) {
				lacks = err
				return nil
			}
			t.Cleanup(func() { l.Close() })
			return err
		})
		if errors.Is(lacks, ebpf.ErrNotSupported) {
			t.Skip(lacks)
		}
	}
	foreignFilters(t, n)
	foreign := []string{"twin", "foreign", "twin", "foreign_filter", "u32 filter"}
	if got := rowNames(t, w); !slices.Equal(got, foreign) {
		t.Fatalf("before: %v, want %v", got, foreign)
	}
	oursID := ebpf.ProgramID(0)
	for _, tt := range []struct {
		order Order
		want  []string // with "ours"
		err   string
	}{
		{order: Order{}, want: []string{"twin", "foreign", "twin", "ours", "foreign_filter", "u32 filter"}},
		{order: Order{Side: First}, want: []string{"ours", "twin", "foreign", "twin", "foreign_filter", "u32 filter"}},
		{order: Order{Before, Anchor{ID: foreignID}}, want: []string{"twin", "ours", "foreign", "twin", "foreign_filter", "u32 filter"}},
		{order: Order{After, Anchor{Program: "foreign"}}, want: []string{"twin", "foreign", "ours", "twin", "foreign_filter", "u32 filter"}},
		{order: Order{After, Anchor{Chain: "other", IDs: []ebpf.ProgramID{1, foreignID}}}, want: []string{"twin", "foreign", "ours", "twin", "foreign_filter", "u32 filter"}},
		{order: Order{Before, Anchor{Program: "twin"}}, err: `at tc-ingress: before name:twin: name:twin is the name of several programs here: \[\d+ "twin" \d+ "twin"\]; say which by id:NUMBER$`},
		{order: Order{After, Anchor{ID: 1 << 30}}, err: `after id:1073741824: id:1073741824 is not here: there are \d+ "twin", \d+ "foreign", \d+ "twin"$`},
	} {
		t.Run(tt.order.String(), func(t *testing.T) {
			p, id := named(t, "ours")
			oursID = id
			l, err := Attach(w, Options{Chain: "edge", Linear: loader(p), Order: tt.order})
			if tt.err != "" {
				if err == nil {
					t.Fatal("attached")
				}
				matches(t, err.Error(), tt.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := rowNames(t, w); !slices.Equal(got, tt.want) {
				t.Errorf("attached: %v, want %v", got, tt.want)
			}
			q, _ := named(t, "ours")
			if err := l.Update(q); err != nil {
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
	if oursID == 0 {
		t.Error("nothing ran")
	}
}

// foreignFilters adds two clsact filters at the ingress of wa: a program, and u32.
func foreignFilters(t *testing.T, n *nstest.Net) {
	t.Helper()
	p, _ := named(t, "foreign_filter")
	n.Do(func() error {
		dev, err := netlink.LinkByName("wa")
		if err != nil {
			return err
		}
		at := netlink.FilterAttrs{LinkIndex: dev.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Protocol: unix.ETH_P_ALL}
		first, second := at, at
		first.Priority, first.Handle, second.Priority = 10, 1, 20
		return errors.Join(
			netlink.QdiscAdd(clsactOf(dev.Attrs().Index)),
			netlink.FilterAdd(&netlink.BpfFilter{FilterAttrs: first, Fd: p.FD(), Name: "foreign", DirectAction: true}),
			netlink.FilterAdd(&netlink.U32{FilterAttrs: second, ClassId: netlink.MakeHandle(1, 1)}),
		)
	})
}

// Clsact filters of weir's leave foreign ones, and the queueing discipline, as
// they are; they have no order.
func TestClsactBesideForeign(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	w := Where{Netns: n.Path, Interface: "wa", Hook: hook.TCIngress}
	foreignFilters(t, n)
	p, _ := named(t, "ours")
	_, err := Attach(w, Options{Chain: "edge", Mode: Clsact, Linear: loader(p), Order: Order{Side: First}})
	if !errors.Is(err, ebpf.ErrNotSupported) {
		t.Fatalf("first at clsact: %v, want ErrNotSupported", err)
	}
	matches(t, err.Error(), `at tc-ingress: first: clsact filters of weir's go behind all others \(an order needs tcx, Linux 6.6\)$`)
	l, err := Attach(w, Options{Chain: "edge", Mode: Clsact, Linear: loader(p)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := rowNames(t, w), []string{"foreign_filter", "u32 filter", "ours"}; !slices.Equal(got, want) {
		t.Errorf("attached: %v, want %v", got, want)
	}
	q, _ := named(t, "ours")
	if err := l.Update(q); err != nil {
		t.Error(err)
	}
	if err := l.Detach(); err != nil {
		t.Error(err)
	}
	if got, want := rowNames(t, w), []string{"foreign_filter", "u32 filter"}; !slices.Equal(got, want) {
		t.Errorf("detached: %v, want %v", got, want)
	}
}

// Who takes our program away by force and puts his own there keeps his when ours is
// detached.
func TestDetachLeavesOthers(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		t.Run(h.String(), func(t *testing.T) {
			n := nstest.New(t)
			n.Veth("wa", "wb", 1500)
			w := Where{Netns: n.Path, Interface: "wa", Hook: h}
			mode := TCX // clsact filters have no link that can be taken away: see TestLeftover
			if h == hook.XDP {
				mode = Native
			}
			ours, err := Attach(w, Options{Chain: "edge", Mode: mode, Linear: loader(programFor(t, h))})
			if errors.Is(err, ebpf.ErrNotSupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			stolen, err := link.NewFromID(ours.ID())
			if err != nil {
				t.Fatal(err)
			}
			defer stolen.Close()
			if err := stolen.Detach(); err != nil {
				t.Fatal(err)
			}
			theirs, err := Attach(w, Options{Chain: "other", Linear: loader(programFor(t, h))})
			if err != nil {
				t.Fatal(err)
			}
			defer theirs.Close()
			if ok, err := ours.Attached(); ok || err != nil {
				t.Errorf("ours: Attached() = %t, %v", ok, err)
			}
			if _, ok := ours.Now(); ok {
				t.Error("ours is taken to be where theirs is")
			}
			if err := ours.Detach(); err != nil {
				t.Error(err)
			}
			if ok, err := theirs.Attached(); !ok || err != nil {
				t.Errorf("theirs after the detach of ours: %t, %v", ok, err)
			}
		})
	}
}

// A listing that is interrupted is begun again, but not for ever.
func TestDump(t *testing.T) {
	for _, tt := range []struct{ interrupted, want int }{{0, 1}, {2, 3}, {100, dumpTries}} {
		n := 0
		all, err := Dump(func() ([]int, error) {
			if n++; n <= tt.interrupted {
				return []int{n}, netlink.ErrDumpInterrupted
			}
			return []int{n}, nil
		})
		if err != nil || !slices.Equal(all, []int{tt.want}) {
			t.Errorf("interrupted %d times: %v, %v, want [%d]", tt.interrupted, all, err, tt.want)
		}
	}
	if _, err := Dump(func() ([]int, error) { return nil, unix.EPERM }); !errors.Is(err, unix.EPERM) {
		t.Errorf("another error became %v", err)
	}
}

func TestNoOrder(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	for h, want := range map[hook.Hook]string{
		hook.XDP:            `at xdp: first: there is room for one program, so that there is no order \(tc-ingress, tc-egress and hooks of cgroups have one\)$`,
		hook.NetfilterInput: `at netfilter-input: first: priorities say the order \(tc-ingress, `,
		hook.SkLookup:       `at sk-lookup: first: programs stand in the order in which they were attached \(tc-ingress, `,
		hook.Socket:         `at socket: first: programs have no order there \(tc-ingress, `,
	} {
		t.Run(h.String(), func(t *testing.T) {
			w := Where{Netns: n.Path, Hook: h}
			if h.Info().Place == hook.Interface {
				w.Interface = "wa"
			}
			_, err := Attach(w, Options{Chain: "edge", Linear: loader(programFor(t, h)), Order: Order{Side: First}})
			if err == nil {
				t.Fatal("attached")
			}
			matches(t, err.Error(), want)
		})
	}
}

// Programs at sk-lookup stand in the order in which they came.
func TestLookupRow(t *testing.T) {
	n := nstest.New(t)
	w := Where{Netns: n.Path, Hook: hook.SkLookup}
	var want []ebpf.ProgramID
	for range 3 {
		p := programFor(t, w.Hook)
		l, err := Attach(w, Options{Chain: "edge", Linear: loader(p)})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		want = append(want, programID(p))
	}
	row, err := Row(w)
	var got []ebpf.ProgramID
	for _, s := range row {
		got = append(got, s.Program)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("row %v, %v, want %v", got, err, want)
	}
}
