package traffic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"weir/datapath"
	"weir/hook"
	"weir/internal/live"
	"weir/lab"
	"weir/trace"
)

const dropChain = `
def main(pkt):
    if pkt.l4.dport != 4242:
        return PASS
    count("seen")
    return drop("odd") if pkt.payload.len & 1 else DROP
`

// A recording is the pcapng file of what a chain drops.
type recording struct {
	t     *testing.T
	path  string
	drops *trace.Drops
	stop  func()
	c     *chain
}

// record runs the chain at a place and keeps what it drops, until stop.
func record(t *testing.T, at place, o trace.DropOptions) *recording {
	t.Helper()
	at.keep = trace.NewDropBuffers(o)
	c := run(t, dropChain, at)
	r := &recording{t: t, c: c, path: filepath.Join(t.TempDir(), "drops.pcapng")}
	f := must(os.Create(r.path))(t)
	r.drops = must(trace.NewDrops(c.Generation, at.keep, f, live.Texts(c.Generation)))(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.drops.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := errors.Join(<-done, c.Stop(), r.drops.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// A kept is a packet of a recording.
type kept struct {
	data    []byte
	len     int
	comment string
	iface   string
	when    time.Time
}

// packets stops the recording and reads it.
func (r *recording) packets() (out []kept) {
	r.t.Helper()
	r.stop()
	ng := must(pcapgo.NewNgReader(bytes.NewReader(must(os.ReadFile(r.path))(r.t)), pcapgo.DefaultNgReaderOptions))(r.t)
	for {
		data, ci, o, err := ng.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			r.t.Fatal(err)
		}
		i := must(ng.Interface(ci.InterfaceIndex))(r.t)
		out = append(out, kept{data, ci.Length, strings.Join(o.Comments, "|"), i.Name, ci.Timestamp})
	}
}

// TestDropsKept: what a chain drops is in the file as it was on the wire,
// whatever its tags and its size.
func TestDropsKept(t *testing.T) {
	for i, h := range hook.Frames() {
		for _, mtu := range []int{1500, 9000} {
			t.Run(fmt.Sprintf("%s/%d", h, mtu), func(t *testing.T) {
				n := bridged(t, mtu)
				at := bridgePlaces(n)[i]
				r := record(t, at, trace.DropOptions{})
				c := r.c
				var sent [][]byte
				var odd []bool
				start := time.Now()
				for _, x := range taggings {
					for _, size := range []int{1, 24, 1001, mtu - 100} {
						p := probe(n.a, n.c, families[len(sent)&1], pattern(size))
						p.tags = x.tags
						sent, odd = append(sent, p.frame(t)), append(odd, size&1 == 1)
					}
				}
				send(t, n.a, sent...)
				eventually(t, "all are seen", func() bool { return c.count("seen") == uint64(len(sent)) })
				got := r.packets()
				if len(got) != len(sent) {
					t.Fatalf("%d packets in the file, want %d", len(got), len(sent))
				}
				for i, k := range got {
					sameDrop(t, k, sent[i], odd[i])
					if k.iface != c.Attachments[0].Where.Netns+"/"+at.at.Name || k.when.Before(start.Add(-time.Second)) || k.when.After(time.Now()) {
						t.Errorf("packet %d: at %s, %v", i, k.iface, k.when)
					}
				}
			})
		}
	}
}

// sameDrop compares a packet of a recording with the frame that was sent.
func sameDrop(t *testing.T, k kept, frame []byte, odd bool) {
	t.Helper()
	if !bytes.Equal(k.data, frame) || k.len != len(frame) {
		t.Errorf("kept %d of %d octets:\n%x\nsent %d:\n%x", len(k.data), k.len, k.data, len(frame), frame)
	}
	want := `DROP, traffic.weir:6: return drop("odd") if pkt.payload.len & 1 else DROP`
	if odd {
		want = `DROP "odd"` + want[4:]
	}
	if k.comment != want {
		t.Errorf("comment %q, want %q", k.comment, want)
	}
}

// TestDropsSnap: of long packets the beginning is kept, with the length that
// they had.
func TestDropsSnap(t *testing.T) {
	for i, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			n := bridged(t, 1500)
			at := bridgePlaces(n)[i]
			r := record(t, at, trace.DropOptions{Snap: 64})
			c := r.c
			p := probe(n.a, n.c, families[0], pattern(1000))
			p.tags = taggings[1].tags
			f := p.frame(t)
			send(t, n.a, f)
			eventually(t, "it is seen", func() bool { return c.count("seen") == 1 })
			got := r.packets()
			if len(got) != 1 || !bytes.Equal(got[0].data, f[:64]) || got[0].len != len(f) {
				t.Errorf("kept %+v of\n%x", got, f)
			}
		})
	}
}

// TestDropsFlood: under a flood that is faster than any file, what is dropped at
// the hook is what is in the file and what was told to be missing.
func TestDropsFlood(t *testing.T) {
	const packets = 300_000
	for _, x := range []struct {
		name string
		o    trace.DropOptions
		all  func(trace.DropCount) bool // what must have happened
	}{
		{"the rate", trace.DropOptions{Rate: 1000}, func(n trace.DropCount) bool { return n.Limited > packets/2 && n.Written <= 1000*60 }},
		{"one of 100", trace.DropOptions{Sample: 100, Rate: 1e6}, func(n trace.DropCount) bool { return n.Sampled > packets*9/10 && n.Written > 0 }},
		{"a small buffer", trace.DropOptions{Rate: 1e9, Buffer: 8192}, func(n trace.DropCount) bool { return n.Lost > packets/100 && n.Limited == 0 }},
	} {
		for i, h := range hook.Frames()[:2] {
			t.Run(x.name+"/"+h.String(), func(t *testing.T) {
				n := bridged(t, 1500)
				at := bridgePlaces(n)[i]
				r := record(t, at, x.o)
				c := r.c
				template := probe(n.a, n.c, families[0], pattern(60)).frame(t)
				st := must(n.a.Host.Flood(bounded(t), lab.Flood{Iface: "eth0", Template: template, Packets: packets}))(t)
				eventually(t, "the flood has arrived", func() bool { return c.count("seen") == st.Sent-st.Lost })
				got := r.packets()
				told := must(r.drops.Count())(t)
				atHook := c.ended(func(e datapath.ExitCount) bool { return e.Verdict == "DROP" })
				if uint64(len(got)) != told.Written || told.Dropped != atHook ||
					told.Written+told.Sampled+told.Limited+told.Lost != atHook {
					t.Errorf("%d dropped at the hook, %d in the file, told %+v", atHook, len(got), told)
				}
				if !x.all(told) {
					t.Errorf("%+v", told)
				}
				t.Logf("%d dropped in %v: %+v", atHook, st.Elapsed, told)
				for _, k := range got {
					if len(k.data) != len(template) {
						t.Fatalf("a packet of %d octets, want %d", len(k.data), len(template))
					}
				}
			})
		}
	}
}
