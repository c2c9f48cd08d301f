package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/config"
	"weir/datapath"
	"weir/lang/diag"
	"weir/state"
)

// bundle is a config beside the chains of w, in which the param edge.limit is set.
func (w *world) bundle(limit string) *config.Bundle {
	w.t.Helper()
	w.write("given.yaml", onWX+"params: { edge.limit: "+limit+" }")
	b, err := state.Bundle(filepath.Join(w.dir, "given.yaml"), config.Options{})
	check(w.t, err)
	check(w.t, os.Remove(filepath.Join(w.dir, "given.yaml")))
	return b
}

// TestApply: the last word wins, be it that of the file or of somebody.
func TestApply(t *testing.T) {
	w := newWorld(t)
	w.n.Veth("wx", "wy", 1500)
	w.write("c.yaml", onWX+"params: { edge.limit: 6 }")
	r := w.start(Options{})
	apply := func(limit string) {
		t.Helper()
		_, err := r.Apply(t.Context(), "me", w.bundle(limit), state.Options{})
		check(t, err)
	}
	is := func(what, limit, who string) {
		t.Helper()
		looks := r.Status().Looks
		r.Wake("test")
		r.eventually("a look", func() bool { return r.Status().Looks > looks })
		if s := r.Status(); w.param("edge.limit") != limit || s.Source.Who != who || s.Source.Held != (who == "me") || !s.Ready() {
			t.Errorf("%s: limit %s, %+v; want %s of %s", what, w.param("edge.limit"), s, limit, who)
		}
	}
	file := "file " + filepath.Join(w.dir, "c.yaml")
	is("begins", "6", file)
	p, err := r.Diff(t.Context(), w.bundle("7"))
	if err != nil || len(p.Params) != 1 || len(p.Places) != 0 {
		t.Errorf("diff: %+v, %v", p, err)
	}
	is("after a diff", "6", file)
	apply("7")
	is("given", "7", "me")
	apply("8")
	is("given again", "8", "me")
	if p, err := r.Diff(t.Context(), nil); err != nil || !p.Empty() {
		t.Errorf("what is held differs: %+v, %v", p, err)
	}
	_, err = r.Rollback(t.Context(), "me")
	check(t, err)
	is("rolled back", "7", "me")
	_, err = r.Rollback(t.Context(), "me")
	check(t, err)
	is("rolled back twice", "8", "me")
	w.write("c.yaml", onWX+"params: { edge.limit: 9 }")
	r.eventually("the file counts", func() bool { return w.param("edge.limit") == "9" })
	is("the file", "9", file)
	bad := w.bundle("nonsense")
	if _, err := r.Apply(t.Context(), "me", bad, state.Options{}); !errors.As(err, new(diag.List)) {
		t.Errorf("a wrong one: %v", err)
	}
	is("after a wrong one", "9", file)
	delete(bad.Files, bad.Name)
	if _, err := r.Apply(t.Context(), "me", bad, state.Options{}); err == nil || !strings.Contains(err.Error(), "not among its files") {
		t.Errorf("an empty one: %v", err)
	}
	w.write("c.yaml", "nonsense: 1")
	r.eventually("a wrong file is told", func() bool { s := r.Status(); return !s.Ready() })
	w.n.Delete("wx")
	w.n.Veth("wx", "wy", 1500)
	r.eventually("while the file is wrong the last one is kept", func() bool { return w.has("wx") })
}

// TestConfirm: what nobody confirms is taken back, and is not held.
func TestConfirm(t *testing.T) {
	w := newWorld(t)
	w.n.Veth("wx", "wy", 1500)
	w.write("c.yaml", onWX+"params: { edge.limit: 6 }")
	r := w.start(Options{})
	try := func(limit string, o state.Options) {
		t.Helper()
		_, err := r.Apply(t.Context(), "me", w.bundle(limit), o)
		check(t, err)
		if s := r.Status(); w.param("edge.limit") != limit || s.Confirm == nil || s.Source.Held {
			t.Errorf("limit %s, %+v; want %s, waiting", w.param("edge.limit"), s, limit)
		}
	}
	is := func(what, limit string, held bool) {
		t.Helper()
		r.eventually(what, func() bool { return r.Status().Confirm == nil })
		if s := r.Status(); w.param("edge.limit") != limit || s.Source.Held != held {
			t.Errorf("%s: limit %s, %+v; want %s", what, w.param("edge.limit"), s, limit)
		}
	}
	long := state.Options{Confirm: time.Hour}
	if err := r.Confirm(t.Context(), "me"); !errors.Is(err, datapath.ErrNotFound) {
		t.Errorf("nothing waits: %v", err)
	}
	try("7", state.Options{Confirm: time.Second})
	is("the time is over", "6", false)
	try("7", long)
	if _, err := r.Apply(t.Context(), "me", w.bundle("8"), state.Options{}); !errors.Is(err, ErrWaiting) {
		t.Errorf("another meanwhile: %v", err)
	}
	p, err := r.Rollback(t.Context(), "me")
	if err != nil || len(p.Params) != 1 || p.Params[0].To != "6" {
		t.Errorf("roll back: %+v, %v", p, err)
	}
	is("rolled back", "6", false)
	try("7", long)
	check(t, r.Confirm(t.Context(), "me"))
	is("confirmed", "7", true)
	try2 := func() {
		_, err := r.Apply(t.Context(), "me", w.bundle("8"), long)
		check(t, err)
	}
	try2()
	check(t, w.k.Confirm(t.Context(), state.Name)) // as another process does
	is("confirmed by another", "8", true)
	_, err = r.Rollback(t.Context(), "me")
	check(t, err)
	is("and back", "7", true)
	try2()
	r.stop()
	if got := w.param("edge.limit"); got != "7" {
		t.Errorf("the agent has ended while it waited: limit %s", got)
	}

	// One that was killed leaves it waiting.
	b := w.bundle("9")
	c, err := config.Load(b.Name, config.Options{Bundle: b})
	check(t, err)
	d, err := state.Resolve(t.Context(), c)
	check(t, err)
	p, err = d.Plan(w.k)
	check(t, err)
	done, err := p.Apply(t.Context(), w.k, long)
	check(t, err)
	check(t, done.Generation.Close())
	r = w.start(Options{})
	is("begun anew", "6", false)
	w.with(func(g *datapath.Generation) error {
		if g.Confirm > 0 {
			t.Error("what was never confirmed waits still")
		}
		return nil
	})
	r.stop()
	if got := w.param("edge.limit"); got != "6" {
		t.Errorf("and ended: limit %s", got)
	}
}
