// Package toll measures what packets cost at each hook of this machine.
//
// The model: three hosts of a lab stand in a row, and packets go three ways:
//
//	sender ═══ host ─── next      in       ═══▶ a socket of host
//	                              through  ═══▶ ───▶ next
//	                              out      a socket of host ───▶ next
//
// A [Point] is a hook and a mode of attaching there, and a [Row] what came of it. A
// round sends a burst of packets with no chain there, one with a chain that lets them
// pass, and one with a chain that drops them; both read the same. All work for a packet
// is done on one CPU, at the highest priority. What counts is the fastest part of all
// bursts: the work is always the same, and all that disturbs it makes it longer. In
// bursts of their own the kernel counts how long the chain runs: while it does, each run
// costs two reads of the clock more.
//
// A row is valid only if the chain has counted every packet of every burst.
//
// It measures weir beside nothing else: see package bench.
package toll

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/internal/cost"
	"weir/lang"
)

// A Point is what is measured.
type Point struct {
	Hook hook.Hook
	Mode attach.Mode
}

// Way is the way on which packets meet the point: in, where several do. Hooks of
// connections are asked for each datagram of a socket that is not connected.
func (p Point) Way() hook.Way {
	if p.Hook == hook.Connect {
		return hook.Out
	}
	for _, w := range []hook.Way{hook.In, hook.Out, hook.Through} {
		if len(p.Hook.Positions(w)) > 0 {
			return w
		}
	}
	return hook.In
}

// A Row is what packets cost at a point, in ns.
type Row struct {
	Point
	Chain   float64 // a run of the chain, by the kernel's statistics
	None    float64 // a packet on its whole way, without a chain
	Pass    float64 // the same with a chain that lets it pass
	Drop    float64 // a packet that the chain drops, up to there; 0 where it drops nothing
	Sent    uint64  // packets that were to meet the chain,
	Counted uint64  // and what it counted
}

// Valid reports whether the chain saw what was sent.
func (r Row) Valid() bool { return r.Sent > 0 && r.Sent == r.Counted }

// Options of Measure.
type Options struct {
	Rounds   int                   // 0: three
	Progress func(done, total int) // how far it is; may be nil
}

// chain is the text of a chain that gives a verdict to all that is sent.
func chain(h hook.Hook, verdict string) string {
	if h.Info().Conn {
		return "def main(conn):\n    return " + verdict + " if conn.udp and conn.dport == 9 else ACCEPT\n"
	}
	return "def main(pkt):\n    return " + verdict + " if pkt.udp and pkt.udp.dport == 9 else ACCEPT\n"
}

// Measure measures points, in a network made for it. It needs root.
func Measure(ctx context.Context, points []Point, o Options) (rows []Row, err error) {
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	n, err := newNetwork(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	total, done := len(points)*o.Rounds*burstsOfRound, 0
	n.sent = func() {
		if done++; o.Progress != nil {
			o.Progress(done, total)
		}
	}
	all := make([]samples, len(points))
	for range o.Rounds {
		for i, p := range points {
			if err := n.round(ctx, p, &all[i]); err != nil {
				return nil, fmt.Errorf("measure %s at %s: %w", p.Mode, p.Hook, err)
			}
		}
	}
	none := map[hook.Way][]float64{}
	for i, p := range points {
		none[p.Way()] = append(none[p.Way()], all[i].none...)
	}
	for i, p := range points {
		rows = append(rows, all[i].row(p, least(none[p.Way()])))
	}
	return rows, nil
}

// samples are what the rounds of a point gave, in ns per packet.
type samples struct {
	none, pass, drop, chain []float64
	sent, counted           uint64
}

// row is what they come to; none is the least without a chain on the whole way.
func (s *samples) row(p Point, none float64) Row {
	r := Row{Point: p, Chain: least(s.chain), None: none, Pass: least(s.pass), Sent: s.sent, Counted: s.counted}
	if drops(p.Hook) {
		r.Drop = least(s.drop)
	}
	return r
}

// least is the least of xs; 0 if there are none.
func least(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	return slices.Min(xs)
}

// drops reports whether DROP is more than a count.
func drops(h hook.Hook) bool {
	drop, _ := h.Code("DROP")
	pass, _ := h.Code("PASS")
	return drop != pass
}

// burstsOfRound are how often a round sends: without a chain, with each, and once
// while the kernel counts.
const burstsOfRound = 4

// round sends with and without chains.
func (n *network) round(ctx context.Context, p Point, s *samples) error {
	none, _, err := n.send(ctx, p.Way())
	if err != nil {
		return err
	}
	s.none = append(s.none, none)
	for _, verdict := range []string{"PASS", "DROP"} {
		if err := n.with(ctx, p, verdict, func(g *datapath.Generation) error {
			return n.attached(ctx, p, s, g, verdict == "DROP")
		}); err != nil {
			return err
		}
	}
	return nil
}

// attached sends while a chain is attached.
func (n *network) attached(ctx context.Context, p Point, s *samples, g *datapath.Generation, dropping bool) error {
	ns, sent, err := n.send(ctx, p.Way())
	if err != nil {
		return err
	}
	s.sent += sent
	if dropping {
		s.drop = append(s.drop, ns)
	} else {
		s.pass = append(s.pass, ns)
		use, more, err := n.metered(ctx, p, g)
		if err != nil {
			return err
		}
		if use.Runs > 0 {
			s.chain = append(s.chain, use.NsPerRun())
		}
		s.sent += more
	}
	exits, err := g.Places()[0].Exits()
	for _, x := range exits {
		s.counted += x.Packets
	}
	return err
}

// metered sends while the kernel counts how long the chain runs.
func (n *network) metered(ctx context.Context, p Point, g *datapath.Generation) (use cost.Use, sent uint64, err error) {
	m, err := cost.Start()
	if err != nil {
		return use, 0, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	var ids []cost.Program
	for _, a := range g.Attachments {
		ids = append(ids, a.ProgramID())
	}
	before := m.Read(ids)
	_, sent, err = n.send(ctx, p.Way())
	for _, u := range m.Read(ids).Since(before) { // of the parts of a chain at connect one runs
		use.Runs, use.Time = use.Runs+u.Runs, use.Time+u.Time
	}
	return use, sent, err
}

// with attaches a chain for the time of f.
func (n *network) with(ctx context.Context, p Point, verdict string, f func(*datapath.Generation) error) (err error) {
	c := datapath.Chain{Where: n.where(p.Hook)}
	if c.Program, err = lang.Compile([]byte(chain(p.Hook, verdict)), lang.Options{File: "toll.weir", Hook: p.Hook}); err != nil {
		return err
	}
	g, err := datapath.Kernel{}.Attach(ctx, datapath.Options{Name: "weir-toll", How: datapath.How{Mode: p.Mode}, Chains: []datapath.Chain{c}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	return f(g)
}
