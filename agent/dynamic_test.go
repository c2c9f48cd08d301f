package agent

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/datapath"
	"weir/state"
)

// reboot ends the agent and takes all away that runs. The next one begins with nothing.
func (r *running) reboot() {
	r.w.t.Helper()
	r.stop()
	_, err := r.w.k.DetachAll(r.w.t.Context())
	check(r.w.t, err)
}

// looked waits until the agent has looked once more.
func (r *running) looked() {
	r.w.t.Helper()
	looks := r.Status().Looks
	r.Wake("test")
	r.eventually("a look", func() bool { return r.Status().Looks > looks })
}

// TestDynamic: what is put beside the config is there until it expires or is removed,
// also after a reboot and with another config; and what the config states stands.
func TestDynamic(t *testing.T) {
	w := newWorld(t)
	w.n.Veth("wx", "wy", 1500)
	w.write("c.yaml", onWX+"maps: { edge.blocked: [1] }\nparams: { edge.limit: 6 }")
	o := Options{State: filepath.Join(w.dir, "state")}
	r := w.start(o)
	is := func(what, blocked, seen string) {
		t.Helper()
		if b, s := w.keys("edge.blocked"), w.keys("edge.seen"); b != blocked || s != seen {
			t.Errorf("%s: blocked %q, seen %q; want %q and %q", what, b, s, blocked, seen)
		}
	}
	ctx := t.Context()
	check(t, r.Put(ctx, "me", "edge.blocked", []Entry{{Key: "2"}, {Key: "3"}}))
	check(t, r.Put(ctx, "me", "edge.seen", []Entry{{Key: "0x7", Value: "70"}}))
	is("put", "1 2 3", "7")
	w.put("edge.seen", "9 1") // as a packet does
	r.looked()
	is("after a look", "1 2 3", "7 9")
	w.with(func(g *datapath.Generation) error {
		m, err := g.Map("edge.blocked")
		if err != nil {
			return err
		}
		return m.Delete("3")
	})
	r.looked()
	is("one was taken behind its back", "1 2 3", "7 9")

	for _, x := range []struct {
		name string
		err  error
		want error
		says string
	}{
		{"an entry of the config", r.Remove(ctx, "me", "edge.blocked", []string{"2", "1"}), state.ErrStated, "c.yaml:2:"},
		{"another of it", r.Put(ctx, "me", "edge.blocked", []Entry{{Key: "4"}, {Key: "1"}}), state.ErrStated, "c.yaml:2:"},
		{"a param of the config", r.SetParam(ctx, "me", "edge.limit", "7", time.Time{}), state.ErrStated, "c.yaml:3:"},
		{"no such map", r.Put(ctx, "me", "edge.bloked", []Entry{{Key: "4"}}), datapath.ErrNotFound, "did you mean"},
		{"no such param", r.SetParam(ctx, "me", "edge.limt", "7", time.Time{}), datapath.ErrNotFound, "did you mean"},
		{"no key", r.Put(ctx, "me", "edge.blocked", []Entry{{Key: "4"}, {Key: "x"}}), nil, "key"},
		{"no room", r.Put(ctx, "me", "edge.blocked", []Entry{{Key: "4"}, {Key: "5"}, {Key: "6"}, {Key: "7"}}), datapath.ErrFull, "4"},
		{"not there", r.Remove(ctx, "me", "edge.seen", []string{"77"}), datapath.ErrNoSuchKey, "77"},
		{"over already", r.Put(ctx, "me", "edge.blocked", []Entry{{Key: "4", Expires: time.Unix(1, 0)}}), nil, "over already"},
	} {
		if x.err == nil || x.want != nil && !errors.Is(x.err, x.want) || !strings.Contains(x.err.Error(), x.says) {
			t.Errorf("%s: %v", x.name, x.err)
		}
		is(x.name, "1 2 3", "7 9")
	}
	r.reboot()
	r = w.start(o)
	is("after a reboot", "1 2 3", "7")
	check(t, r.Remove(ctx, "me", "edge.blocked", []string{"2"}))
	check(t, r.Remove(ctx, "me", "edge.seen", []string{"7"}))
	is("removed", "1 3", "")
	w.write("c.yaml", onWX+"maps: { edge.blocked: { entries: [8], rest: keep } }")
	r.eventually("another config", func() bool { return strings.Contains(w.keys("edge.blocked"), "8") })
	is("another config", "1 3 8", "")
	check(t, r.SetParam(ctx, "me", "edge.limit", "7", time.Time{}))
	r.reboot()
	r = w.start(o)
	is("and a reboot", "3 8", "")
	if got := w.param("edge.limit"); got != "7" {
		t.Errorf("the param is %s after a reboot", got)
	}
	if s := r.Status(); s.Entries != 1 || s.Params != 1 || s.StoreErrors != 0 {
		t.Errorf("%+v", s)
	}
}

// TestExpiry: what is put for a time is gone when it is over by the clock, however that
// moves, once: and not when it is not.
func TestExpiry(t *testing.T) {
	w := newWorld(t)
	w.n.Veth("wx", "wy", 1500)
	w.write("c.yaml", onWX+"maps: { edge.blocked: [1] }")
	c := newClock()
	o := Options{State: filepath.Join(w.dir, "state"), Clock: c}
	r := w.start(o)
	ctx := t.Context()
	put := func(blocked string, d time.Duration) {
		t.Helper()
		until := c.Now().Add(d)
		check(t, r.Put(ctx, "me", "edge.blocked", []Entry{{Key: blocked, Expires: until}}))
		check(t, r.Put(ctx, "me", "edge.seen", []Entry{{Key: blocked, Value: "1", Expires: until}}))
		check(t, r.SetParam(ctx, "me", "edge.limit", blocked, until))
	}
	is := func(what, blocked, seen, limit string) {
		t.Helper()
		if b, s, l := w.keys("edge.blocked"), w.keys("edge.seen"), w.param("edge.limit"); b != blocked || s != seen || l != limit {
			t.Errorf("%s: blocked %q, seen %q, limit %s; want %q, %q, %s", what, b, s, l, blocked, seen, limit)
		}
	}
	// moves lets the clock go on until the agent has looked, which it does at any move.
	moves := func(d time.Duration) {
		t.Helper()
		c.move(d)
		looks := r.Status().Looks
		r.Wake("the clock")
		r.eventually("a look", func() bool { c.move(time.Millisecond); return r.Status().Looks > looks })
	}
	put("2", time.Hour)
	is("put", "1 2", "2", "2")
	moves(59 * time.Minute)
	is("before its time", "1 2", "2", "2")
	r.eventually("in time, by itself", func() bool { c.move(time.Second); return w.keys("edge.seen") == "" })
	is("over", "1", "", "5")
	c.set(c.Now().Add(-48 * time.Hour))
	moves(time.Minute)
	is("the clock goes back", "1", "", "5")
	put("3", time.Hour)
	c.set(c.Now().Add(-48 * time.Hour))
	moves(time.Minute)
	is("back before it was put", "1 3", "3", "3")
	c.set(c.Now().Add(24 * 365 * time.Hour))
	moves(time.Minute)
	is("a year ahead", "1", "", "5")
	put("4", time.Hour)
	r.stop()
	c.set(c.Now().Add(2 * time.Hour))
	r = w.start(o)
	is("over while there was no agent", "1", "", "5")
	put("5", time.Hour)
	r.reboot()
	c.set(c.Now().Add(2 * time.Hour))
	r = w.start(o)
	is("over at a reboot", "1", "", "5")
	if s := r.Status(); s.Entries+s.Params != 0 || !s.Ready() {
		t.Errorf("%+v", s)
	}
	as, err := r.Audit(0)
	check(t, err)
	n := 0
	for _, a := range as {
		if a.Who == byExpiry {
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d expiries in the audit log, want 4: %+v", n, as)
	}
}

// TestReboot: what was given stands if the agent's file is the same, else the file; and
// where that is wrong what was applied last.
func TestReboot(t *testing.T) {
	w := newWorld(t)
	w.n.Veth("wx", "wy", 1500)
	w.write("c.yaml", onWX+"params: { edge.limit: 6 }")
	o := Options{State: filepath.Join(w.dir, "state")}
	r := w.start(o)
	is := func(what, limit string, ready bool) {
		t.Helper()
		code, _ := r.get("/readyz")
		if got := w.param("edge.limit"); got != limit || (code == http.StatusOK) != ready {
			t.Errorf("%s: limit %s, /readyz %d; want %s, %t\n%s", what, got, code, limit, ready, r.log)
		}
	}
	boot := func() { t.Helper(); r.reboot(); r = w.start(o) }
	_, err := r.Apply(t.Context(), "me", w.bundle("7"), state.Options{})
	check(t, err)
	boot()
	is("given", "7", true)
	if s := r.Status().Source; s.Who != "me" || !s.Held {
		t.Errorf("%+v", s)
	}
	_, err = r.Rollback(t.Context(), "me")
	check(t, err)
	boot()
	is("rolled back", "6", true)
	_, err = r.Rollback(t.Context(), "me")
	check(t, err)
	r.reboot()
	w.write("c.yaml", onWX+"params: { edge.limt: 6 }")
	r = w.start(o)
	is("the file is wrong", "7", false)
	if log := r.log.String(); !strings.Contains(log, "what was applied last is kept instead") || !strings.Contains(log, "edge.limt") {
		t.Errorf("it is not told\n%s", log)
	}
	w.write("c.yaml", onWX+"params: { edge.limit: 8 }")
	r.eventually("the file is right", func() bool { s := r.Status(); return s.Ready() && w.param("edge.limit") == "8" })
	is("the file", "8", true)
	boot()
	is("the file again", "8", true)
	_, err = r.Apply(t.Context(), "me", w.bundle("9"), state.Options{Confirm: time.Hour})
	check(t, err)
	boot()
	is("nobody has confirmed", "8", true)
}
