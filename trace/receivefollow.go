package trace

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"weir/attach"
	"weir/datapath"
	"weir/internal/xsk"
)

// look finds out whether the chain runs as it did, and whether packets may still come.
func (r *Receiver) look() error {
	r.looked = time.Now()
	stale := !r.kernel.Current(r.g)
	for _, a := range r.g.Attachments {
		there, err := a.Attached()
		stale = stale || !there || err != nil
	}
	if stale {
		if err := r.follow(); err != nil {
			return err
		}
	}
	for _, p := range r.places {
		for _, s := range p.sockets {
			if err := s.Err(); err != nil {
				return fmt.Errorf("%s: receive from queue %d of %s: %w", r.name, s.Queue(), p.where, err)
			}
		}
	}
	return nil
}

// follow goes to the generation that runs.
func (r *Receiver) follow() error {
	g, err := r.kernel.Open(r.name)
	if err != nil {
		return err
	}
	if r.g != nil {
		r.g.Close() // of a generation that is pinned: what this process has of it
	}
	r.g, r.looked = g, time.Now()
	for _, p := range r.places {
		p.at = nil
	}
	for _, a := range g.Attachments {
		if err := r.enter(a); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	for _, p := range r.places {
		if p.at == nil && p.in != 0 {
			p.in = 0
			r.tell("%s hands no packets on any more at %s", r.name, p.where)
		}
	}
	return nil
}

func (r *Receiver) tell(format string, args ...any) {
	if r.o.Tell != nil {
		r.o.Tell(fmt.Sprintf(format, args...))
	}
}

// enter puts sockets at a place, if it hands packets on and is one that is asked for.
func (r *Receiver) enter(a *datapath.Attachment) error {
	if !a.HasReceivers() {
		return nil
	}
	w := a.Where
	if s := a.Standing(); s.There {
		w = s.Where // which may have another name by now
	}
	if r.o.At != nil && !r.o.At(w) {
		return nil
	}
	in, err := a.Receivers()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.places, func(p *receiving) bool { return p.key == placeOf(a) })
	if i < 0 {
		p, err := r.open(a, w)
		if err != nil {
			return err
		}
		r.places = append(r.places, p)
		i = len(r.places) - 1
	}
	p := r.places[i]
	if p.at = a; p.in == in {
		return nil
	}
	for _, s := range p.sockets {
		if err := a.PutReceiver(s.Queue(), s.FD()); err != nil {
			return err
		}
	}
	p.in = in
	return nil
}

func placeOf(a *datapath.Attachment) place { return place{a.NetnsInode, a.Ifindex} }

// open opens the sockets of a place.
func (r *Receiver) open(a *datapath.Attachment, w attach.Where) (p *receiving, err error) {
	p = &receiving{key: placeOf(a), where: w.On()}
	o := xsk.Options{Copy: a.Mode != attach.Native, Long: a.Frags}
	err = a.Do(func() error {
		queues, all, err := r.wanted(w.Interface)
		if err != nil {
			return err
		}
		for _, q := range queues {
			s, err := xsk.Open(a.Ifindex, q, o)
			if errors.Is(err, xsk.ErrNoQueue) && all && q > 0 {
				break // it uses fewer than it has room for
			}
			if err != nil {
				return fmt.Errorf("receive from queue %d: %w", q, err)
			}
			r.queues = append(r.queues, s)
			p.sockets = append(p.sockets, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.On(), err)
	}
	if r.o.Out != nil {
		if r.file == nil {
			r.file = &receiveFile{out: r.o.Out, start: time.Now()}
		}
		if err := r.file.add(r.name, a); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// wanted returns the queues of an interface that are to be received from, and whether
// these are all.
func (r *Receiver) wanted(name string) (queues []uint32, all bool, err error) {
	if r.o.Queue != nil {
		return []uint32{*r.o.Queue}, false, nil
	}
	n, err := attach.Queues(name)
	for q := range uint32(n) {
		queues = append(queues, q)
	}
	return queues, true, err
}
