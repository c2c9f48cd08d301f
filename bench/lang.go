package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"weir/bench/twins"
	"weir/hook"
)

// Goals of the lang bench: ours over clang's.
const (
	goalRow   = 1.15 // ns of one chain
	goalNS    = 1.00 // geometric mean of ns
	goalInsns = 1.05 // geometric mean of instructions
)

// langHooks are the hooks that chains and twins are compared at.
var langHooks = []hook.Hook{hook.XDP, hook.TCIngress}

// language measures chains beside the same in C: see package twins.
func language(ctx context.Context, o Options, row func(Row)) error {
	some := false
	for _, h := range langHooks {
		if o.Hook != "" && o.Hook != h.String() {
			continue
		}
		m := means{hook: h}
		for _, t := range twins.All() {
			if o.Rows != nil && !o.Rows.MatchString(t.Name) && !o.Rows.MatchString(t.Title) {
				continue
			}
			rows, err := compareTwin(ctx, t, h, goalRow)
			if err != nil {
				return err
			}
			some = true
			for _, r := range rows {
				m.add(r)
				row(r)
			}
		}
		m.rows(row)
	}
	if !some {
		return ErrNoRow
	}
	return nil
}

// Listing returns the instructions of a row of the lang or the hooks bench, by its
// name or what it measures, beside those that clang made: both at a hook, each version of
// the twin in turn. The error wraps [ErrNoRow] if there is no such row.
func Listing(row string, h hook.Hook) (string, error) {
	for _, t := range append(twins.All(), twins.Drop()) {
		if row != t.Name && row != t.Title {
			continue
		}
		var all strings.Builder
		for _, v := range t.Versions() {
			text, err := t.Listing(h, v)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&all, "%s, %s\n\n%s\n", t.Title, h, text)
		}
		return all.String(), nil
	}
	return "", fmt.Errorf("%w %q", ErrNoRow, row)
}

// compareTwin measures a chain at a hook, beside each version of its twin. The goal
// is of each row.
func compareTwin(ctx context.Context, t twins.Twin, h hook.Hook, goal float64) (rows []Row, err error) {
	p, err := t.Open(h)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	same := p.Check()
	if same != nil && !errors.Is(same, twins.ErrDiffer) {
		return nil, same
	}
	ts, err := p.Measure(ctx, twins.Options{})
	if err != nil {
		return nil, err
	}
	ours := middle(ts.Ours.NS)
	again := middle(ts.Again.NS)
	for _, peer := range ts.Peers {
		r := Row{
			Row: fmt.Sprintf("%s, %s", t.Title, h), Unit: "ns/packet", Ours: ours, Peer: middle(peer.NS), PeerName: peer.Name,
			AA: max(ours, again) / min(ours, again), Floor: middle(ts.Floor.NS),
			Insns: ts.Ours.Insns, PeerInsns: peer.Insns,
			Sent: ts.Ours.Sent + peer.Sent, Counted: ts.Ours.Counted() + peer.Counted(),
			Goal: fmt.Sprintf("<=%.2f", goal),
		}
		r.Ratio = r.Ours / r.Peer
		r.Holds = r.Ratio <= goal*r.AA
		switch {
		case same != nil:
			r.Why = same.Error()
		case !slices.Equal(ts.Ours.Exits, peer.Exits):
			r.Why = fmt.Sprintf("packets and bytes of returns differ: %v, of %s %v", ts.Ours.Exits, peer.Name, peer.Exits)
		case !alike(ts.Ours.Rung, peer.Rung):
			r.Why = fmt.Sprintf("bytes in rings differ: %d, of %s %d", ts.Ours.Rung, peer.Name, peer.Rung)
		}
		r.Valid = r.Why == "" && r.Sent == r.Counted
		rows = append(rows, r)
	}
	return rows, nil
}

// alike reports whether two numbers of bytes that came to rings differ by no more
// than chance: by a tenth. Samples are taken at random.
func alike(a, b uint64) bool { return max(a, b)-min(a, b) <= max(a, b)/10 }

// means gathers what closes the table of a hook.
type means struct {
	hook  hook.Hook
	names []string // of the peers
	of    map[string]*mean
}

// mean is the sums of logarithms of a peer's rows.
type mean struct {
	n                         float64
	ours, peer, insns, theirs float64
	floor, spread             float64
}

func (m *means) add(r Row) {
	if !r.Valid {
		return
	}
	if m.of == nil {
		m.of = map[string]*mean{}
	}
	s := m.of[r.PeerName]
	if s == nil {
		s = &mean{}
		m.of[r.PeerName], m.names = s, append(m.names, r.PeerName)
	}
	s.n++
	s.ours += math.Log(r.Ours)
	s.peer += math.Log(r.Peer)
	s.insns += math.Log(float64(r.Insns))
	s.theirs += math.Log(float64(r.PeerInsns))
	s.floor += math.Log(r.Floor)
	s.spread += math.Log(r.AA)
}

// rows closes the table: the means beside each version of the twins, the floor,
// and ours against ours.
func (m *means) rows(row func(Row)) {
	for i, name := range m.names {
		s := m.of[name]
		of := func(sum float64) float64 { return math.Exp(sum / s.n) }
		aa := of(s.spread)
		closing := func(what, unit string, ours, peer, goal, aa float64) {
			row(Row{
				Row: fmt.Sprintf("geometric mean of %s, %s", what, m.hook), Unit: unit, Ours: ours, Peer: peer, PeerName: name,
				Ratio: ours / peer, AA: aa, Goal: fmt.Sprintf("<=%.2f", goal), Holds: ours/peer <= goal*max(aa, 1), Valid: true,
			})
		}
		closing("ns", "ns/packet", of(s.ours), of(s.peer), goalNS, aa)
		closing("instructions", "instructions", of(s.insns), of(s.theirs), goalInsns, 0)
		if i > 0 {
			continue
		}
		row(Row{Row: fmt.Sprintf("floor, taken off: an empty program, %s", m.hook), Unit: "ns/packet", Ours: of(s.floor), Holds: true, Valid: true})
		row(Row{Row: fmt.Sprintf("A/A, geometric mean, %s", m.hook), Unit: "ratio", Ours: aa, Holds: true, Valid: true})
	}
}

// middle returns the median of xs, but 0.1 at least: what is not above the floor
// cannot be told from it, and has no ratio.
func middle(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return max(0.1, s[len(s)/2])
}
