package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"weir/config"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var now = time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)

// some is a content with n entries; others for another n.
func some(n int) *Content {
	c := &Content{Entries: map[Key]Dynamic{}, Params: map[string]Dynamic{"edge.limit": {Value: fmt.Sprint(n), Who: "me", Since: now}}}
	for i := range n {
		c.Entries[Key{"edge.blocked", fmt.Sprint(i)}] = Dynamic{Who: "me", Since: now, Expires: now.Add(time.Duration(i) * time.Second)}
	}
	for i := range 3 {
		c.Push(Version{Who: "me", Since: now, Digest: fmt.Sprint(n, i), Bundle: &config.Bundle{
			Name:    "/c.yaml",
			Files:   map[string][]byte{"/c.yaml": fmt.Appendf(nil, "%d %d", n, i), "/same": make([]byte, 5000), "/dir/": {}},
			Missing: map[string]string{"/gone": "no such file"},
		}})
	}
	return c
}

// same fails if two contents differ.
func same(t testing.TB, what string, got, want *Content) {
	t.Helper()
	o := cmp.Options{cmpopts.IgnoreUnexported(Version{}, config.Bundle{}), cmpopts.EquateEmpty()}
	if d := cmp.Diff(want, got, o); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// holds fails if the store of dir does not hold want.
func holds(t testing.TB, what, dir string, want *Content) {
	t.Helper()
	s := New(dir)
	got, err := s.Load(now)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	check(t, s.Close())
	same(t, what, &got, want)
}

// TestStore: what is saved is there when it is opened again.
func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	holds(t, "a new one", dir, &Content{})
	s := New(dir)
	for _, n := range []int{3, 2000, 5, 0} {
		c := some(n)
		check(t, s.Save(c, now))
		got, err := s.Load(now)
		check(t, err)
		same(t, fmt.Sprint(n, " entries"), &got, c)
	}
	if _, err := New(dir).Load(now); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	check(t, s.Close())
	holds(t, "again", dir, some(0))
	s = New(dir) // it is not read before
	check(t, s.Save(&Content{}, now))
	check(t, s.Close())
	holds(t, "emptied", dir, &Content{})
}

// TestPush: what configs have in common is kept once, and few configs are kept.
func TestPush(t *testing.T) {
	var c Content
	push := func(i, size int) {
		c.Push(Version{Digest: fmt.Sprint(i), Bundle: &config.Bundle{Files: map[string][]byte{"/a": make([]byte, size), "/b": {byte(i)}}}})
	}
	for i := range 2 * maxHistory {
		push(i, maxOctets-100)
	}
	if len(c.History) != maxHistory || &c.History[0].Bundle.Files["/a"][0] != &c.History[9].Bundle.Files["/a"][0] {
		t.Errorf("%d configs with a file in common", len(c.History))
	}
	push(15, maxOctets-100)
	if len(c.History) != maxHistory || c.History[0].Digest != "15" || c.History[1].Digest != "19" {
		t.Errorf("%d configs after one came again", len(c.History))
	}
	for i := range 3 {
		push(100+i, maxOctets+i)
	}
	if len(c.History) != 2 {
		t.Errorf("%d configs of %d octets each", len(c.History), maxOctets)
	}
}

// file is a store's file with a content.
func file(t testing.TB, c *Content) []byte {
	t.Helper()
	dir := t.TempDir()
	s := New(dir)
	check(t, s.Save(c, now))
	check(t, s.Close())
	b, err := os.ReadFile(filepath.Join(dir, Name))
	check(t, err)
	return b
}

// used is a file without the room at its end that is not used yet.
func used(b []byte) []byte {
	n := len(bytes.TrimRight(b, "\x00")) + 4095
	return b[:n-n%4096]
}

// spoilt opens a store whose file is b. It holds want, or nothing: as it was before, if
// the head of the last transaction is lost, or since it is set aside. It can be written
// either way.
func spoilt(t testing.TB, b []byte, want *Content) (aside bool) {
	t.Helper()
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, Name), b, 0o600))
	s := New(dir)
	c, err := s.Load(now)
	var a *Aside
	if errors.As(err, &a) {
		kept, e := os.ReadFile(a.Path)
		if e != nil || string(kept) != string(b) {
			t.Errorf("what was set aside is another: %v", e)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	if a != nil {
		want = &Content{}
	}
	if len(c.History)+len(c.Entries)+len(c.Params) > 0 {
		same(t, "read", &c, want)
	}
	next := some(7)
	if err := s.Save(next, now.Add(time.Hour)); err != nil && !errors.As(err, new(*Aside)) {
		t.Fatal(err)
	}
	check(t, s.Close())
	holds(t, "written", dir, next)
	return a != nil
}

// TestCorrupt: whatever a file holds, the store goes on.
func TestCorrupt(t *testing.T) {
	times := 20
	if os.Getenv("WEIR_SOAK") != "" {
		times = 1000
	}
	c := some(200)
	good := used(file(t, c))
	if spoilt(t, good, c) {
		t.Error("one that is right is set aside")
	}
	for _, n := range []int{0, 1, 100, 4096, 8192, len(good) / 2} {
		if !spoilt(t, good[:n], c) {
			t.Errorf("cut to %d of %d octets: not found", n, len(good))
		}
	}
	noise := make([]byte, len(good))
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	if !spoilt(t, noise, c) {
		t.Error("noise: not found")
	}
	found := 0
	for range times {
		bad := append([]byte{}, good...)
		for i, n := rand.N(len(bad)), rand.N(20); n >= 0; n-- {
			bad[(i+n)%len(bad)] ^= byte(rand.Uint32())
		}
		if spoilt(t, bad, c) {
			found++
		}
	}
	if found == 0 {
		t.Errorf("of %d spoilt files none was found", times)
	}
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, Name, "in"), 0o700))
	s := New(dir)
	if _, err := s.Load(now); !errors.As(err, new(*Aside)) {
		t.Errorf("a folder: %v", err)
	}
	check(t, s.Save(c, now))
	check(t, s.Close())
	holds(t, "in the place of a folder", dir, c)
}

// FuzzStore changes octets of a file: see spoilt.
func FuzzStore(f *testing.F) {
	c := some(200)
	good := used(file(f, c))
	f.Add(uint32(8), []byte{1})
	f.Add(uint32(4096+16), []byte("other"))
	f.Add(uint32(len(good)-4096), make([]byte, 16))
	f.Fuzz(func(t *testing.T, at uint32, octets []byte) {
		bad := append([]byte{}, good...)
		copy(bad[int(at)%len(bad):], octets)
		spoilt(t, bad, c)
	})
}
