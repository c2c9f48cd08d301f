package datapath

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"weir/attach"
	"weir/hook"
	"weir/internal/nstest"
)

// Two of one name that are not pinned do each other no harm: at clsact the
// second is refused, elsewhere they are apart.
func TestNameTwiceNotPinned(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	ctx := context.Background()
	for _, mode := range []attach.Mode{attach.TCX, attach.Clsact} {
		t.Run(string(mode), func(t *testing.T) {
			o := Options{Name: "edge", Chains: []Chain{chain(n, "wa", hook.TCIngress)}, How: How{Mode: mode}}
			a, err := k.Attach(ctx, o)
			if errors.Is(err, ebpf.ErrNotSupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := k.Attach(ctx, o)
			if mode == attach.Clsact {
				if !errors.Is(err, attach.ErrInUse) {
					t.Fatalf("a second filter: %v, want ErrInUse", err)
				}
				matches(t, err.Error(), `already in use by filter weir/edge \(program \d+, held by process \d+ .*: end that first, or choose another name$`)
			} else if err != nil {
				t.Fatal(err)
			}
			n.Send("wb", frame)
			checkExits(t, a.Attachments[0], 1, 0)
			if b != nil {
				checkExits(t, b.Attachments[0], 1, 0)
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			}
			n.Send("wb", frame)
			checkExits(t, a.Attachments[0], 2, 0)
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The kernel's names of programs tell whose they are, and their tags what they do.
func TestProgramName(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"edge", "weir_edge"},
		{"a-b c.d_é", "weir_a_b_c_d__"},
		{"a-name-that-is-long", "weir_a_name_that_is_long"},
	} {
		if got := ProgramName(tt.name); got != tt.want || !NamedByWeir(got) {
			t.Errorf("ProgramName(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	tags := map[string]bool{}
	// Of ten letters the kernel keeps all, and of eleven it looks as if it did not.
	for _, name := range []string{"one-chain", "ten-letter", "edge-guard-one", strings.Repeat("n", 64)} {
		g, err := k.Attach(context.Background(), Options{Name: name, Pin: true, Chains: []Chain{chain(n, "wa", hook.TCIngress)}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := ebpf.NewProgramFromID(g.Attachments[0].ProgramID())
		if err != nil {
			t.Fatal(err)
		}
		info, err := p.Info()
		if err != nil || info.Name != ProgramName(name) || info.Tag != g.Attachments[0].Tag() {
			t.Errorf("program %q, tag %q, %v; want %q, %q", info.Name, info.Tag, err, ProgramName(name), g.Attachments[0].Tag())
		}
		m, err := readManifest(filepath.Join(k.dir(name), "1", manifestName))
		if err != nil || m.Units[0].Tag != info.Tag {
			t.Errorf("manifest %+v, %v; want tag %s", m, err, info.Tag)
		}
		tags[info.Tag] = true
		p.Close()
		g.Close()
		if err := k.Detach(context.Background(), name); err != nil {
			t.Error(err)
		}
	}
	if len(tags) != 1 {
		t.Errorf("the same chain has the tags %v", tags)
	}
}
