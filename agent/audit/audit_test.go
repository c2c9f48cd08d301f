package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLog: what was written is read, over the end of a file, and around a line that was
// cut short.
func TestLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if _, err := Read(dir, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no log: %v", err)
	}
	l := New(dir)
	l.max = 2000
	n := 0
	write := func() {
		t.Helper()
		check(t, l.Write(Record{Time: time.Unix(int64(n), 0).UTC(), Who: "me", What: "put", Outcome: fmt.Sprint(n)}))
		n++
	}
	last := func(what string, count, want int) {
		t.Helper()
		got, err := Read(dir, count)
		check(t, err)
		if len(got) != want || got[len(got)-1].Outcome != fmt.Sprint(n-1) || got[0].Outcome != fmt.Sprint(n-want) {
			t.Errorf("%s: %d records, from %s to %s; want the last %d of %d", what, len(got), got[0].Outcome, got[len(got)-1].Outcome, want, n)
		}
	}
	for range 3 {
		write()
	}
	last("all", 0, 3)
	last("two", 2, 2)
	last("more than there are", 9, 3)

	f, err := os.OpenFile(filepath.Join(dir, Name), os.O_WRONLY|os.O_APPEND, 0)
	check(t, err)
	_, err = f.WriteString(`{"who":"cut`)
	check(t, err)
	check(t, f.Close())
	last("cut short", 0, 3)
	write()
	last("after it", 0, 4)

	for range 50 {
		write()
	}
	got, err := Read(dir, 0)
	check(t, err)
	for i, r := range got {
		if want := fmt.Sprint(n - len(got) + i); r.Outcome != want {
			t.Fatalf("record %d is %s, want %s", i, r.Outcome, want)
		}
	}
	names, err := os.ReadDir(dir)
	check(t, err)
	size := int64(0)
	for _, e := range names {
		s, err := e.Info()
		check(t, err)
		size += s.Size()
	}
	if len(names) != 2 || size > 2*l.max || len(got) < 20 {
		t.Errorf("%d files of %d octets with %d records", len(names), size, len(got))
	}
	last("over two files", len(got)-1, len(got)-1)
}
