package datapath

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/attach"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lang"
)

// What was made to take the place of something else, by a process that was killed
// before it did, is in nobody's way.
func TestLeftOver(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	attachedAs(t, k, Options{Chains: compiled(t, n, first, "wa")})
	attachedAs(t, k, Options{Replace: true, Chains: compiled(t, n, second, "wa")})
	dir := k.dir("edge")
	leave := func() (left []string) {
		for _, number := range []string{"1", "2"} {
			m, err := readManifest(filepath.Join(dir, number, manifestName))
			if err != nil {
				t.Fatal(err)
			}
			obj, err := m.store()
			if err != nil {
				t.Fatal(err)
			}
			defer obj.Close()
			left = append(left, filepath.Join(dir, number, manifestName+nextSuffix))
			if err := obj.Pin(left[len(left)-1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("generation=9", filepath.Join(dir, recordName+nextSuffix)); err != nil {
			t.Fatal(err)
		}
		return append(left, filepath.Join(dir, recordName+nextSuffix))
	}
	leave()
	if now, err := k.Rollback(t.Context(), "edge"); now != 1 || err != nil {
		t.Fatalf("Rollback() = %d, %v", now, err)
	}
	if err := k.Detach(t.Context(), "edge"); err != nil {
		t.Fatal(err)
	}

	// Who was killed at a rollback has said before that it is at work.
	attachedAs(t, k, Options{Chains: compiled(t, n, first, "wa")})
	attachedAs(t, k, Options{Replace: true, Chains: compiled(t, n, second, "wa")})
	if err := (record{Generation: 2, Previous: 1, Busy: true}).write(dir); err != nil {
		t.Fatal(err)
	}
	left := leave()
	if _, err := k.Names(); err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if now, err := k.Rollback(t.Context(), "edge"); now != 1 || err != nil {
		t.Errorf("Rollback() = %d, %v", now, err)
	}
}

// atCgroup compiles a chain for the ingress of a cgroup.
func atCgroup(t *testing.T, source, path string) Chain {
	t.Helper()
	w := attach.Where{Cgroup: path, Hook: hook.CgroupIngress}
	p, err := lang.Compile([]byte(source), lang.Options{File: "edge.weir", Hook: w.Hook})
	if err != nil {
		t.Fatal(err)
	}
	return Chain{Where: w, Program: p}
}

// A place that is gone keeps no generation from being taken back, neither by a
// command nor when its time is over.
func TestRollbackWithoutCgroup(t *testing.T) {
	n := nstest.New(t)
	c := nstest.NewCgroup(t)
	c.Leave()
	n.Veth("wa", "wb", 1500)
	for _, x := range []struct {
		name    string
		confirm time.Duration
	}{{"by a command", 0}, {"overdue", time.Nanosecond}} {
		t.Run(x.name, func(t *testing.T) {
			k := kernel(t)
			below := c.Dir + "/below"
			if err := os.Mkdir(below, 0o755); err != nil {
				t.Fatal(err)
			}
			both := func(source string) []Chain {
				return append(compiled(t, n, source, "wa"), atCgroup(t, source, c.Path+"/below"))
			}
			attachedAs(t, k, Options{Chains: both(first)})
			attachedAs(t, k, Options{Chains: both(second), Replace: true, Confirm: x.confirm})
			if err := os.Remove(below); err != nil {
				t.Fatal(err)
			}
			// The kernel takes the link from the cgroup a moment later.
			for there := true; there; {
				g, err := k.open("edge")
				if err != nil {
					t.Fatal(err)
				}
				if there, err = g.Attachments[1].Attached(); err != nil {
					t.Fatal(err)
				}
				g.Close()
			}
			if x.confirm == 0 {
				if now, err := k.Rollback(t.Context(), "edge"); now != 1 || err != nil {
					t.Errorf("Rollback() = %d, %v", now, err)
				}
			}
			if _, err := k.Names(); err != nil {
				t.Error(err)
			}
			g := opened(t, k)
			if there, err := g.Attachments[1].Attached(); g.Number != 1 || there || err != nil {
				t.Errorf("generation %d, at the cgroup that is gone: %t, %v", g.Number, there, err)
			}
			n.Send("wb", frame)
			if got := counts(t, g); got[0] != 1 {
				t.Errorf("counted %d", got)
			}
		})
	}
}

// What cannot be settled of one NAME is no matter of another: it is attached, kept,
// taken back and detached.
func TestUnsettledOther(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	ctx := t.Context()
	attachedAs(t, k, Options{Chains: compiled(t, n, first, "wa")})
	damage(t, k, "dam", "generation=1,busy")
	if _, err := k.Names(); err == nil || !strings.Contains(err.Error(), "clean up dam: ") {
		t.Fatalf("Names() says %v", err)
	}
	attachedAs(t, k, Options{Chains: compiled(t, n, second, "wa"), Replace: true, Confirm: time.Hour})
	if err := k.Confirm(ctx, "edge"); err != nil {
		t.Errorf("confirm: %v", err)
	}
	if now, err := k.Rollback(ctx, "edge"); now != 1 || err != nil {
		t.Errorf("Rollback() = %d, %v", now, err)
	}
	if err := k.Detach(ctx, "edge"); err != nil {
		t.Errorf("detach: %v", err)
	}
	if _, err := k.Attach(ctx, Options{Name: "dam", Pin: true, Chains: compiled(t, n, first, "wa")}); err == nil || !strings.Contains(err.Error(), "clean up dam: ") {
		t.Errorf("attach under the damaged name: %v", err)
	}
	if _, err := k.Rollback(ctx, "dam"); err == nil || !strings.Contains(err.Error(), "clean up dam: ") {
		t.Errorf("roll back the damaged one: %v", err)
	}
	if err := k.Detach(ctx, "dam"); err != nil {
		t.Errorf("detach the damaged one: %v", err)
	}
}

// Also what cannot be read is detached with all others.
func TestDetachAllDamaged(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	attachedAs(t, k, Options{Chains: compiled(t, n, first, "wa", "wa:tc-ingress")})
	o := Options{Name: "older", Pin: true, How: How{Mode: attach.Clsact}, Chains: compiled(t, n, first, "wb:tc-ingress")}
	g, err := k.Attach(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	otherFormat(t, k.dir("older"))
	damage(t, k, "none", "generation=9")
	damage(t, k, "what", "foo=9")
	_, err = k.List()
	if err == nil {
		t.Fatal("List() of what is damaged: no error")
	}
	for _, want := range []string{
		"older cannot be read: .*another version of weir.*: weir detach older takes it away",
		"none cannot be read: .*no such file or directory: weir detach none takes it away",
		"what cannot be read: record \"foo=9\": not one of weir's: weir detach what takes it away",
	} {
		matches(t, err.Error(), want)
	}
	gone, err := k.DetachAll(t.Context())
	if want := []string{"edge", "none", "older", "what"}; !slices.Equal(gone, want) || err != nil {
		t.Errorf("DetachAll() = %v, %v; want %v", gone, err, want)
	}
	if left := pins(t, k); len(left) > 0 {
		t.Errorf("pins are left: %v", left)
	}
	for _, c := range slices.Concat(o.Chains, compiled(t, n, first, "wa", "wa:tc-ingress")) {
		if row, err := attach.Row(c.Where); len(row) > 0 || err != nil {
			t.Errorf("%s still has %v, %v", c.Where, row, err)
		}
	}
}

// otherFormat makes the manifest of the first generation one that this weir cannot read.
func otherFormat(t *testing.T, dir string) {
	t.Helper()
	dir = filepath.Join(dir, "1")
	m, err := readManifest(filepath.Join(dir, manifestName))
	if err == nil {
		m.Format++
		err = m.pin(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// damage makes the folder of a NAME with a record and no generation.
func damage(t *testing.T, k Kernel, name, record string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(k.dir(name), "1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(record, filepath.Join(k.dir(name), recordName)); err != nil {
		t.Fatal(err)
	}
}
