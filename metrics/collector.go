package metrics

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir/datapath"
	"weir/internal/cost"
	"weir/lang/value"
)

// mostSeries is how many series of chains a scrape has at most: a thousand interfaces
// of three places with eight ways to end at each, packets and octets, and 2,000 more.
const mostSeries = 50_000

// A collector reads a kernel when it is asked. It may be asked by several goroutines,
// and answers one after the other.
type collector struct {
	kernel datapath.Kernel
	of     Agent // whose metrics are shown, too; nil: none
	report func(error)
	most   int         // series of chains in a scrape
	always func() bool // whether the kernel counts runs all the time

	mu struct {
		sync.Mutex
		ledgers           map[string]*ledger // by NAME
		walks             *walker
		failures, leftOut int
	}
}

var _ prometheus.Collector = (*collector)(nil)

func newCollector(k datapath.Kernel, report func(error)) *collector {
	c := &collector{kernel: k, report: report, most: mostSeries, always: cost.Always}
	c.mu.ledgers, c.mu.walks = map[string]*ledger{}, newWalker()
	return c
}

// Describe tells of all metrics that there may be.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range all {
		ch <- m.desc
	}
}

// Collect reads all.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	start := time.Now()
	s := &scrape{collector: c, ch: ch, left: c.most}
	s.read()
	s.agent()
	s.own(duration, time.Since(start).Seconds())
	s.own(failures, float64(c.mu.failures))
	s.own(leftOut, float64(c.mu.leftOut))
}

// A scrape is one reading. Its collector is locked.
type scrape struct {
	*collector
	ch   chan<- prometheus.Metric
	left int // series that it may still have

	kept []*datapath.Generation // nil: not asked for yet
}

// note counts an error and tells it.
func (s *scrape) note(err error) {
	if err != nil {
		s.mu.failures++
		s.report(err)
	}
}

// own gives a series about the scrape itself, which is never left out.
func (s *scrape) own(m *metric, v float64, labels ...string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD") // names of a source may be any octets
	}
	s.ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
}

// give gives a series, if there is room for one more.
func (s *scrape) give(m *metric, v float64, labels ...string) {
	if s.left == 0 {
		s.mu.leftOut++
		return
	}
	s.left--
	s.own(m, v, labels...)
}

// read gives all series of all generations: of all of them first what there is least
// of, so that a chain with very many names hides nothing of the others.
func (s *scrape) read() {
	gs, err := s.kernel.List()
	s.note(err)
	defer func() {
		for _, g := range append(gs, s.kept...) {
			g.Close()
		}
	}()
	names := nameChains(gs)
	for i, g := range gs {
		s.generation(g)
		s.exits(g, names[i])
	}
	s.forget(gs, err == nil)
	s.programs(gs)
	for i, g := range gs {
		s.maps(g, names[i])
	}
	s.walk(gs, names)
	for i, g := range gs {
		s.params(g, names[i])
		s.counts(counts, names[i], g.Named)
	}
}

// generation tells which one runs, and whether it is where it should be.
func (s *scrape) generation(g *datapath.Generation) {
	s.give(generation, float64(g.Number), g.Name)
	s.give(started, float64(g.Time.UnixMilli())/1e3, g.Name)
	for _, a := range g.Places() {
		there, err := a.Attached()
		if err != nil {
			s.note(fmt.Errorf("%s: %w", g.Name, err))
			continue
		}
		s.give(attached, truth(there), g.Name, a.Where.On(), a.Where.Hook.String())
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// counts gives counters of a generation by the chain and their name.
func (s *scrape) counts(m *metric, n *names, read func() ([]datapath.Count, error)) {
	cs, err := read()
	s.note(err)
	for _, c := range cs {
		chain, name := n.split(c.Name)
		s.give(m, float64(c.N), chain, name)
	}
}

// maps gives what is known of maps without a look at what is in them.
func (s *scrape) maps(g *datapath.Generation, n *names) {
	for _, m := range g.Maps() {
		chain, name := n.split(m.Name)
		if m.Kind != "ring" {
			s.give(mapCapacity, float64(m.Size), chain, name)
			continue
		}
		s.give(ringSize, float64(m.Size), chain, name)
		waiting, err := m.Waiting()
		if err != nil {
			s.note(fmt.Errorf("%s: %w", g.Name, err))
			continue
		}
		s.give(ringWaiting, float64(waiting), chain, name)
	}
	s.counts(mapRefused, n, g.Refused)
	s.counts(ringLost, n, g.Lost)
}

// params gives what params are set to.
func (s *scrape) params(g *datapath.Generation, n *names) {
	ps, err := g.Params()
	s.note(err)
	for _, p := range ps {
		v := float64(p.Word)
		if p.Type.Kind == value.Int && p.Type.Signed {
			v = float64(int64(p.Word))
		}
		chain, name := n.split(p.Name)
		s.give(params, v, chain, name)
	}
}

// A hookOf is all programs of a NAME at a hook.
type hookOf struct{ name, hook string }

// programs gives what the kernel counts of runs, if it does so all the time: who looks
// for a moment (weir ls) has it count for that moment, of which nothing can be told.
func (s *scrape) programs(gs []*datapath.Generation) {
	on := s.always()
	s.own(runsOn, truth(on))
	if !on {
		return
	}
	var ids []cost.Program
	var order []hookOf
	of := map[hookOf]map[cost.Program]bool{}
	for _, g := range gs {
		for _, a := range g.Attachments {
			at := hookOf{g.Name, a.Where.Hook.String()}
			if of[at] == nil {
				of[at] = map[cost.Program]bool{}
				order = append(order, at)
			}
			of[at][a.ProgramID()] = true // places may share it
			ids = append(ids, a.ProgramID())
		}
	}
	read := cost.Now(ids)
	for _, at := range order {
		var sum cost.Use
		for id := range of[at] {
			u := read.Used(id)
			sum.Runs += u.Runs
			sum.Time += u.Time
		}
		s.give(runs, float64(sum.Runs), at.name, at.hook)
		s.give(runTime, sum.Time.Seconds(), at.name, at.hook)
	}
}
