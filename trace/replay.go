package trace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"weir/datapath"
	"weir/lang"
)

// Options of [Replay].
type Options struct {
	// Each, if set, is given the result of each packet, in order.
	Each func(Result) error

	// Out, if set, is written every packet that was not dropped, as the chain
	// left it: a pcap file with times in ns.
	Out io.Writer

	// Frags is the same chain compiled for XDP frames of several fragments,
	// which large frames are given to.
	Frags *lang.Program

	Set map[string]string // values of parameters, by name

	// Repeat is how often each packet is run again to be timed, on a copy of the
	// program with maps of its own; 0: not timed. Timed is the program to time,
	// for instance compiled without the trace; nil: the one that is replayed.
	Repeat int
	Timed  *lang.Program
}

// Replay runs p, which was compiled with lang.Options.Trace for its hook, on the
// packets of a pcap or pcapng file. A program that was compiled with
// lang.Options.Clock reads the time of the capture, which never goes back. The summary is of the
// packets up to the error, if there is one.
func Replay(ctx context.Context, p *lang.Program, in io.Reader, o Options) (Summary, error) {
	sum := Summary{Verdicts: map[string]int{}, Counts: map[string]uint64{}, Reasons: map[string]int{}, Lost: map[string]uint64{}}
	err := OnOneCPU(func() error {
		c, err := openCapture(in)
		if err != nil {
			return err
		}
		return replay(ctx, p, c, o, &sum)
	})
	if err != nil {
		return sum, fmt.Errorf("replay: %w", err)
	}
	return sum, nil
}

func replay(ctx context.Context, p *lang.Program, c *capture, o Options, sum *Summary) error {
	data, ci, readErr := c.next()
	x := pass{o: o, sum: sum, now: epoch}
	x.at(ci.Timestamp)
	var err error
	if x.r, err = NewRunner(p, RunnerOptions{Frags: o.Frags, Set: o.Set, Start: x.now}); err != nil {
		return err
	}
	defer x.r.Close()
	if o.Repeat > 0 {
		if x.sw, err = newStopwatch(p, o, x.now); err != nil {
			return err
		}
		defer x.sw.close()
	}
	if x.write, err = writer(o.Out); err != nil {
		return err
	}
	for readErr == nil && err == nil {
		if err = x.packet(ctx, c.n, data, ci); err == nil {
			data, ci, readErr = c.next()
		}
	}
	if x.sw != nil {
		sum.NsPerPacket = x.sw.mean()
	}
	if readErr == io.EOF {
		readErr = nil
	}
	return errors.Join(err, readErr, sum.count(x.r))
}

// A pass is a capture on its way through a chain.
type pass struct {
	o     Options
	r     *Runner
	sw    *stopwatch // nil: packets are not timed
	write func(Result, []byte, gopacket.CaptureInfo) error
	sum   *Summary
	now   time.Time // of the capture
}

// epoch is the least time that a chain can be told.
var epoch = time.Unix(0, 1)

// at moves the clock on, and never back as that of the kernel never goes back:
// a packet that is older than one before it comes at the time of that.
func (x *pass) at(t time.Time) {
	if t.After(x.now) {
		x.now = t
	}
}

func (x *pass) packet(ctx context.Context, n int, data []byte, ci gopacket.CaptureInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x.at(ci.Timestamp)
	res, out, err := x.r.Run(data, x.now)
	if err != nil {
		return fmt.Errorf("packet %d: %w", n, err)
	}
	res.N = n
	x.sum.add(res, ci)
	if err := x.write(res, out, ci); err != nil {
		return err
	}
	if x.o.Each != nil {
		if err := x.o.Each(res); err != nil {
			return err
		}
	}
	if x.sw == nil || res.Error != "" {
		return nil
	}
	if err := x.sw.time(ctx, data, out, x.now); err != nil {
		return fmt.Errorf("packet %d: %w", n, err)
	}
	return nil
}

func (s *Summary) add(r Result, ci gopacket.CaptureInfo) {
	s.Packets++
	if ci.CaptureLength < ci.Length {
		s.Truncated++
	}
	if r.Error != "" {
		s.Errors++
		return
	}
	s.Verdicts[r.Verdict]++
	if r.Reason != "" {
		s.Reasons[r.Reason]++
	}
}

// count adds the counters that were hit.
func (s *Summary) count(r *Runner) error {
	hists, err := r.Hists()
	if err != nil {
		return err
	}
	s.Hists, s.Histograms = datapath.Filled(hists), hists
	lost, err := r.Lost()
	if err != nil {
		return err
	}
	for _, c := range lost {
		if c.N > 0 {
			s.Lost[c.Name] += c.N
		}
	}
	counts, err := r.Counts()
	for _, c := range counts {
		if c.N > 0 {
			s.Counts[c.Name] = c.N
		}
	}
	return err
}

// snapLen is the greatest length of a packet in a capture file, as tcpdump has
// it.
const snapLen = 262144

// writer returns a function that writes what was not dropped.
func writer(w io.Writer) (func(Result, []byte, gopacket.CaptureInfo) error, error) {
	if w == nil {
		return func(Result, []byte, gopacket.CaptureInfo) error { return nil }, nil
	}
	p := pcapgo.NewWriterNanos(w)
	if err := p.WriteFileHeader(snapLen, layers.LinkTypeEthernet); err != nil {
		return nil, fmt.Errorf("write packets: %w", err)
	}
	return func(r Result, frame []byte, ci gopacket.CaptureInfo) error {
		if r.Error != "" || r.Verdict == "DROP" {
			return nil
		}
		info := gopacket.CaptureInfo{Timestamp: ci.Timestamp, CaptureLength: len(frame), Length: len(frame)}
		if err := p.WritePacket(info, frame); err != nil {
			return fmt.Errorf("write packet %d: %w", r.N, err)
		}
		return nil
	}, nil
}
