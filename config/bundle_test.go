package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/lang/diag"
)

func TestBundleCheck(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		want  string
	}{
		{"/etc/c.yaml", []string{"/etc/c.yaml", "/etc/d/", "/etc/d/x"}, ""},
		{"/etc/c.yaml", []string{"/etc/d"}, "not among its files"},
		{"", nil, "not among its files"},
		{"c.yaml", []string{"c.yaml"}, "no absolute path"},
		{"/c.yaml", []string{"/c.yaml", "/d/../x"}, "no absolute path"},
		{"/c.yaml", []string{"/c.yaml", "/d//"}, "no absolute path"},
		{"/c.yaml", []string{"/c.yaml", ""}, "no absolute path"},
	} {
		b := &Bundle{Name: c.name, Files: map[string][]byte{}}
		for _, f := range c.files {
			b.Files[f] = nil
		}
		if err := b.Check(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %q: %v, want %q", c.name, c.files, err, c.want)
		}
	}
}

// TestGather: what was read is there when the disk is another, and what was missing stays
// missing.
func TestGather(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{"c.yaml": "{}", "d/b": "1", "d/a": "2", "d/sub/c": "3"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(in(name)), 0o700), os.WriteFile(in(name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := Gather(in("c.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	names := func(dir string) string {
		ds, err := b.ReadDir(in(dir))
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, d := range ds {
			n := d.Name()
			if d.IsDir() {
				n += "/"
			}
			out = append(out, n)
		}
		return strings.Join(out, " ")
	}
	read := func(name string) string {
		text, err := b.ReadFile(in(name))
		if err != nil && !errors.As(err, new(*fs.PathError)) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			_, after, _ := strings.Cut(err.Error(), dir)
			return after
		}
		return string(text)
	}
	looks := func(when string) {
		t.Helper()
		for _, c := range []struct{ got, want string }{
			{names("d"), "a b sub/"}, {names("d/sub"), "c"}, {read("c.yaml"), "{}"}, {read("d/a"), "2"}, {read("d/b"), "1"}, {read("d/sub/c"), "3"},
			{read("gone"), "/gone: no such file or directory"}, {read("d"), "/d: is a directory"},
		} {
			if c.got != c.want {
				t.Errorf("%s: %q, want %q", when, c.got, c.want)
			}
		}
	}
	looks("open")
	b.Seal()
	digest := b.Digest()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	looks("sealed")
	if got := read("other"); got != "/other: file does not exist" {
		t.Errorf("what nobody has asked for: %s", got)
	}
	b.Missing[in("gone")] = "permission denied"
	if b.Digest() == digest {
		t.Error("a file that is missing otherwise is the same")
	}
}

// FuzzBundle: whatever a bundle holds that comes from elsewhere, it is refused, or read
// as any files are; and it is the same after a journey.
func FuzzBundle(f *testing.F) {
	f.Add("/c.yaml", whole, "/one.yaml", "{}")
	f.Add("/c.yaml", "include: [d]", "/d/", "")
	f.Add("/c.yaml", "include: [d]", "/d/x.yaml", "include: [../c.yaml]")
	f.Add("c", "", "/", "\xff")
	f.Fuzz(func(t *testing.T, name, text, other, more string) {
		b := &Bundle{Name: name, Files: map[string][]byte{name: []byte(text), other: []byte(more)}}
		if b.Check() != nil {
			return
		}
		octets, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var there Bundle
		if err := json.Unmarshal(octets, &there); err != nil || there.Digest() != b.Digest() {
			t.Errorf("%v is another after a journey: %v", *b, err)
		}
		c, err := Load(b.Name, Options{Bundle: b})
		var l diag.List
		if err != nil && (!errors.As(err, &l) || len(l) == 0) || (err == nil) != (c != nil) {
			t.Errorf("%v, %v", c, err)
		}
		for _, n := range b.Names() {
			b.ReadFile(n)
			b.ReadDir(n)
		}
	})
}
