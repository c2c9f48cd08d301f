package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"weir/bench/twins"
	"weir/hook"
)

// Goals of the compose bench: ours over the peer's.
const (
	goalJoined = 1.05 // of one file that does the same
	goalApart  = 1.00 // of as many programs, without what calls them
)

// goalModule is what a module may cost that does nothing, in ns.
const goalModule = 1.0

// compose measures a router made of modules, see forwarding, ten chains that are joined into one program, see twins.Joined, and
// rows of modules that do nothing, see twins.Modules.
func compose(ctx context.Context, _ Options, row func(Row)) error {
	if err := forwarding(ctx, row); err != nil {
		return err
	}
	for _, h := range langHooks {
		if err := joined(ctx, h, row); err != nil {
			return err
		}
	}
	for _, h := range langHooks {
		if err := modules(ctx, h, row); err != nil {
			return err
		}
	}
	return nil
}

// modules tells what each of n modules costs, of weir and of a C object, beside a raw
// tail call: the time of the row, less that of a chain without modules (of tail calls,
// of an empty program), by n.
func modules(ctx context.Context, h hook.Hook, row func(Row)) (err error) {
	counts := []int{1, 2, 4, 8, 16, twins.MaxModules}
	p, err := twins.Modules(h, counts...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	same := p.Passes()
	if same != nil && !errors.Is(same, twins.ErrDiffer) {
		return same
	}
	ts, err := p.Measure(ctx, twins.Options{})
	if err != nil {
		return err
	}
	bare, again, floor := middle(ts.Ours.NS), middle(ts.Again.NS), middle(ts.Floor.NS)
	kinds := []twins.Kind{twins.Chains, twins.Small, twins.Called}
	for k, kind := range kinds {
		for i, n := range counts {
			ours, tail := ts.Peers[k*len(counts)+i], ts.Peers[len(kinds)*len(counts)+i]
			r := Row{
				Row: fmt.Sprintf("%s, %d in a row, %s", kind, n, h), Unit: "ns/module", Ours: (middle(ours.NS) - bare) / float64(n),
				Peer: middle(tail.NS) / float64(n), PeerName: string(twins.TailCalls), AA: (floor + max(bare, again)) / (floor + min(bare, again)),
				Floor: floor, Insns: ours.Insns, PeerInsns: tail.Insns,
				Goal: fmt.Sprintf("<=%.0f ns", goalModule), Sent: ours.Sent, Counted: ours.Counted(),
			}
			// A difference of two times is known no better than they are.
			r.Holds = r.Ours <= goalModule+math.Abs(bare-again)/float64(n)
			if same != nil {
				r.Why = same.Error()
			}
			r.Valid = r.Why == "" && r.Sent == r.Counted
			row(r)
		}
	}
	return nil
}

func joined(ctx context.Context, h hook.Hook, row func(Row)) (err error) {
	p, err := twins.Joined(h)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	same := p.Check()
	if same != nil && !errors.Is(same, twins.ErrDiffer) {
		return same
	}
	ts, err := p.Measure(ctx, twins.Options{})
	if err != nil {
		return err
	}
	ours, again := middle(ts.Ours.NS), middle(ts.Again.NS)
	r := Row{
		Row: fmt.Sprintf("%s, %s", p.Title, h), Unit: "ns/packet", Ours: ours, AA: max(ours, again) / min(ours, again),
		Floor: middle(ts.Floor.NS), Insns: ts.Ours.Insns,
	}
	one := ts.Peers[0]
	if same != nil {
		r.Why = same.Error()
	} else if !slices.Equal(ts.Ours.Exits, one.Exits) {
		r.Why = fmt.Sprintf("packets and bytes of verdicts differ: %v, of one file %v", ts.Ours.Exits, one.Exits)
	}
	row(r.beside(one.Name, middle(one.NS), one.Insns, goalJoined, append(ts.Peers, ts.Ours)))
	var ns float64
	var insns int
	for _, t := range ts.Alone {
		ns, insns = ns+middle(t.NS), insns+t.Insns
	}
	row(r.beside(twins.Alone, ns, insns, goalApart, append(ts.Alone, ts.Ours)))
	return nil
}

// beside is r with a peer; counted are the programs whose packets are counted.
func (r Row) beside(name string, ns float64, insns int, goal float64, counted []twins.Time) Row {
	r.PeerName, r.Peer, r.PeerInsns, r.Ratio = name, ns, insns, r.Ours/ns
	r.Goal, r.Holds = fmt.Sprintf("<=%.2f", goal), r.Ratio <= goal*r.AA
	for _, t := range counted {
		r.Sent, r.Counted = r.Sent+t.Sent, r.Counted+t.Counted()
	}
	r.Valid = r.Why == "" && r.Sent == r.Counted
	return r
}
