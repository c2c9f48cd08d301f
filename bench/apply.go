package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weir/datapath"
	"weir/hook"
	"weir/lab"
)

// Goals of the apply bench, for many interfaces.
const (
	many          = 1000
	goalFirst     = 30 * time.Second // the kernel waits for a grace period at each that is at tc
	goalUnchanged = 2 * time.Second
	goalOneTC     = time.Second
	goalOneXDP    = 15 * time.Second
)

// manyHooks are where a chain is at each interface.
var manyHooks = []hook.Hook{hook.XDP, hook.TCIngress, hook.TCEgress}

// apply measures one generation over many interfaces with a chain at each of three
// hooks. The floor is the kernel's: the same links made and closed by bare calls.
func apply(ctx context.Context, _ Options, row func(Row)) (err error) {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	f, err := newFleet(l, many)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.end(context.WithoutCancel(ctx))) }()
	attached, closed, err := f.floor(ctx)
	if err != nil {
		return err
	}
	for _, turn := range []struct {
		name        string
		goal, floor time.Duration
		change      []hook.Hook // whose chain gets another text
	}{
		{name: "first", goal: goalFirst, floor: attached, change: manyHooks},
		{name: "no change", goal: goalUnchanged},
		{name: "one changed at tc", goal: goalOneTC, change: manyHooks[1:2]},
		{name: "one changed at XDP", goal: goalOneXDP, change: manyHooks[:1]},
	} {
		for _, h := range turn.change {
			if err := f.compile(h); err != nil {
				return err
			}
		}
		r, err := f.row(turn.name, turn.floor, func() error { return f.attach(ctx) })
		if err != nil {
			return err
		}
		r.goal(time.Duration(r.Ours*float64(time.Second)), turn.goal)
		r.Goal = fmt.Sprintf("<=%g", turn.goal.Seconds())
		if r.Sent, r.Counted, err = f.count(ctx); err != nil {
			return err
		}
		r.Valid = r.Sent == r.Counted && r.Sent > 0
		row(r)
	}
	r, err := f.row("detached", closed, func() error { return f.detach(ctx) })
	if err == nil {
		row(r)
	}
	return err
}

// row measures what do does.
func (f *fleet) row(name string, floor time.Duration, do func() error) (Row, error) {
	start := time.Now()
	if err := do(); err != nil {
		return Row{}, fmt.Errorf("%s: %w", name, err)
	}
	r := Row{
		Row:  fmt.Sprintf("%d interfaces, 3 chains each: %s", len(f.names), name),
		Unit: "s", Ours: time.Since(start).Seconds(), Holds: true, Valid: true,
	}
	if floor > 0 {
		r.Peer, r.PeerName, r.Ratio = floor.Seconds(), "bare calls", r.Ours/floor.Seconds()
	}
	return r, nil
}

// marked is the EtherType of the frames that are counted: the kernel sends others.
const marked = 0x88b5 // for local experiments, IEEE 802

// count sends a frame to each interface, and returns how many there were and at how many
// of the places where they should be counted they were.
func (f *fleet) count(ctx context.Context) (sent, counted uint64, err error) {
	before, err := f.dropped()
	if err != nil {
		return 0, 0, err
	}
	frame := make([]byte, 60)
	copy(frame, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, marked >> 8, marked & 0xff})
	for _, name := range f.senders {
		if err := f.host.Send(ctx, name, frame); err != nil {
			return 0, 0, err
		}
		sent++
	}
	after, err := f.dropped()
	for place, n := range after {
		if n == before[place]+1 {
			counted++
		}
	}
	return sent, counted, err
}

// dropped is what each interface has dropped at XDP.
func (f *fleet) dropped() (map[string]uint64, error) {
	g, err := f.kernel.Open(fleetName)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	out := map[string]uint64{}
	for _, a := range g.Places() {
		if a.Where.Hook != hook.XDP {
			continue
		}
		exits, err := a.Exits()
		if err != nil {
			return nil, err
		}
		for _, x := range exits {
			if x.Verdict == "DROP" {
				out[a.Where.Interface] += x.Packets
			}
		}
	}
	return out, nil
}

// attach attaches what the fleet has compiled, in the place of what was.
func (f *fleet) attach(ctx context.Context) error {
	g, err := f.kernel.Attach(ctx, datapath.Options{Name: fleetName, Pin: true, Replace: true, Chains: f.chains()})
	if err != nil {
		return err
	}
	return g.Close()
}
