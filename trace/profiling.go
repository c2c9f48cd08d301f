package trace

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gopacket/gopacket"

	"weir/lang"
)

// Timed is a chain compiled twice for one hook: as it is, and with lang.Options.Times
// of 1. The zero value is none.
type Timed struct{ Plain, Timed *lang.Program }

// ProfileOptions are options of [NewProfile].
type ProfileOptions struct {
	// Counted is compiled with lang.Options.Lines and lang.Options.Trace, CountedFrags
	// the same for XDP frames of several fragments, where there is one.
	Counted, CountedFrags *lang.Program

	// Linear is what is timed, Frags the same for XDP frames of several fragments.
	Linear, Frags Timed

	Set    map[string]string // values of parameters, by name
	Repeat int               // how often a packet is run to be timed; 0: some 25 ms
}

// What is timed at most.
const (
	samplesOfWay = 3    // packets of those that took one way
	maxPicks     = 4096 // packets that are kept for it
	maxSamples   = 48   // packets
)

// NewProfile runs the packets of a capture through a chain and counts how often each
// statement is reached. Packets that reached the same ones as often took one way: of
// each way some are run again and again to be timed, and stand for the others.
func NewProfile(ctx context.Context, in io.Reader, o ProfileOptions) (*Profile, error) {
	x := &profiling{o: o, ways: map[string]*way{}, lines: map[*lang.Program][]uint64{}, now: epoch}
	err := OnOneCPU(func() error {
		c, err := openCapture(in)
		if err == nil {
			err = x.count(ctx, c)
		}
		if err == nil {
			err = x.measure(ctx)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	x.p.Sources = o.Counted.Sources
	lines := map[spot]uint64{}
	for prog, reached := range x.lines {
		for i, n := range reached {
			lines[x.p.spot(prog, prog.Lines[i], prog.Ways.Lines[i])] += n
		}
	}
	x.p.fill(x.ns, lines)
	return &x.p, nil
}

// profiling is a profile on its way.
type profiling struct {
	o     ProfileOptions
	r     *Runner // that counts
	now   time.Time
	start time.Time
	ways  map[string]*way
	picks []pick
	lines map[*lang.Program][]uint64 // how often each of its Lines was reached
	ns    map[spot]float64           // of a packet
	p     Profile
}

// A way is the packets that have reached the same statements as often.
type way struct {
	packets uint64
	picks   int
}

// A pick is a packet that is to be timed.
type pick struct {
	way  *way
	data []byte
	same bool // the chain left it as it was
	at   time.Time
}

// count runs the capture once, and picks what is to be timed.
func (x *profiling) count(ctx context.Context, c *capture) error {
	data, ci, readErr := c.next()
	x.at(ci)
	x.start = x.now
	var err error
	if x.r, err = NewRunner(x.o.Counted, RunnerOptions{Frags: x.o.CountedFrags, Set: x.o.Set, Start: x.start}); err != nil {
		return err
	}
	defer x.r.Close()
	for readErr == nil {
		if err := x.packet(ctx, data, ci); err != nil {
			return fmt.Errorf("packet %d: %w", c.n, err)
		}
		data, ci, readErr = c.next()
	}
	if errors.Is(readErr, io.EOF) {
		return nil
	}
	return readErr
}

func (x *profiling) at(ci gopacket.CaptureInfo) {
	if ci.Timestamp.After(x.now) {
		x.now = ci.Timestamp
	}
}

func (x *profiling) packet(ctx context.Context, data []byte, ci gopacket.CaptureInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x.at(ci)
	run, err := x.r.choose(x.r.chains[0], len(data))
	if err != nil {
		return err
	}
	before, err := x.reached(run)
	if err != nil {
		return err
	}
	res, out, err := x.r.Run(data, x.now)
	if err != nil {
		return err
	}
	if res.Error != "" {
		x.p.Errors++
		return nil
	}
	after, err := x.reached(run)
	if err != nil {
		return err
	}
	x.p.Packets++
	key := make([]byte, len(after))
	if run != nil && x.lines[run.prog] == nil {
		x.lines[run.prog] = make([]uint64, len(run.prog.Lines))
	}
	for i := range len(after) / 8 {
		n := binary.NativeEndian.Uint64(after[8*i:]) - binary.NativeEndian.Uint64(before[8*i:])
		x.lines[run.prog][i] += n
		binary.NativeEndian.PutUint64(key[8*i:], n)
	}
	x.take(string(key), data, bytes.Equal(data, out))
	return nil
}

// reached returns how often each statement was reached by now.
func (x *profiling) reached(run *run) ([]byte, error) {
	if run == nil {
		return nil, nil
	}
	m := x.r.SystemMap(run.prog, lang.LineMap)
	if m == nil { // there is no statement
		return nil, nil
	}
	return m.LookupBytes(uint32(0))
}

// take counts a packet of a way, and keeps it if there are too few of that by now.
func (x *profiling) take(key string, data []byte, same bool) {
	w := x.ways[key]
	if w == nil {
		w = new(way)
		x.ways[key] = w
	}
	if w.packets++; w.picks < samplesOfWay && len(x.picks) < maxPicks {
		w.picks++
		x.picks = append(x.picks, pick{way: w, data: bytes.Clone(data), same: same, at: x.now})
	}
}

// choose leaves the picks of the ways that most packets took, in their order.
func (x *profiling) choose() {
	var ways []*way
	for _, w := range x.ways {
		ways = append(ways, w)
	}
	slices.SortFunc(ways, func(a, b *way) int { return cmp.Compare(b.packets, a.packets) })
	n := 0
	for _, w := range ways {
		if n += w.picks; n > max(maxSamples, w.picks) {
			w.picks = 0
		}
	}
	x.picks = slices.DeleteFunc(x.picks, func(p pick) bool { return p.way.picks == 0 })
}

// measure times what was picked.
func (x *profiling) measure(ctx context.Context) error {
	x.choose()
	if len(x.picks) == 0 {
		return nil
	}
	m, err := newMeter(x.o, x.start)
	if err != nil {
		return err
	}
	defer m.close()
	x.ns = map[spot]float64{}
	total := 0.0
	for _, p := range x.picks {
		s, prog, err := m.time(ctx, p)
		if err != nil {
			return err
		}
		packets := float64(p.way.packets) / float64(p.way.picks)
		total += packets
		x.add(s, prog, packets)
	}
	x.p.perPacket(total)
	for l := range x.ns {
		x.ns[l] /= total
	}
	x.p.TimedShare = total / float64(x.p.Packets)
	return nil
}

// add adds a sample that stands for so many packets. Each reading of the clock waits until
// all before it is done, so that statements take longer apart than where they overlap: what
// they take is fitted to the whole.
func (x *profiling) add(s sample, prog *lang.Program, packets float64) {
	each, apart := spent(s.ns, s.laps, s.clock)
	const least = 0.1 // ns: a chain of less cannot be told from none
	s.plain = max(s.plain, least)
	fit := packets
	if apart > 0 {
		fit *= s.plain / apart
	}
	p := &x.p
	p.Timed++
	p.Whole += s.plain * packets
	p.With += s.timed * packets
	p.Clock += s.clock * packets
	p.Apart += apart * packets
	for i, ns := range each {
		x.ns[p.spot(prog, prog.Times[i], prog.Ways.Times[i])] += ns * fit
		p.Laps += s.laps[i] * packets
	}
}

// perPacket makes means of sums over packets.
func (p *Profile) perPacket(packets float64) {
	for _, x := range []*float64{&p.Whole, &p.With, &p.Clock, &p.Laps, &p.Apart} {
		*x /= packets
	}
}
