package state

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/config"
)

// TestBundle: a bundle says the same as the files from which it was read, when they are
// gone, and after a journey.
func TestBundle(t *testing.T) {
	w := newWorld(t)
	text := `include: [more]
netns: { NET: { interfaces: { wa: { xdp: ./edge.weir }, wb: { xdp: ./shield.weir } } } }
maps: { lists.blocked: { file: keys.txt, dir: keys.d } }`
	for name, text := range map[string]string{
		"c.yaml": strings.ReplaceAll(text, "NET", w.n.Path), "more/p.yaml": "params: { edge.limit: 9 }", "more/README": "no config",
		"keys.txt": "1\n", "keys.d/a": "2\n", "keys.d/.hidden": "nonsense",
	} {
		w.check(os.MkdirAll(filepath.Dir(filepath.Join(w.dir, name)), 0o700))
		w.check(os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
	}
	before, err := w.resolve(text)
	w.check(err)
	plan := func(d *Desired) string {
		p, err := d.Plan(w.k)
		w.check(err)
		out, err := json.Marshal(p)
		w.check(err)
		return string(out)
	}
	want := plan(before)

	b, err := Bundle(filepath.Join(w.dir, "c.yaml"), config.Options{})
	w.check(err)
	if len(b.Missing) > 0 {
		t.Errorf("missing: %v", b.Missing)
	}
	octets, err := json.Marshal(b)
	w.check(err)
	w.check(os.RemoveAll(w.dir))
	w.check(os.Mkdir(w.dir, 0o700))
	var there config.Bundle
	w.check(json.Unmarshal(octets, &there))
	w.check(there.Check())
	if there.Digest() != b.Digest() {
		t.Error("the journey has changed it")
	}
	c, err := config.Load(there.Name, config.Options{Bundle: &there})
	w.check(err)
	d, err := Resolve(t.Context(), c)
	w.check(err)
	if got := plan(d); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestBundleLacks: what is not there is told as if the files were read.
func TestBundleLacks(t *testing.T) {
	w := newWorld(t)
	text := "netns: { NET: { interfaces: { wa: { xdp: ./edge.weir } } } }\nmaps: { edge.blocked: { file: keys.txt, dir: keys.d } }"
	w.check(os.MkdirAll(filepath.Join(w.dir, "keys.d"), 0o700))
	w.check(os.Symlink("nowhere", filepath.Join(w.dir, "keys.d/gone")))
	_, want := w.resolve(text)
	if want == nil || !strings.Contains(want.Error(), "gone") {
		t.Fatalf("what is wrong is not told: %v", want)
	}
	b, err := Bundle(filepath.Join(w.dir, "c.yaml"), config.Options{})
	w.check(err)
	c, err := config.Load(b.Name, config.Options{Bundle: b})
	w.check(err)
	if _, err := Resolve(t.Context(), c); err == nil || err.Error() != want.Error() {
		t.Errorf("%v\nwant %v", err, want)
	}
}
