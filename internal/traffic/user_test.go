package traffic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf/rlimit"
	"github.com/gopacket/gopacket/pcapgo"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/lab"
	"weir/trace"
)

// userChain hands to user space what is sent to a port. NUMBER tells two of them apart.
const userChain = `
def main(pkt):
    if pkt.l4.dport != 4242:
        return PASS
    count("NUMBER")
    count("all")
    return VERDICT
`

// userPlace is where a chain is pinned, to be found by its receivers.
type userPlace struct {
	k  datapath.Kernel
	at []place
}

func (u userPlace) attach(t *testing.T, number int, verdict string) *chain {
	t.Helper()
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
	o := datapath.Options{Name: "user", Pin: true, Replace: true}
	source := text(userChain, "NUMBER", number, "VERDICT", verdict)
	for _, p := range u.at {
		c := datapath.Chain{Where: p.where(), Program: compile(t, source, p, false)}
		if p.at.MTU > 1500 {
			c.Frags = compile(t, source, p, true)
		}
		o.Mode = p.mode
		o.Chains = append(o.Chains, c)
	}
	g := must(u.k.Attach(t.Context(), o))(t)
	t.Cleanup(func() { g.Close() })
	return &chain{t, g}
}

// newUserPlace is a place of a kernel of the test's own.
func newUserPlace(t *testing.T, at ...place) userPlace {
	u := userPlace{swapKernel(t), at}
	t.Cleanup(func() { u.k.DetachAll(context.Background()) })
	return u
}

// A reception is what a receiver gets. Its frames are read once it has ended.
type reception struct {
	t      *testing.T
	rec    *trace.Receiver
	file   bytes.Buffer
	frames [][]byte
	got    chan int // how many have come, each time there are no more
	cancel func()
	done   chan error
}

// receive begins to receive.
func (u userPlace) receive(t *testing.T, o trace.ReceiveOptions) *reception {
	t.Helper()
	r := &reception{t: t, got: make(chan int, 1), done: make(chan error, 1)}
	o.Out = &r.file
	o.Each = func(x trace.Received) error {
		r.frames = append(r.frames, bytes.Clone(x.Frame))
		return nil
	}
	o.Then = func() error {
		select {
		case <-r.got:
		default:
		}
		r.got <- len(r.frames)
		return nil
	}
	r.rec = must(trace.NewReceiver(u.k, "user", o))(t)
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(t.Context())
	go func() { r.done <- r.rec.Run(ctx) }()
	t.Cleanup(func() { r.rec.Close() })
	return r
}

// until waits for so many packets.
func (r *reception) until(n int) {
	r.t.Helper()
	for end := time.After(time.Minute); ; {
		select {
		case got := <-r.got:
			if got >= n {
				return
			}
		case err := <-r.done:
			r.t.Fatalf("receiving ended: %v", err)
		case <-end:
			r.t.Fatalf("fewer than %d packets have come", n)
		}
	}
}

// end ends it, and holds what was received and what was written to be the same.
func (r *reception) end() trace.ReceiveCount {
	r.t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Fatal(err)
	}
	n := must(r.rec.Count())(r.t)
	if err := r.rec.Close(); err != nil {
		r.t.Fatal(err)
	}
	if int(n.Packets) != len(r.frames) {
		r.t.Errorf("counted %d packets, got %d", n.Packets, len(r.frames))
	}
	ng := must(pcapgo.NewNgReader(bytes.NewReader(r.file.Bytes()), pcapgo.DefaultNgReaderOptions))(r.t)
	for i, f := range r.frames {
		data, _, err := ng.ReadPacketData()
		if err != nil || !bytes.Equal(data, f) {
			r.t.Fatalf("packet %d of the file: %x, %v, want %x", i+1, data, err, f)
		}
	}
	return n
}

func userExits(c *chain, verdict, reason string) uint64 {
	return c.ended(func(x datapath.ExitCount) bool { return x.Verdict == verdict && x.Reason == reason })
}

// TestUser: what a chain hands to user space is received as it was on the wire, whatever
// its tags and its size, and comes by nowhere else; where nobody receives it passes.
func TestUser(t *testing.T) {
	for _, mode := range []attach.Mode{attach.Native, attach.Generic} {
		for _, mtu := range []int{1500, 9000} {
			t.Run(fmt.Sprintf("%s/%d", mode, mtu), func(t *testing.T) {
				n := bridged(t, mtu)
				u := newUserPlace(t, place{at: n.m0, hook: hook.XDP, mode: mode})
				c := u.attach(t, 1, "to_user(pkt.queue)")
				in := capture(t, n.c)
				var sent [][]byte
				for _, x := range taggings {
					for _, size := range []int{1, 24, 1001, mtu - 100} {
						p := probe(n.a, n.c, families[len(sent)&1], pattern(size))
						p.tags = x.tags
						sent = append(sent, p.frame(t))
					}
				}
				pass := probe(n.a, n.c, families[0], pattern(9)).frame(t)
				send(t, n.a, pass)
				sameFrame(t, in, pass) // nobody receives

				r := u.receive(t, trace.ReceiveOptions{})
				send(t, n.a, sent...)
				r.until(len(sent))
				if lost := r.end(); lost.Lost > 0 {
					t.Errorf("lost %d", lost.Lost)
				}
				for i, f := range sent {
					if !bytes.Equal(r.frames[i], f) {
						t.Errorf("packet %d: got %x, want %x", i, r.frames[i], f)
					}
				}
				send(t, n.a, pass)
				sameFrame(t, in, pass) // the receiver has ended
				if user, nobody := userExits(c, "USER", ""), userExits(c, "PASS", "nobody receives"); user != uint64(len(sent)) || nobody != 2 {
					t.Errorf("%d were handed on, want %d; %d were not, want 2", user, len(sent), nobody)
				}
			})
		}
	}
}

// TestUserPlaces: each interface has receivers of its own, and one that is asked for a
// place gets no other's packets. A queue has one receiver.
func TestUserPlaces(t *testing.T) {
	n := bridged(t, 1500)
	u := newUserPlace(t, place{at: n.m0, hook: hook.XDP}, place{at: n.m1, hook: hook.XDP})
	u.attach(t, 1, "to_user(0)")
	from := func(w attach.Where) func(attach.Where) bool {
		return func(x attach.Where) bool { return x.Interface == w.Interface }
	}
	there := u.receive(t, trace.ReceiveOptions{At: from(u.at[1].where())})
	here := u.receive(t, trace.ReceiveOptions{At: from(u.at[0].where())})
	if _, err := trace.NewReceiver(u.k, "user", trace.ReceiveOptions{}); err == nil {
		t.Error("a queue has two receivers")
	}
	one, two := probe(n.a, n.c, families[0], pattern(10)).frame(t), probe(n.c, n.a, families[1], pattern(20)).frame(t)
	send(t, n.a, one)
	send(t, n.c, two, two)
	here.until(1)
	there.until(2)
	here.end()
	there.end()
	if len(here.frames) != 1 || !bytes.Equal(here.frames[0], one) || len(there.frames) != 2 || !bytes.Equal(there.frames[1], two) {
		t.Errorf("%d here and %d there", len(here.frames), len(there.frames))
	}
}

// TestUserThroughSwaps swaps the chain under a flood: each packet is received, or told to
// be lost, and none passes.
func TestUserThroughSwaps(t *testing.T) {
	l := newLab(t)
	a, b := newHost(t, l, "a"), newHost(t, l, "b")
	from, at := joined(t, l, a, b, "eth0", "", "")
	u := newUserPlace(t, place{at: at, hook: hook.XDP})
	g := u.attach(t, 0, "to_user(pkt.queue)")
	r := u.receive(t, trace.ReceiveOptions{})
	f := udpFlood(t, from, at)
	f.PPS, f.Duration = 20_000, time.Hour
	ctx, stop := context.WithCancel(t.Context())
	flooded := make(chan lab.FloodStats, 1)
	go func() {
		st, err := a.Flood(ctx, f)
		if err != nil {
			t.Error(err)
		}
		flooded <- st
	}()
	var user, passed uint64
	ends := func() {
		user += userExits(g, "USER", "")
		passed += userExits(g, "PASS", "nobody receives")
	}
	swaps := long(15, 200)
	for i := range swaps {
		next := u.attach(t, i+1, "to_user(pkt.queue)")
		ends()
		g = next
	}
	stop()
	st := <-flooded
	eventually(t, "all have come", func() bool { return g.count("all") == st.Sent-st.Lost })
	n := r.end()
	ends()
	if passed > 0 || user != st.Sent-st.Lost || n.Packets+n.Lost != user {
		t.Errorf("sent %d, lost on the way %d; handed on %d, passed %d; received %d, lost %d", st.Sent, st.Lost, user, passed, n.Packets, n.Lost)
	}
	t.Logf("%d packets through %d swaps, %d lost", n.Packets, swaps, n.Lost)
}

// TestUserFollows: a receiver goes to the map of a later generation where the one before
// hands nothing on, and is told that the chain is gone.
func TestUserFollows(t *testing.T) {
	n := bridged(t, 1500)
	u := newUserPlace(t, place{at: n.m0, hook: hook.XDP})
	u.attach(t, 1, "to_user(pkt.queue)")
	told := make(chan string, 10)
	r := u.receive(t, trace.ReceiveOptions{Tell: func(s string) { told <- s }})
	in := capture(t, n.c)
	frame := probe(n.a, n.c, families[0], pattern(10)).frame(t)
	send(t, n.a, frame)
	r.until(1)
	u.attach(t, 2, "PASS")
	<-told // that nothing is handed on
	send(t, n.a, frame)
	sameFrame(t, in, frame)
	c := u.attach(t, 3, "to_user(pkt.queue)")
	eventually(t, "the receiver has followed", func() bool {
		send(t, n.a, frame)
		return userExits(c, "USER", "") > 0
	})
	r.until(2)
	if err := u.k.Detach(t.Context(), "user"); err != nil {
		t.Fatal(err)
	}
	if err := <-r.done; !errors.Is(err, datapath.ErrNotFound) {
		t.Errorf("the chain is gone, and receiving ends with %v", err)
	}
	if got := slices.IndexFunc(r.frames, func(f []byte) bool { return !bytes.Equal(f, frame) }); got >= 0 {
		t.Errorf("packet %d is another", got)
	}
}

// TestUserQueues: an interface of several queues has a receiver for each, and to_user(0)
// takes packets of queue 0 alone.
func TestUserQueues(t *testing.T) {
	l := newLab(t)
	a, m := newHost(t, l, "a"), newHost(t, l, "m")
	from, at := link(t, l, a, m, "eth0", "eth0", lab.LinkOptions{Queues: 2})
	u := newUserPlace(t, place{at: at, hook: hook.XDP})
	c := u.attach(t, 1, "to_user(pkt.queue)")
	var sent [][]byte
	for port := range uint16(64) { // which the sender spreads over its queues
		p := probe(from, at, families[0], pattern(20))
		p.from = atPort(p.from, 1000+port)
		sent = append(sent, p.frame(t))
	}
	r := u.receive(t, trace.ReceiveOptions{})
	if got := r.rec.Places(); len(got) != 2 {
		t.Fatalf("receiving from %v", got)
	}
	sendQueued(t, from, sent...)
	r.until(len(sent))
	r.end()
	zero := uint32(0)
	c = u.attach(t, 2, "to_user(0)")
	one := u.receive(t, trace.ReceiveOptions{Queue: &zero})
	sendQueued(t, from, sent...)
	eventually(t, "all are seen", func() bool { return c.count("2") == uint64(len(sent)) })
	n := one.end()
	user, nobody := userExits(c, "USER", ""), userExits(c, "PASS", "nobody receives")
	if user != n.Packets || user+nobody != uint64(len(sent)) || user == 0 || nobody == 0 {
		t.Errorf("received %d; %d were handed on, %d were not, of %d", n.Packets, user, nobody, len(sent))
	}
}
