package metrics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"weir/datapath"
)

// A walker counts what is in maps. The kernel has no number for that, so that a map is
// walked from end to end, at a fraction of a microsecond an entry. All walks of a scrape
// have budget together, and a map is walked again when it has rested for rest times what
// its walk took: a small one at each scrape, one with a million entries each minute or
// so. Between walks it shows what it found last. The map whose walk is longest ago is the
// first; one that is too large for the whole budget is left out.
type walker struct {
	budget time.Duration
	rest   time.Duration // to one of walking
	now    func() time.Time
	last   map[ebpf.MapID]*walked
}

// A walked is what is known of a map.
type walked struct {
	at   time.Time // of the last walk
	took time.Duration
	done bool // a walk came to its end
	datapath.Fill
}

func newWalker() *walker {
	return &walker{2 * time.Second, 50, time.Now, map[ebpf.MapID]*walked{}}
}

// A mapOf is a map of a generation, with its labels.
type mapOf struct {
	g           *datapath.Generation
	m           *datapath.Map
	chain, name string
	*walked
}

// walk gives how full maps are.
func (s *scrape) walk(gs []*datapath.Generation, names []*names) {
	w := s.mu.walks
	var maps []mapOf
	known := map[ebpf.MapID]*walked{}
	for i, g := range gs {
		for _, m := range g.Maps() {
			if m.Kind == "array" || !m.Listed() {
				continue // an array is always full, the others tell nobody
			}
			id, err := m.ID()
			if err != nil {
				s.note(fmt.Errorf("%s: map %s: %w", g.Name, m.Name, err))
				continue
			}
			if known[id] = w.last[id]; known[id] == nil {
				known[id] = new(walked)
			}
			chain, name := names[i].split(m.Name)
			maps = append(maps, mapOf{g, m, chain, name, known[id]})
		}
	}
	w.last = known
	slices.SortStableFunc(maps, func(a, b mapOf) int { return a.at.Compare(b.at) })
	end := w.now().Add(w.budget)
	for _, m := range maps {
		s.note(w.look(m, end))
		if !m.done {
			s.mu.leftOut++
			continue
		}
		s.give(mapEntries, float64(m.Entries), m.chain, m.name)
		if m.m.Kind == "lru" {
			s.give(mapForgotten, float64(m.Forgotten), m.chain, m.name)
		}
	}
}

// look walks a map if it has rested, until end at most.
func (w *walker) look(m mapOf, end time.Time) error {
	begin := w.now()
	if !begin.Before(end) || begin.Sub(m.at) < w.rest*m.took {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), end.Sub(begin))
	defer cancel()
	f, err := m.g.Fill(ctx, m.m)
	m.at = w.now()
	m.took = m.at.Sub(begin)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil // left out if it has never come to its end
	case err != nil:
		return fmt.Errorf("%s: %w", m.g.Name, err)
	}
	// While packets flow a walk may find more than it should: a counter never goes back.
	m.Fill = datapath.Fill{Entries: f.Entries, Forgotten: max(f.Forgotten, m.Forgotten)}
	m.done = true
	return nil
}
