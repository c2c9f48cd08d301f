package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/datapath"
	"weir/lang"
)

// A Telling is the packets that a generation tells of, which was compiled with
// lang.Options.Steps and Match.
type Telling struct {
	most    int
	waiting map[*ebpf.Map]*ringbuf.Reader // of programs that are loaded, by their StepRing
	places  []*tellingPlace
	n       int // ways
}

type tellingPlace struct {
	at    *datapath.Attachment
	where attach.Where // when it was looked at last
	ring  *ringbuf.Reader
}

// NewTelling returns one of as many packets at most, for a generation that is yet to be
// attached, with its Loaded as datapath.Options.Loaded.
func NewTelling(packets int) *Telling {
	return &Telling{most: packets, waiting: map[*ebpf.Map]*ringbuf.Reader{}}
}

// Loaded lets a program tell.
func (t *Telling) Loaded(system func(lang.System) *ebpf.Map) error {
	notes, ring := system(lang.StepMap), system(lang.StepRing)
	if notes == nil || ring == nil {
		return errors.New("tell of packets: the program was not compiled for it")
	}
	m, err := notes.Memory()
	if err == nil {
		err = put64(m, 0, uint64(t.most))
	}
	if err == nil {
		t.waiting[ring], err = ringbuf.NewReader(ring)
	}
	if err != nil {
		delete(t.waiting, ring)
		return fmt.Errorf("tell of packets: %w", err)
	}
	return nil
}

// Close releases what Loaded has made.
func (t *Telling) Close() error {
	var errs []error
	for _, r := range t.waiting {
		errs = append(errs, r.Close())
	}
	clear(t.waiting)
	return errors.Join(errs...)
}

// tellEvery is how often rings are looked at.
const tellEvery = 20 * time.Millisecond

// Run calls each for the ways of packets through g as they come, place by place, until
// there have been as many as there may be, or ctx ends.
func (t *Telling) Run(ctx context.Context, g *datapath.Generation, each func(Way) error) error {
	for _, a := range g.Attachments {
		if r := t.waiting[a.SystemMap(lang.StepRing)]; r != nil {
			t.places = append(t.places, &tellingPlace{at: a, where: a.Where, ring: r})
		}
	}
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for t.n < t.most {
		if err := t.drain(each); err != nil {
			return fmt.Errorf("explain %s: %w", g.Name, err)
		}
		if t.n >= t.most {
			break
		}
		select {
		case <-ctx.Done():
			if err := t.drain(each); err != nil {
				return fmt.Errorf("explain %s: %w", g.Name, err)
			}
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// drain tells of all that is there now.
func (t *Telling) drain(each func(Way) error) error {
	for _, p := range t.places {
		p.ring.SetDeadline(time.Unix(1, 0)) // do not wait
		for first := true; t.n < t.most; first = false {
			rec, err := p.ring.Read()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			if first {
				p.look()
			}
			w, err := p.way(rec.RawSample)
			if err != nil {
				return err
			}
			t.n++
			w.N = t.n
			if err := each(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// look finds out what the place is called by now.
func (p *tellingPlace) look() {
	if s := p.at.Standing(); s.There {
		p.where = s.Where
	}
}

// way makes what a program has told.
func (p *tellingPlace) way(b []byte) (Way, error) {
	prog := p.at.Program
	told, err := prog.DecodeTold(b)
	if err != nil {
		return Way{}, err
	}
	w := Way{Where: p.where.String(), Frame: told.Frame, Statements: Statements(prog, told.Met), Lost: told.Lost}
	w.InLen, w.OutLen = told.Length, told.Outcome.Length
	if !w.end(prog, told.Outcome, p.nameOf) {
		return Way{}, errors.New("a packet ended without a verdict")
	}
	if w.Bare = !prog.Hook.Info().Ethernet; w.Bare {
		giveType(w.Frame)
	}
	return w, nil
}

// nameOf returns the name that an interface has where the program is attached, or its
// number.
func (p *tellingPlace) nameOf(index int) string {
	name := strconv.Itoa(index)
	p.where.Do(func() error { // without the namespace the number is all there is
		if i, err := net.InterfaceByIndex(index); err == nil {
			name = i.Name
		}
		return nil
	})
	return name
}

// giveType fills in the type of an Ethernet header of zeros, which stands for one that
// is not there.
func giveType(frame []byte) {
	const size = 14
	if len(frame) <= size {
		return
	}
	switch frame[size] >> 4 {
	case 4:
		binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_IP)
	case 6:
		binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_IPV6)
	}
}

// Missed returns how many packets matched that could not be told of.
func (t *Telling) Missed() (n uint64, err error) {
	for _, p := range t.places {
		b, err := p.at.SystemMap(lang.StepMap).LookupBytes(uint32(0))
		if err != nil {
			return n, fmt.Errorf("explain %s: %w", p.where, err)
		}
		n += binary.NativeEndian.Uint64(b[8:])
	}
	return n, nil
}
