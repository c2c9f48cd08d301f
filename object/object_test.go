package object

import (
	"errors"
	"os"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
)

//go:generate ../scripts/objects.sh testdata

func file(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".o")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sample(t *testing.T) *Object {
	t.Helper()
	o, err := Read(file(t, "sample"))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestRefused(t *testing.T) {
	whole := file(t, "sample")
	for _, c := range []struct {
		name   string
		octets []byte
		want   string
	}{
		{"a text", []byte("def main(pkt):\n"), "it is no ELF object"},
		{"cut off", whole[:200], "it is no ELF object"},
		{"without types", file(t, "plain"), "it has no BTF, which says what its functions take and give"},
		{"another byte order", file(t, "big"), "its byte order is big-endian, that of weir's programs is little-endian"},
		{"another license", file(t, "closed"), `its license is "Proprietary", under which it cannot become a part of a program that the kernel takes`},
		{"old maps", file(t, "old"), "its maps are of the form that libbpf had before 1.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(c.octets)
			var e *Error
			if !errors.As(err, &e) || e.Message != c.want || e.Hint == "" {
				t.Errorf("got %v, want %q and what to do", err, c.want)
			}
		})
	}
	if _, err := Read(whole); err != nil {
		t.Errorf("the sample: %v", err)
	}
}

// What the types say of functions.
func TestSignatures(t *testing.T) {
	o := sample(t)
	got := map[string]string{}
	for _, f := range o.Funcs {
		s := f.Bad
		if s == "" {
			for i, p := range f.Params {
				s += f.Names[i] + " " + p.Name + ", "
			}
			s += "gives " + f.Result.Name
		}
		got[f.Name] = s
	}
	want := map[string]string{
		"low":           "a __u8, b __s8, c __u16, d int, e __u64, gives __s8",
		"weigh":         "x __u32, gives __u32",
		"port":          "p __be16, gives __be16",
		"net":           "addr __be32, gives __be32",
		"even":          "x __u32, gives _Bool",
		"note":          "h struct hit *, gives int",
		"next_port":     "p struct peer *, gives int",
		"counted":       "h struct hit *, gives int",
		"keep":          "h struct hit *, gives void",
		"listed":        "addr __be32, gives __u32",
		"size":          "ctx xdp_md, gives int",
		"stamp":         "ctx xdp_md, tos __u8, gives int",
		"skb_size":      "skb __sk_buff, gives __u32",
		"offset_of_mtu": "x int, gives int",
		"redirects":     "key __u32, gives int",
		"ported":        "o struct odd *, gives int",
		"many":          "its parameter b, int *, points to an integer, and an integer of a chain is a value, not a place",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"weight"}, o.Static); diff != "" {
		t.Errorf("static functions (-want +got):\n%s", diff)
	}
}

// What an object lacks is told of the functions that need it, and of no other.
func TestLacking(t *testing.T) {
	o, err := Read(file(t, "part"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"part": "it calls elsewhere(), which is in another object", "whole": "",
		"hertz": "hertz() reads a value of the kernel's configuration (extern … __kconfig), which weir does not fill in",
	} {
		if f := o.Func(name); f == nil || f.Bad != want || (f.Hint == "") != (want == "") {
			t.Errorf("%s: got %+v, want %q", name, f, want)
		}
	}
	if f := o.Func("whole"); f.Context() != "xdp_md" || f.Changes {
		t.Errorf("whole: %+v, want a context that is only declared", f)
	}
}

// A function needs what it calls needs.
func TestReach(t *testing.T) {
	f := sample(t).Func("weigh")
	if diff := cmp.Diff([]string{"hits", ".bss", ".rodata", ".rodata.cst4", ".data"}, f.Maps); diff != "" {
		t.Errorf("maps (-want +got):\n%s", diff)
	}
	if f.Depth != 2 || f.Stack != 64 {
		t.Errorf("frames: %d, %d octets; want 2, each of 32", f.Depth, f.Stack)
	}
	if f.File == "" || f.Line == 0 {
		t.Errorf("place %q:%d", f.File, f.Line)
	}
	if c := sample(t).Func("stamp").Context(); c != "xdp_md" {
		t.Errorf("context %q", c)
	}
}

func TestVariables(t *testing.T) {
	got := map[string][]string{}
	for _, s := range sample(t).Sections {
		for _, v := range s.Vars {
			got[s.Name] = append(got[s.Name], v.Name)
		}
		for _, v := range s.Settable() {
			got["set"] = append(got["set"], v.Name)
		}
	}
	want := map[string][]string{
		".bss": {"calls"}, ".data": {"step"}, ".rodata": {"limit", "strict"}, ".rodata.cst4": {"weights"}, "set": {"limit", "strict"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

// What a program gets is what it calls, under the names that it has chosen.
func TestLink(t *testing.T) {
	octets := file(t, "sample")
	l := Link{
		File: "sample.o", Prefix: "s", Funcs: []string{"weigh"},
		Maps:   []Rename{{".bss", "s.bss"}, {".data", "s.data"}, {".rodata", "s.rodata"}, {".rodata.cst4", "s.cst4"}, {"hits", "my.hits"}},
		Params: []Slot{{Section: ".rodata", Offset: 0, Size: 4, Map: ".params", At: 8}},
	}
	insns, err := l.Instructions(octets)
	if err != nil {
		t.Fatal(err)
	}
	var symbols []string
	refs := map[string]bool{}
	for i := range insns {
		if s := insns[i].Symbol(); s != "" {
			symbols = append(symbols, s)
		}
		if r := insns[i].Reference(); r != "" {
			refs[r] = true
		}
	}
	if diff := cmp.Diff([]string{"s__weigh", "s__weight"}, symbols); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
	want := map[string]bool{"s.bss": true, "s.data": true, "s.rodata": true, "s.cst4": true, "my.hits": true, ".params": true, "s__weight": true}
	if diff := cmp.Diff(want, refs); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	kept, err := (&Link{Prefix: "s", Funcs: []string{"counted"}}).Instructions(octets)
	if err != nil {
		t.Fatal(err)
	}
	if fn := btf.FuncMetadata(&kept[0]); fn.Name != "s__counted" || !cmp.Equal(fn.ParamTags, [][]string{{"arg:nonnull"}}) {
		t.Errorf("%s has the tags %v", fn.Name, fn.ParamTags)
	}
	l.Maps = l.Maps[:1]
	if _, err := l.Instructions(octets); err == nil {
		t.Error("a map without a name in the program is no error")
	}
}

// Whether a function may write to the packet shows in its code.
func TestChanges(t *testing.T) {
	want := map[string]map[string]bool{
		"sample": {"size": false, "stamp": true, "skb_size": false, "weigh": false},
		"packets": {
			"reads": false, "loads": false, "marks": false, "looks_through": false,
			"writes": true, "spilled": true, "through": true, "by_cursor": true, "atomic": true, "moves": true, "stores": true, "late": true,
		},
		"programs": {"xdp_says": false, "tc_says": false},
	}
	for name, funcs := range want {
		o, err := Read(file(t, name))
		if err != nil {
			t.Fatal(err)
		}
		for fn, changes := range funcs {
			if f := o.Func(fn); f == nil || f.Changes != changes {
				t.Errorf("%s: %s() is %+v, want Changes %t", name, fn, f, changes)
			}
		}
	}
}

// No octets make Read panic.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"sample", "refused", "old", "part", "big"} {
		b, err := os.ReadFile("testdata/" + name + ".o")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := Read(b); err == nil && len(o.Funcs)+len(o.Static) == 0 && len(o.funcs) > 0 {
			t.Error("functions are lost")
		}
	})
}
