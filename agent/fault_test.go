package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/agent/store"
	"weir/config"
	"weir/lab"
	"weir/state"
)

// sieve is a chain that passes what is not of a type in blocked, told apart by its
// number.
const sieve = `number = %d
hits = array(u64, size = 1, percpu = True)
blocked = table(u16, size = 64)
limit = param(u32, 5)
def main(pkt):
    hits[0] += number - number + 1
    if pkt.eth and pkt.eth.type in blocked:
        return drop("blocked")
    return PASS
def second(pkt):
    return PASS
`

// A fault is an agent at two places of an interface, while packets come in that shall
// pass.
type fault struct {
	*killed
	w  *world
	to lab.Iface
	o  Options
	r  *running
	n  int // of the chain
}

// faulty runs something on an agent under a flood, so often. No packet is lost, and
// afterwards the agent still does its work.
func faulty(t *testing.T, do func(f *fault, i int)) {
	times := 3
	if os.Getenv("WEIR_SOAK") != "" {
		times = 30
	}
	l, err := lab.New(t.Context(), lab.Options{})
	check(t, err)
	defer l.Close()
	from, to, err := hosts(l)
	check(t, err)
	k, dir := newKernel(t), t.TempDir()
	f := &fault{killed: &killed{t: t, k: k, dir: dir, text: sieve}, w: &world{t: t, k: k, dir: dir}, to: to}
	f.config("")
	f.write(0)
	f.o.State = filepath.Join(dir, "state")
	f.begin()
	f.until(0)

	f.flooded(from, to, func() {
		for i := range times {
			do(f, i)
		}
		f.next()
	})
	f.r.stop()
}

// begin starts the agent.
func (f *fault) begin() { f.r = f.w.start(f.o) }

// config writes the config, with more behind it. Each part of it is wrong.
func (f *fault) config(more string) string {
	text := fmt.Sprintf("{ netns: { %s: { interfaces: { eth0: { xdp: ./count.weir, tc-ingress: './count.weir:second' }%s } } } }", f.to.Host.Netns(), more)
	path := filepath.Join(f.dir, "c.yaml")
	check(f.t, os.WriteFile(path+".new", []byte(text), 0o600))
	check(f.t, os.Rename(path+".new", path))
	return text
}

// other has the chain be another one.
func (f *fault) other() {
	f.n++
	f.write(f.n)
}

// next does so, and waits until it runs.
func (f *fault) next() {
	f.t.Helper()
	f.other()
	f.until(f.n)
}

// runs fails if not that chain runs.
func (f *fault) runs(what string, n int) {
	f.t.Helper()
	if got := f.number(); got != n {
		f.t.Errorf("%s: %d runs, not %d", what, got, n)
	}
}

// given is a config to give to the agent: its own, with another chain, and too large to
// be kept where there is no room.
func (f *fault) given() *config.Bundle {
	t := f.t
	t.Helper()
	f.n++
	b, err := state.Bundle(filepath.Join(f.dir, "c.yaml"), config.Options{})
	check(t, err)
	b.Files[filepath.Join(f.dir, "count.weir")] = fmt.Appendf(nil, sieve, f.n)
	large := make([]byte, 128<<10)
	for i := range large {
		large[i] = byte(rand.Uint32())
	}
	b.Files["/large"] = large
	return b
}

// TestDiskFull: with no room on the disk changes are made all the same, and told; with
// room again they are kept.
func TestDiskFull(t *testing.T) {
	faulty(t, func(f *fault, i int) {
		f.r.stop()
		dir := t.TempDir()
		check(t, unix.Mount("weir-test", dir, "tmpfs", 0, "size=1m"))
		defer func() { check(t, unix.Unmount(dir, unix.MNT_DETACH)) }()
		f.o.State = filepath.Join(dir, "state")
		f.begin()
		fill := filepath.Join(dir, "fill")
		leaves := rand.N(64 << 10) // of room
		if i == 0 {
			leaves = 0
		}
		w, err := os.Create(fill)
		check(t, err)
		for _, err = w.Write(make([]byte, 4096)); err == nil; _, err = w.Write(make([]byte, 4096)) {
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
		s, err := w.Stat()
		check(t, err)
		check(t, errors.Join(w.Truncate(s.Size()-int64(leaves)), w.Close()))

		ctx, key := t.Context(), fmt.Sprint(i+1)
		p, err := f.r.Apply(ctx, "me", f.given(), state.Options{})
		if !errors.Is(err, ErrNotKept) || p == nil || p.Empty() {
			t.Errorf("apply: %+v, %v", p, err)
		}
		f.runs("given on a full disk", f.n)
		if err := f.r.Put(ctx, "me", "count.blocked", []Entry{{Key: key}}); err != nil && !errors.Is(err, ErrNotKept) {
			t.Errorf("put: %v", err)
		}
		if s := f.r.Status(); s.Store == "" || s.StoreErrors == 0 || s.Source.Who != "me" {
			t.Errorf("with %d octets of room: %+v", leaves, s)
		}
		again := func(what string) {
			t.Helper()
			f.runs(what, f.n)
			if got := f.w.keys("count.blocked"); !strings.Contains(" "+got+" ", " "+key+" ") {
				t.Errorf("%s: blocked %q, want %s", what, got, key)
			}
		}
		again("on a full disk")
		check(t, os.Remove(fill))
		f.r.looked()
		if s := f.r.Status(); s.Store != "" || s.Entries != 1 {
			t.Errorf("with room again: %+v", s)
		}
		f.r.stop()
		f.begin()
		again("with room, and begun anew")
		check(t, f.r.Remove(ctx, "me", "count.blocked", []string{key}))
		f.r.stop()
		f.o.State = filepath.Join(f.dir, "state")
		f.begin()
	})
}

// TestHalfWritten: of a config that is half written nothing is done.
func TestHalfWritten(t *testing.T) {
	faulty(t, func(f *fault, i int) {
		text := f.config("")
		path, errs := filepath.Join(f.dir, "c.yaml"), f.r.Status().Errors
		check(t, os.WriteFile(path, []byte(text[:1+rand.N(len(text)-2)]), 0o600))
		if i%2 == 1 { // and the agent begins with it
			f.r.stop()
			f.begin()
			errs = 0
		}
		f.r.eventually("it is wrong", func() bool { return f.r.Status().Errors > errs })
		f.runs("half a config", f.n)
		f.other()
		f.config("")
		f.r.eventually("it is right", func() bool { s := f.r.Status(); return s.Ready() })
		f.until(f.n)
	})
}

// TestStoreCorrupt: whatever became of the store, what runs stays, and the file is
// enough; and what is changed afterwards is kept.
func TestStoreCorrupt(t *testing.T) {
	spoil := []func(path string, b []byte) error{
		func(path string, b []byte) error {
			return os.Truncate(path, rand.N(int64(len(bytes.TrimRight(b, "\x00")))))
		},
		func(path string, b []byte) error {
			for i := range b {
				b[i] = byte(rand.Uint32())
			}
			return os.WriteFile(path, b, 0o600)
		},
		func(path string, b []byte) error { return os.Truncate(path, 0) },
		func(path string, b []byte) error {
			return errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "in"), 0o700))
		},
		func(path string, b []byte) error { // some octets of what is used
			n := len(bytes.TrimRight(b, "\x00"))
			for i := range 100 {
				b[rand.N(n)] = byte(i)
			}
			return os.WriteFile(path, b, 0o600)
		},
	}
	faulty(t, func(f *fault, i int) {
		for i, x := range spoil {
			path := filepath.Join(f.o.State, store.Name)
			f.r.stop()
			b, err := os.ReadFile(path)
			check(t, err)
			check(t, x(path, b))
			f.begin()
			f.runs(fmt.Sprint("spoilt: ", i), f.n)
			if s := f.r.Status(); i < 4 && s.StoreErrors == 0 || !s.Ready() {
				t.Errorf("spoilt: %d: %+v", i, s)
			}
			key := fmt.Sprint(i + 1)
			check(t, f.r.Put(t.Context(), "me", "count.blocked", []Entry{{Key: key}}))
			f.next()
			f.r.stop()
			f.begin()
			f.runs("begun anew", f.n)
			if s := f.r.Status(); s.Entries == 0 || s.StoreErrors > 0 {
				t.Errorf("spoilt: %d: begun anew: %+v", i, s)
			}
			check(t, f.r.Remove(t.Context(), "me", "count.blocked", []string{key}))
		}
	})
}

// TestInterfaceGone: an interface goes while its programs are exchanged, and others are
// not disturbed.
func TestInterfaceGone(t *testing.T) {
	faulty(t, func(f *fault, i int) {
		do := func(what func() error) { check(t, f.to.Host.Do(what)) }
		veth := func() error {
			return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "wx"}, PeerName: "wy"})
		}
		gone := func() error {
			l, err := netlink.LinkByName("wx")
			if err != nil {
				return err
			}
			return netlink.LinkDel(l)
		}
		do(veth)
		f.config(", wx: { xdp: ./count.weir, tc-egress: ./count.weir }")
		f.r.eventually("it is taken", func() bool { return f.r.Status().Places == 4 })
		f.other()
		time.Sleep(rand.N(250 * time.Millisecond)) // any time is right
		do(gone)
		f.r.eventually("it is told", func() bool { s := f.r.Status(); return s.Ready() && len(s.Absent) == 2 })
		f.config("")
		f.r.eventually("it is meant no more", func() bool { s := f.r.Status(); return s.Ready() && len(s.Absent) == 0 })
		f.until(f.n)
	})
}

// TestClockJump: the clock goes forward and back by years while configs are applied and
// entries expire.
func TestClockJump(t *testing.T) {
	c := newClock()
	ctx, stop := context.WithCancel(t.Context())
	ticks := make(chan struct{})
	go func() { // as clocks do, beside their jumps
		defer close(ticks)
		for ctx.Err() == nil {
			c.move(10 * time.Millisecond)
			time.Sleep(time.Millisecond)
		}
	}()
	faulty(t, func(f *fault, i int) {
		if i == 0 {
			f.r.stop()
			f.o.Clock = c
			f.begin()
		}
		check(t, f.r.Put(t.Context(), "me", "count.blocked", []Entry{{Key: "9", Expires: c.Now().Add(time.Hour)}}))
		for _, by := range []time.Duration{-20000 * time.Hour, 10000 * time.Hour, -time.Minute} {
			f.other()
			c.set(c.Now().Add(by))
			f.until(f.n)
			if got := f.w.keys("count.blocked"); got != "9" {
				t.Errorf("before its time: blocked %q, want 9", got)
			}
		}
		c.set(c.Now().Add(10002 * time.Hour))
		f.next()
		f.r.eventually("once it is over it is over", func() bool { return f.w.keys("count.blocked") == "" })
	})
	stop()
	<-ticks
}
