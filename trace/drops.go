package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/perf"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/lang"
	"weir/lang/diag"
)

// Defaults and limits of [DropOptions].
const (
	// MaxSnap is how much of a packet can be kept: an event of the kernel has at
	// most 65,535 octets (the size in struct perf_event_header).
	MaxSnap       = 65000
	DefaultRate   = 10_000
	DefaultBuffer = 1 << 20
)

// drainEvery is how often the buffers are emptied. The kernel wakes nobody for
// each packet.
const drainEvery = 20 * time.Millisecond

// DropOptions say how much is kept. The zero value keeps all, but for more than
// DefaultRate packets a second.
type DropOptions struct {
	Snap   int // octets of each packet at most; 0: MaxSnap
	Sample int // one packet of so many; 0: each
	Rate   int // packets a second at most, over all places; 0: DefaultRate
	Buffer int // octets of buffer of a CPU for a place; 0: DefaultBuffer
}

func (o DropOptions) orDefault() DropOptions {
	if o.Snap == 0 {
		o.Snap = MaxSnap
	}
	o.Sample = max(o.Sample, 1)
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Buffer == 0 {
		o.Buffer = DefaultBuffer
	}
	return o
}

// DropCount is what became of dropped packets: Dropped is the sum of the rest,
// but for what is still in the buffers.
type DropCount struct {
	Dropped uint64 `json:"dropped"`
	Written uint64 `json:"written"`
	Sampled uint64 `json:"not_sampled"` // left out by DropOptions.Sample
	Limited uint64 `json:"over_rate"`   // left out by DropOptions.Rate
	Lost    uint64 `json:"lost"`        // nobody read fast enough
}

// DropBuffers are what programs hand dropped packets to. They are made when the
// programs are loaded, so that nothing is missed once these are attached.
type DropBuffers struct {
	o       DropOptions
	readers map[*ebpf.Map]*perf.Reader // by their CaptureMap
}

// NewDropBuffers returns buffers for a generation that is yet to be attached,
// with their Loaded as datapath.Options.Loaded.
func NewDropBuffers(o DropOptions) *DropBuffers {
	return &DropBuffers{o: o.orDefault(), readers: map[*ebpf.Map]*perf.Reader{}}
}

// Loaded makes the buffers of a program, which must have been compiled with
// lang.Options.Capture.
func (b *DropBuffers) Loaded(system func(lang.System) *ebpf.Map) error {
	events, limit := system(lang.CaptureMap), system(lang.LimitMap)
	if events == nil || limit == nil {
		return errors.New("keep dropped packets: the program was not compiled for it")
	}
	err := limit.Put(uint32(0), [3]uint64{uint64(b.o.Rate), uint64(b.o.Sample), uint64(b.o.Snap)})
	if err == nil {
		// The watermark is where the kernel would wake a reader, which looks by
		// the clock.
		b.readers[events], err = perf.NewReaderWithOptions(events, b.o.Buffer, perf.ReaderOptions{Watermark: b.o.Buffer / 2})
	}
	if err != nil {
		delete(b.readers, events)
		return fmt.Errorf("keep dropped packets: %w", err)
	}
	return nil
}

// Close releases the buffers that no [Drops] has taken.
func (b *DropBuffers) Close() error {
	var errs []error
	for _, r := range b.readers {
		errs = append(errs, r.Close())
	}
	clear(b.readers)
	return errors.Join(errs...)
}

// Drops writes what the chains of a generation drop to a pcapng file, with
// where and why as a comment of each packet. It is used by one goroutine, but for
// Count.
type Drops struct {
	o      DropOptions
	places []*dropPlace
	out    *dropFile
	credit float64   // packets that the rate has brought and no place has got
	refill time.Time // when it last brought some
}

// A dropPlace is an attachment whose drops are kept.
type dropPlace struct {
	reader  *perf.Reader
	limit   *ebpf.Memory
	missed  *ebpf.Map
	written atomic.Uint64
	rec     perf.Record
}

// missed is the content of lang.MissedMap.
type missed struct{ Seen, Sampled, Limited, Failed uint64 }

// NewDrops writes what g drops from its first packet on; text finds lines of its
// sources. The buffers are the Drops' then.
func NewDrops(g *datapath.Generation, b *DropBuffers, w io.Writer, text diag.Source) (*Drops, error) {
	d := &Drops{o: b.o, refill: time.Now()}
	var err error
	if d.out, err = newDropFile(w, g, d.o.Snap, text); err != nil {
		return nil, err
	}
	for _, a := range g.Attachments {
		events := a.SystemMap(lang.CaptureMap)
		p := &dropPlace{missed: a.SystemMap(lang.MissedMap), reader: b.readers[events]}
		if p.reader == nil {
			return nil, errors.Join(fmt.Errorf("keep what is dropped at %s: it has no buffer", a.Where), d.closeReaders())
		}
		delete(b.readers, events)
		d.places = append(d.places, p)
		if p.limit, err = a.SystemMap(lang.LimitMap).Memory(); err != nil {
			return nil, errors.Join(err, d.closeReaders())
		}
	}
	return d, b.Close()
}

// budget is how many more packets the program may hand on: the first field of
// lang.LimitMap.
func (p *dropPlace) budget() (int64, error) {
	var b [8]byte
	_, err := p.limit.ReadAt(b[:], 0)
	return int64(binary.NativeEndian.Uint64(b[:])), err
}

func (p *dropPlace) setBudget(n uint64) error {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], n)
	_, err := p.limit.WriteAt(b[:], 0)
	return err
}

func (p *dropPlace) count() (missed, error) {
	var sum missed
	var perCPU []missed
	if err := p.missed.Lookup(uint32(0), &perCPU); err != nil {
		return sum, err
	}
	for _, m := range perCPU {
		sum.Seen += m.Seen
		sum.Sampled += m.Sampled
		sum.Limited += m.Limited
		sum.Failed += m.Failed
	}
	return sum, nil
}

// Run keeps drops until ctx ends.
func (d *Drops) Run(ctx context.Context) error {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := errors.Join(d.allow(), d.drain()); err != nil {
			return err
		}
	}
}

// allow gives the programs what the rate has brought since the last time, at
// most that of a second. What one place has left over, another may use.
func (d *Drops) allow() error {
	now := time.Now()
	left := int64(0)
	for _, p := range d.places {
		n, err := p.budget()
		if err != nil {
			return err
		}
		left += max(n, 0)
	}
	earned := float64(d.o.Rate) * now.Sub(d.refill).Seconds()
	d.refill = now
	d.credit = min(d.credit+earned+float64(left), float64(d.o.Rate))
	share := uint64(d.credit) / uint64(max(len(d.places), 1))
	d.credit -= float64(share) * float64(len(d.places))
	for _, p := range d.places {
		if err := p.setBudget(share); err != nil {
			return err
		}
	}
	return nil
}

// maxBatch is how many packets of a place are sorted at once.
const maxBatch = 4096

// drain writes what is in the buffers, by time: each CPU has one of its own.
func (d *Drops) drain() error {
	for more := true; more; {
		more = false
		var batch []dropped
		for i, p := range d.places {
			n := len(batch)
			var err error
			if batch, err = p.read(batch, i); err != nil {
				return err
			}
			more = more || len(batch)-n == maxBatch
		}
		slices.SortStableFunc(batch, func(a, b dropped) int { return int(int64(a.ns) - int64(b.ns)) })
		for _, x := range batch {
			if err := d.out.write(x); err != nil {
				return err
			}
			d.places[x.place].written.Add(1)
		}
	}
	return d.out.flush()
}

// read takes at most maxBatch events out of the buffers of a place.
func (p *dropPlace) read(batch []dropped, place int) ([]dropped, error) {
	p.reader.SetDeadline(time.Unix(1, 0)) // never wait
	for range maxBatch {
		err := p.reader.ReadInto(&p.rec)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return batch, nil
		}
		if err != nil {
			return batch, fmt.Errorf("read dropped packets: %w", err)
		}
		if p.rec.LostSamples > 0 {
			continue // the program has counted them
		}
		x, err := decodeDrop(p.rec.RawSample, place)
		if err != nil {
			return batch, err
		}
		batch = append(batch, x)
	}
	return batch, nil
}

// Count tells what became of the packets dropped so far.
func (d *Drops) Count() (DropCount, error) {
	var c DropCount
	for _, p := range d.places {
		m, err := p.count()
		if err != nil {
			return c, fmt.Errorf("count dropped packets: %w", err)
		}
		c.Dropped += m.Seen
		c.Sampled += m.Sampled
		c.Limited += m.Limited
		c.Lost += m.Failed
		c.Written += p.written.Load()
	}
	return c, nil
}

// Close writes what is left in the buffers, and what was not written as
// statistics of each place. It is called when the programs have ended, or what
// they drop then is in nobody's count.
func (d *Drops) Close() error {
	errs := []error{d.drain()}
	for i, p := range d.places {
		m, err := p.count()
		if err == nil {
			err = d.out.stats(i, m.Seen, m.Seen-p.written.Load())
		}
		errs = append(errs, err)
	}
	errs = append(errs, d.out.flush(), d.closeReaders())
	return errors.Join(errs...)
}

func (d *Drops) closeReaders() error {
	var errs []error
	for _, p := range d.places {
		errs = append(errs, p.reader.Close())
	}
	return errors.Join(errs...)
}

// monotonic is now by the clock of events, in ns.
func monotonic() (int64, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano(), err
}
