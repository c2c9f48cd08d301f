package vm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What an archive holds is read here by the form's rules, as the kernel does; that
// the kernel takes it is shown by every machine that comes up.
func TestArchive(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "five")
	if err := os.WriteFile(file, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree := Tree{
		"/init":      {From: file, Mode: 0o755},
		"/a/b/empty": {},
		"/a/text":    {Data: []byte("abc")},
		"/a/b/link":  {Link: "/init"},
	}
	var b bytes.Buffer
	if err := tree.write(&b); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a 40755 ", "a/b 40755 ", "a/b/empty 100644 ", "a/b/link 120777 /init", "a/text 100644 abc", "init 100755 12345", "TRAILER!!! 0 ",
	}
	if d := cmp.Diff(want, unpack(t, b.Bytes())); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := (Tree{"/x": {From: filepath.Join(dir, "none")}}).write(&b); err == nil || !strings.HasPrefix(err.Error(), "/x: ") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// unpack returns "name mode content" of every entry.
func unpack(t *testing.T, b []byte) (out []string) {
	t.Helper()
	at := 0
	take := func(n int) string {
		s := string(b[at : at+n])
		at = min((at+n+3)&^3, len(b))
		return s
	}
	for at < len(b) {
		head := string(b[at : at+110])
		var field [13]int
		if head[:6] != "070701" {
			t.Fatalf("at %d: magic %q", at, head[:6])
		}
		for i := range field {
			if _, err := fmt.Sscanf(head[6+8*i:14+8*i], "%08x", &field[i]); err != nil {
				t.Fatal(err)
			}
		}
		name := take(110 + field[11])[110:]
		out = append(out, fmt.Sprintf("%s %o %s", strings.TrimSuffix(name, "\x00"), field[1], take(field[6])))
	}
	return out
}

// Command finds what ldd says that a program needs.
func TestCommand(t *testing.T) {
	tree := Tree{}
	if err := tree.Command("sh"); err != nil {
		t.Fatal(err)
	}
	if len(tree) < 2 || tree["/bin/sh"].Mode != 0o755 {
		t.Errorf("tree %v has no libraries for sh", tree)
	}
	for name, c := range tree {
		if _, err := os.Stat(c.From); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := tree.Command("weir-no-such-command"); err == nil {
		t.Error("a command that is not there")
	}
}

func TestOpenKernel(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenKernel(dir); err == nil || err.Error() != "open kernel "+dir+": no kernel with modules in it" {
		t.Errorf("an empty folder: %v", err)
	}
	for _, f := range []string{"boot/vmlinuz-6.1", "lib/modules/6.1/kernel/net/sch-fq.ko.xz", "lib/modules/6.1/kernel/veth.ko"} {
		f = filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	k, err := OpenKernel(dir)
	if err != nil || filepath.Base(k.Image) != "vmlinuz-6.1" || k.modules["sch_fq"] == "" || k.modules["veth"] == "" {
		t.Errorf("%+v, %v", k, err)
	}
	if _, err := k.load([]string{"none"}); err != nil {
		t.Errorf("a module that is built in: %v", err)
	}
	if _, err := k.load([]string{"veth"}); err == nil || !strings.HasPrefix(err.Error(), "module veth: ") {
		t.Errorf("a file that is no module: %v", err)
	}
}
