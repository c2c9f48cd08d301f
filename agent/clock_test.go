package agent

import (
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A clock is moved by a test.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	waits map[chan time.Time]time.Time
}

var _ Clock = (*clock)(nil)

func newClock() *clock {
	return &clock{now: time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC), waits: map[chan time.Time]time.Time{}}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	c.waits[ch] = c.now.Add(d)
	return ch
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for ch, at := range c.waits {
		if !at.After(c.now) {
			ch <- c.now
			delete(c.waits, ch)
		}
	}
}

// TestTold: what stays wrong is logged when it begins, from time to time, and when it
// is over.
func TestTold(t *testing.T) {
	c, log := newClock(), &logText{}
	d := told{log: slog.New(slog.NewTextHandler(log, nil)), clock: c}
	one, two := errors.New("one"), errors.New("two")
	for _, x := range []struct {
		name string
		err  error
		move time.Duration
		want string
	}{
		{"well", nil, 0, ""},
		{"begins", one, time.Minute, "error=one"},
		{"stays", one, time.Minute, ""},
		{"still", one, again, ""},
		{"again", one, time.Minute, "times=3 error=one"},
		{"another", two, time.Minute, "error=two"},
		{"over", nil, time.Minute, "right again"},
		{"over still", nil, time.Minute, ""},
	} {
		before := log.String()
		d.outcome(x.err)
		got := strings.TrimPrefix(log.String(), before)
		if (got == "") != (x.want == "") || !strings.Contains(got, x.want) {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
		c.move(x.move)
	}
}

// TestAlive: an agent is stuck when a look does not end, or none begins.
func TestAlive(t *testing.T) {
	c := newClock()
	a := New(Options{Clock: c})
	is := func(name string, want bool) {
		t.Helper()
		if got := a.Alive(); got != want {
			t.Errorf("%s: alive %t", name, got)
		}
	}
	is("before the first look", true)
	a.status.begin(c.Now())
	c.move(stuck / 2)
	is("while it looks", true)
	c.move(stuck)
	is("a look that does not end", false)
	a.status.end(finding{Outcome: Outcome{At: c.Now()}})
	c.move(DefaultInterval)
	is("between looks", true)
	c.move(stuck)
	is("no look any more", false)
}

// TestNotifier: systemd is told when an agent is ready, how it is, that it is alive, and
// that it ends.
func TestNotifier(t *testing.T) {
	w := newWorld(t)
	w.write("c.yaml", onWX)
	path := filepath.Join(t.TempDir(), "notify")
	s, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	check(t, err)
	defer s.Close()
	check(t, s.SetReadDeadline(time.Now().Add(time.Minute)))
	next := func() string {
		t.Helper()
		b := make([]byte, 1024)
		n, err := s.Read(b)
		check(t, err)
		return string(b[:n])
	}
	c := newClock()
	r := w.start(Options{Clock: c, Notifier: Notifier{Socket: path, Watchdog: 10 * time.Second}})
	if got, want := next(), "READY=1\nSTATUS=generation 0 at 0 places, 1 not there"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	alive := make(chan string)
	go func() { alive <- next() }()
	for got := ""; got == ""; c.move(5 * time.Second) {
		select {
		case got = <-alive:
			if got != "WATCHDOG=1" {
				t.Errorf("%q, want that it is alive", got)
			}
		default:
		}
	}
	r.stop()
	for got := next(); got != "STOPPING=1"; got = next() {
		if got != "WATCHDOG=1" {
			t.Errorf("%q at its end", got)
		}
	}
}

// set moves the clock to a time, as a person does: nobody who waits hears of it.
func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	by := now.Sub(c.now)
	c.now = now
	for ch, at := range c.waits {
		c.waits[ch] = at.Add(by)
	}
}
