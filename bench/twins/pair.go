package twins

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/hook"
)

// A Pair is a chain and its twins at a hook, loaded. It is used by one goroutine.
type Pair struct {
	Twin
	floor, ours, again *side // again is ours once more, for the run's own spread
	peers              []*side
	alone              []*side // the parts of ours, of a composition
	frames, odd        [][]byte
}

// Open loads a twin's programs for a hook. A version of the instruction set that
// the kernel does not take is left out.
func (t Twin) Open(h hook.Hook) (p *Pair, err error) {
	tr := newTraffic()
	p = &Pair{Twin: t, frames: t.timed(tr)}
	p.odd = tr.odd(p.frames)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	prog, err := t.Compile(h)
	if err != nil {
		return p, err
	}
	if p.floor, err = empty(h, p.frames); err != nil {
		return p, err
	}
	if p.ours, err = t.ours("weir", prog, p.frames); err != nil {
		return p, err
	}
	if p.again, err = t.ours("weir again", prog, p.frames); err != nil {
		return p, err
	}
	for _, v := range t.Versions() {
		s, err := t.twin(h, v, prog, p.frames)
		if err != nil && v != Versions()[0] && !takes4() {
			continue
		}
		if err != nil {
			return p, err
		}
		p.peers = append(p.peers, s)
	}
	return p, nil
}

func (p *Pair) sides() []*side {
	all := append([]*side{p.floor, p.ours, p.again}, slices.Concat(p.peers, p.alone)...)
	return slices.DeleteFunc(all, func(s *side) bool { return s == nil })
}

// Close gives back what the kernel holds for the pair.
func (p *Pair) Close() error {
	var errs []error
	for _, s := range p.sides() {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// ErrDiffer says that a chain and its twin do not do the same.
var ErrDiffer = errors.New("the chain and its twin differ")

// Check gives every frame, and frames of rare kinds, to each program. They must
// agree on the verdict, on the bytes they leave and on the return that they take.
// An error wraps [ErrDiffer] if they do not.
func (p *Pair) Check() error {
	all := slices.Concat(p.frames, p.odd)
	for i, f := range all {
		want, err := p.ours.run(f)
		if err != nil {
			return err
		}
		for _, s := range append(p.peers, p.again) {
			got, err := s.run(f)
			if err != nil {
				return err
			}
			if got.verdict != want.verdict || !bytes.Equal(got.frame, want.frame) {
				return fmt.Errorf("%s: %w: frame %x: weir %d %x, %s %d %x", p.Name, ErrDiffer, f, want.verdict, want.frame, s.name, got.verdict, got.frame)
			}
			if i%64 != 0 && i < len(all)-1 {
				continue // counters are read by system calls
			}
			if err := p.agree(s); err != nil {
				return fmt.Errorf("%w after frame %d: %x", err, i, f)
			}
		}
	}
	return nil
}

// agree compares the counters of a side with ours.
func (p *Pair) agree(s *side) error {
	want, err := p.ours.exits()
	if err != nil {
		return err
	}
	got, err := s.exits()
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: %w: returns of weir %v, of %s %v", p.Name, ErrDiffer, want, s.name, got)
	}
	return nil
}

// A result is what a program made of a frame.
type result struct {
	verdict int32
	frame   []byte
}

// run gives one frame to the program, past its feeder. A frame that the hook never
// sees, or that a test run refuses, gives the zero result.
func (s *side) run(frame []byte) (result, error) {
	o, sees := datapath.NewTestRun(s.hook, frame, make([]byte, len(frame)+64))
	if !sees {
		return result{}, nil
	}
	v, err := s.prog.Run(&o.RunOptions)
	if errors.Is(err, unix.EINVAL) {
		return result{}, nil
	}
	if err != nil {
		return result{}, fmt.Errorf("test run of %s: %w", s.name, err)
	}
	return result{int32(v), o.Frame()}, nil
}

// takes4 reports whether the kernel takes instructions of version 4: a load
// that extends the sign.
func takes4() bool { return features.HaveV4ISA() == nil }
