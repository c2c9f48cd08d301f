package datapath

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/hook"
	"weir/internal/codetest"
	"weir/internal/nstest"
)

func matches(t *testing.T, got, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(got) {
		t.Errorf("got  %s\nwant %s", got, pattern)
	}
}

// kernel returns a Kernel of the test's own. At the test's end nothing may be
// pinned any more.
func kernel(t *testing.T) Kernel {
	t.Helper()
	dir := nstest.BPFFS(t)
	k := Kernel{Root: filepath.Join(dir, "weir"), Lock: filepath.Join(t.TempDir(), "lock")}
	t.Cleanup(func() {
		if _, err := k.DetachAll(context.Background()); err != nil {
			t.Errorf("detach all: %v", err)
		}
		if p := pins(t, k); len(p) > 0 {
			t.Errorf("pins are left: %v", p)
		}
	})
	return k
}

// pins lists what is below the root.
func pins(t *testing.T, k Kernel) []string {
	t.Helper()
	var out []string
	filepath.WalkDir(k.Root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != k.Root {
			rel, _ := filepath.Rel(k.Root, path)
			out = append(out, rel)
		}
		return nil
	})
	return out
}

// descriptors counts the open files of the process.
func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func chain(n *nstest.Net, iface string, h hook.Hook) Chain {
	return Chain{Where: attach.Where{Netns: n.Path, Interface: iface, Hook: h}, Program: codetest.Chain(h, codetest.ChainOptions{})}
}

var frame = append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00}, make([]byte, 46)...)

func TestAttachAndOpen(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	before := descriptors(t)
	ctx := context.Background()
	o := Options{Name: "my.edge", Pin: true, Chains: []Chain{
		chain(n, "wa", hook.XDP), chain(n, "wa", hook.TCIngress), chain(n, "wb", hook.TCEgress),
	}}
	g, err := k.Attach(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range pins(t, k) {
		if strings.Contains(p, ".") {
			t.Errorf("pin %s has a dot", p)
		}
	}
	for range 3 {
		n.Send("wb", frame) // XDP and tc-ingress of wa, tc-egress of wb
	}
	if g, err = k.Open("my.edge"); err != nil {
		t.Fatal(err)
	}
	if g.Name != "my.edge" || g.Number != 1 || time.Since(g.Time) > time.Minute || !g.Pinned {
		t.Errorf("opened %s, number %d, of %s", g.Name, g.Number, g.Time)
	}
	for i, a := range g.Attachments {
		if a.Where != o.Chains[i].Where || a.Program.Sources[0].Text == "" || a.LinkID() == 0 && a.Mode != attach.Clsact || a.ProgramID() == 0 {
			t.Errorf("attachment %d: %+v", i, a.Record)
		}
		if ok, err := a.Attached(); !ok || err != nil {
			t.Errorf("%s: Attached() = %t, %v", a.Where, ok, err)
		}
		checkExits(t, a, 3, 0)
	}
	checkCount(t, g.State, "seen", 9)
	refused, err := g.Refused()
	if err != nil || len(refused) != 5 || refused[0].Name != "blocked" {
		t.Errorf("refused: %v, %v", refused, err)
	}

	if err := g.SetParam("limit", "0"); err != nil {
		t.Fatal(err)
	}
	n.Send("wb", frame) // is dropped at the egress of wb
	checkExits(t, g.Attachments[2], 3, 1)
	checkExits(t, g.Attachments[0], 3, 0)
	if err := g.Close(); err != nil {
		t.Error(err)
	}

	gs, err := k.List()
	if err != nil || len(gs) != 1 || gs[0].Name != "my.edge" {
		t.Fatalf("List() = %v, %v", gs, err)
	}
	if err := gs[0].Close(); err != nil {
		t.Error(err)
	}
	if err := k.Detach(ctx, "my.edge"); err != nil {
		t.Fatal(err)
	}
	if p := pins(t, k); len(p) > 0 {
		t.Errorf("after detach there are pins: %v", p)
	}
	if _, err := k.Open("my.edge"); !errors.Is(err, ErrNotFound) {
		t.Errorf("open after detach: %v", err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func checkExits(t *testing.T, a *Attachment, pass, drop uint64) {
	t.Helper()
	x, err := a.Exits()
	if err != nil || len(x) != 2 {
		t.Fatalf("%s: exits %v, %v", a.Where, x, err)
	}
	size := uint64(len(frame))
	if x[0].Packets != pass || x[1].Packets != drop || x[0].Bytes != pass*size || x[1].Bytes != drop*size || x[1].Reason != "limited" {
		t.Errorf("%s: exits %+v, want %d and %d packets of %d octets", a.Where, x, pass, drop, size)
	}
}

func checkCount(t *testing.T, s *State, name string, want uint64) {
	t.Helper()
	counts, err := s.Counts()
	if err != nil || len(counts) != 1 || counts[0] != (Count{Name: name, N: want}) {
		t.Errorf("counts %v, %v, want %s %d", counts, err, name, want)
	}
}

func TestNotPinned(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	for _, mode := range []attach.Mode{attach.TCX, attach.Clsact} {
		t.Run(string(mode), func(t *testing.T) {
			g, err := k.Attach(context.Background(), Options{Name: "edge", Chains: []Chain{chain(n, "wa", hook.TCIngress)}, How: How{Mode: mode}})
			if errors.Is(err, ebpf.ErrNotSupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			n.Send("wb", frame)
			checkExits(t, g.Attachments[0], 1, 0)
			a := g.Attachments[0]
			// What has ended can still be read, and changes no more.
			if err := g.Stop(); err != nil {
				t.Fatal(err)
			}
			n.Send("wb", frame)
			checkExits(t, a, 1, 0)
			if ok, err := a.Attached(); !ok || err != nil {
				t.Errorf("%s was not there until Stop: %t, %v", a.Where, ok, err)
			}
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			if mode == attach.Clsact {
				l, err := attach.Open(a.Record)
				if err != nil {
					t.Fatal(err)
				}
				if ok, err := l.Attached(); ok || err != nil {
					t.Errorf("the filter is there after Close: %t, %v", ok, err)
				}
			}
		})
	}
	if p := pins(t, k); len(p) > 0 {
		t.Errorf("pins of what is not pinned: %v", p)
	}
}

// What fails leaves nothing, whatever was done before it failed.
func TestFailedAttach(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	n.Veth("wc", "wd", 9000)
	good := chain(n, "wa", hook.XDP)
	with := func(c Chain, o codetest.ChainOptions) Chain {
		c.Program = codetest.Chain(c.Where.Hook, o)
		return c
	}
	huge := chain(n, "wb", hook.XDP)
	huge.Program.Maps[1].Spec.MaxEntries = 1 << 31
	wrong := chain(n, "wb", hook.TCEgress)
	wrong.Where.Hook = hook.XDP
	done, cancel := context.WithCancel(context.Background())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		o    Options
		want string
	}{
		{"missing interface", nil, Options{Name: "x", Chains: []Chain{good, chain(n, "wnone", hook.XDP)}}, `^attach x on .*/wnone at xdp: no such interface$`},
		{"missing namespace", nil, Options{Name: "x", Chains: []Chain{good, {Where: attach.Where{Netns: "weir-none", Interface: "wa"}, Program: good.Program}}}, `^attach x on weir-none/wa:xdp: no such network namespace`},
		{"redirect to nowhere", nil, Options{Name: "x", Chains: []Chain{good, with(chain(n, "wb", hook.XDP), codetest.ChainOptions{Redirect: "wnone"})}}, `interface wnone: no such interface$`},
		{"same place twice", nil, Options{Name: "x", Chains: []Chain{good, good}}, `/wa:xdp is given twice$`},
		{"in use", nil, Options{Name: "x", Chains: []Chain{chain(n, "wb", hook.TCIngress), chain(n, "wb", hook.XDP), {Where: attach.Where{Netns: n.Path, Interface: "lo"}, Program: good.Program}}, How: How{Mode: attach.Native}}, `native`},
		{"no place", nil, Options{Name: "x"}, `^attach x: no place is given$`},
		{"bad name", nil, Options{Name: "a/b", Chains: []Chain{good}}, `^name "a/b": '/' is not allowed in it: choose another one \(--name\)$`},
		{"wrong hook", nil, Options{Name: "x", Chains: []Chain{wrong}}, `a program for tc-egress at .*/wb:xdp$`},
		{"map too large", nil, Options{Name: "x", Chains: []Chain{huge}}, `create map hits.state \(Hash of 2147483648 entries\): (larger than the kernel allows|out of memory)`},
		{"unknown parameter", nil, Options{Name: "x", Chains: []Chain{good}, Set: map[string]string{"limt": "1"}}, `set limt: param not found \(there are limit\)`},
		{"bad parameter", nil, Options{Name: "x", Chains: []Chain{good}, Set: map[string]string{"limit": "-1"}}, `set limit: "-1" is not a u32 \(want 0 to 4294967295\)`},
		{"interrupted", done, Options{Name: "x", Chains: []Chain{good}}, `context canceled`},
		{"verifier", nil, Options{Name: "x", Chains: []Chain{good, with(chain(n, "wb", hook.TCIngress), codetest.ChainOptions{Bad: true})}}, `edge.weir:7:5: error: the kernel's verifier refused the program: R5 !read_ok`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.ctx == nil {
				tt.ctx = context.Background()
			}
			tt.o.Pin = true
			before := descriptors(t)
			g, err := k.Attach(tt.ctx, tt.o)
			if err == nil {
				g.Close()
				t.Fatal("no error")
			}
			matches(t, err.Error(), tt.want)
			if p := pins(t, k); len(p) > 0 {
				t.Errorf("pins are left: %v", p)
			}
			if after := descriptors(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
			// Nothing is attached: all places are free.
			g, err = k.Attach(context.Background(), Options{Name: "free", Chains: []Chain{
				chain(n, "wa", hook.XDP), chain(n, "wb", hook.XDP), chain(n, "lo", hook.XDP)}})
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVerifierError(t *testing.T) {
	p := codetest.Chain(hook.XDP, codetest.ChainOptions{Bad: true})
	_, err := Load(p, LoadOptions{})
	var v *VerifierError
	if !errors.As(err, &v) {
		t.Fatalf("got %v, want a *VerifierError", err)
	}
	if v.Pos.File != "edge.weir" || v.Pos.Line != codetest.BadLine || v.Text != "    # the bad line" || len(v.Log) < 3 {
		t.Errorf("position %v, text %q, log %q", v.Pos, v.Text, v.Log)
	}
	matches(t, err.Error(), `(?s)^load edge for xdp: edge.weir:7:5: error: the kernel's verifier refused the program: R5 !read_ok\n.*\^\n  this is a fault of the compiler`)
}

// TestVerifierBreaks: the kernel's own fault, of which there is no log.
func TestVerifierBreaks(t *testing.T) {
	p := codetest.Chain(hook.XDP, codetest.ChainOptions{})
	v := verifierError(p, nil, fmt.Errorf("load program: %w (increase LogSizeStart)", unix.EFAULT))
	if v == nil || !errors.Is(v, unix.EFAULT) {
		t.Fatalf("got %v, want a *VerifierError of EFAULT", v)
	}
	matches(t, v.Error(), `^edge.weir.*: error: the kernel's verifier broke on the program, and its log is lost\n`)
}

func TestNameTwice(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	ctx := context.Background()
	g, err := k.Attach(ctx, Options{Name: "edge", Pin: true, Chains: []Chain{chain(n, "wa", hook.XDP)}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for pin, want := range map[bool]string{true: "replace it, detach", false: "detach"} {
		_, err = k.Attach(ctx, Options{Name: "edge", Pin: pin, Chains: []Chain{chain(n, "wb", hook.XDP)}})
		if !errors.Is(err, ErrExists) {
			t.Fatalf("pin %t: got %v, want ErrExists", pin, err)
		}
		matches(t, err.Error(), `^attach edge: there already on .*/wa:xdp: `+want+` it first, or choose another name$`)
	}
	_, err = k.Attach(ctx, Options{Name: "other", Pin: true, Chains: []Chain{chain(n, "wa", hook.XDP)}})
	if !errors.Is(err, attach.ErrInUse) {
		t.Fatalf("a second XDP program: %v, want ErrInUse", err)
	}
	_, err = k.Attach(ctx, Options{Name: "other", Pin: true, How: How{Force: true}, Chains: []Chain{chain(n, "wa", hook.XDP)}})
	if !errors.Is(err, attach.ErrInUse) {
		t.Fatalf("replace weir's own: %v, want ErrInUse", err)
	}
	matches(t, err.Error(), `already in use by weir's own edge: detach that first$`)
	checkExits(t, g.Attachments[0], 0, 0)
}

func TestFrags(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 9000)
	c := chain(n, "wa", hook.XDP)
	c.Frags = codetest.Chain(hook.XDP, codetest.ChainOptions{})
	before := descriptors(t)
	g, err := k.Attach(context.Background(), Options{Name: "edge", Pin: true, Chains: []Chain{c}, Set: map[string]string{"limit": "0"}})
	if err != nil {
		t.Fatal(err)
	}
	a := g.Attachments[0]
	if !a.Frags || a.Mode != attach.Native || a.Program != c.Frags || len(g.units) != 1 {
		t.Errorf("frags %t, mode %s (%s), %d units", a.Frags, a.Mode, a.Why, len(g.units))
	}
	n.Send("wb", frame)
	checkExits(t, a, 0, 1)
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if g, err = k.Open("edge"); err != nil {
		t.Fatal(err)
	}
	checkExits(t, g.Attachments[0], 0, 1)
	g.Close()
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestGoneInterface(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	g, err := k.Attach(context.Background(), Options{Name: "edge", Pin: true, Chains: []Chain{chain(n, "wa", hook.XDP), chain(n, "wa", hook.TCIngress)}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	n.Delete("wa")
	for _, a := range g.Attachments {
		if ok, err := a.Attached(); ok || err != nil {
			t.Errorf("%s: Attached() = %t, %v", a.Where, ok, err)
		}
	}
	if err := k.Detach(context.Background(), "edge"); err != nil {
		t.Errorf("detach: %v", err)
	}
}
