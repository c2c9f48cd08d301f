package std_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/lang/check"
	"weir/lang/std"
	"weir/wtest"
)

// TestModules reads every module, and has a chain load it.
func TestModules(t *testing.T) {
	if len(std.Names()) == 0 {
		t.Fatal("the library is empty")
	}
	for _, name := range std.Names() {
		text, err := std.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		wantHeader(t, name, string(text))
		base := strings.TrimPrefix(name, "std/")
		if _, err := std.Sample(name); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat("testdata/" + strings.TrimSuffix(base, ".weir") + wtest.Suffix); err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(name, "std/") || !strings.HasSuffix(name, ".weir") {
			t.Errorf("%s is no name of a module", name)
		}
	}
	for _, name := range []string{"std/none.weir", "rate.weir", "std/../std.go", "std/"} {
		if _, err := std.Read(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read %s: %v, want fs.ErrNotExist", name, err)
		}
	}
}

// wantHeader wants a module to say what it is, what it costs and what it keeps, in the
// form that the manual's page is made of.
func wantHeader(t *testing.T, name, text string) {
	t.Helper()
	head, _, ok := strings.Cut(strings.TrimPrefix(text, `"""`), `"""`)
	if !ok || !strings.HasPrefix(text, `"""`) {
		t.Errorf("%s does not begin with what it is", name)
	}
	if s := std.Summary([]byte(text)); !strings.HasSuffix(s, ".") || !strings.Contains(s, ": ") {
		t.Errorf("%s: the first line is no NAME: sentence: %q", name, s)
	}
	for _, word := range []string{"Cost", "State"} {
		if !strings.Contains(head, "\n"+word+" ") {
			t.Errorf("%s does not tell its %s", name, word)
		}
	}
}

// TestTests runs the tests of the modules.
func TestTests(t *testing.T) {
	files, err := filepath.Glob("testdata/*" + wtest.Suffix)
	if err != nil || len(files) < len(std.Names()) {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		n, err := wtest.Run(t.Context(), f, wtest.Options{Load: os.ReadFile, Each: func(r wtest.Result) error {
			t.Run(strings.TrimSuffix(filepath.Base(r.File), wtest.Suffix)+"/"+r.Name, func(t *testing.T) {
				if r.Status != wtest.Passed {
					t.Errorf("%s:%d: %s %q", r.File, r.Line, r.Message, r.Details)
				}
			})
			return nil
		}})
		if err != nil || n == 0 {
			t.Errorf("%s: %d tests: %v", f, n, err)
		}
	}
}

// TestTokenBucket types the bucket for the kinds of keys and numbers that chains
// call it with.
func TestTokenBucket(t *testing.T) {
	for _, tt := range []struct{ key, call string }{
		{"ip4", "pkt.ip4.src, rate = 10, burst = 20"},
		{"ip", "pkt.ip.src, rate = limit, burst = 2 * limit"},
		{"(ip4, u16)", "(pkt.ip4.src, pkt.udp.dport), rate = limit, burst = 5, n = pkt.len"},
		{"u16", "pkt.vlan.id, rate = 0, burst = 0"},
	} {
		src := "load(\"std/rate.weir\", \"token_bucket\")\nlimit = param(u32, 5)\n" +
			"b = token_bucket(key = " + tt.key + ", size = 8)\n" +
			"def main(pkt):\n    return PASS if b.allow(" + tt.call + ") else DROP\n"
		p, list := check.Check("t.weir", []byte(src), check.Options{})
		if list.Err() != nil {
			t.Errorf("%s: %s", tt.call, list.Errors())
			continue
		}
		if p.Maps[0].Name != "b.state" {
			t.Errorf("%s: the map is called %s", tt.key, p.Maps[0].Name)
		}
	}
}
