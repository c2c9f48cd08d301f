package metrics

import (
	"fmt"
	"maps"

	"weir/attach"
	"weir/datapath"
	"weir/internal/cost"
)

// A ledger adds up the packets of a NAME over its generations. Counters of exits
// belong to a program at a place: a swap begins new ones, and a rollback brings old ones
// back. A scrape adds what each counter has gained since the one before; when another
// generation runs, also what the one that is kept gained at the end.
type ledger struct {
	number int // of the generation that ran
	seen   map[source]amount
	total  map[ending]amount
}

// A source is one counter of the kernel.
type source struct {
	program cost.Program
	where   attach.Where
	exit    int
}

// An ending is what became of packets at a place, as the labels tell it.
type ending struct{ place, hook, chain, verdict, reason string }

type amount struct{ packets, octets uint64 }

// exits gives the packets of a generation by what became of them.
func (s *scrape) exits(g *datapath.Generation, n *names) {
	l := s.mu.ledgers[g.Name]
	if l == nil {
		l = &ledger{seen: map[source]amount{}, total: map[ending]amount{}}
		s.mu.ledgers[g.Name] = l
	}
	running, err := s.bring(l, g, n)
	if err != nil {
		s.note(fmt.Errorf("%s: %w", g.Name, err))
		return
	}
	for _, e := range running {
		sum := l.total[e]
		s.give(packets, float64(sum.packets), e.place, e.hook, e.chain, e.verdict, e.reason)
		s.give(octets, float64(sum.octets), e.place, e.hook, e.chain, e.verdict, e.reason)
	}
}

// bring brings a ledger up to now, and returns the endings of what runs, each once.
func (s *scrape) bring(l *ledger, g *datapath.Generation, n *names) ([]ending, error) {
	running, seen, err := l.add(g, n, false)
	if err != nil || l.number == g.Number {
		return running, err
	}
	// What the kept generation had counted before the first scrape is history.
	history := l.number == 0
	if s.kept == nil {
		s.kept = append([]*datapath.Generation{}, s.kernel.Kept()...)
	}
	for _, k := range s.kept {
		if k.Name != g.Name || k.Number == g.Number {
			continue
		}
		var more map[source]amount
		_, more, err = l.add(k, n, history)
		maps.Copy(seen, more)
	}
	l.number, l.seen = g.Number, seen // of what is gone for good nothing is kept
	return running, err
}

// add adds what the counters of a generation have gained, or if it is history only
// sees them, and returns its endings and what its counters say.
func (l *ledger) add(g *datapath.Generation, n *names, history bool) ([]ending, map[source]amount, error) {
	var out []ending
	there := map[ending]bool{}
	seen := map[source]amount{}
	for _, a := range g.Places() {
		exits, err := a.Exits()
		if err != nil {
			return out, seen, fmt.Errorf("counters of %s: %w", a.Where, err)
		}
		for i, x := range exits {
			e := ending{a.Where.On(), a.Where.Hook.String(), n.label[a.Program.Chains[x.Chain].Name], x.Verdict, x.Reason}
			if e.chain == "" {
				e.chain = n.own // of a kept generation with other chains
			}
			if !there[e] {
				there[e] = true
				out = append(out, e)
			}
			src, now := source{a.ProgramID(), a.Where, i}, amount{x.Packets, x.Bytes}
			was := l.seen[src]
			if now.packets < was.packets {
				was = amount{} // the place was taken away and made anew
			}
			if !history {
				sum := l.total[e]
				l.total[e] = amount{sum.packets + now.packets - was.packets, sum.octets + now.octets - was.octets}
			}
			seen[src], l.seen[src] = now, now
		}
	}
	return out, seen, nil
}

// forget drops the ledgers of what runs no more. If not all could be listed none is
// dropped.
func (s *scrape) forget(gs []*datapath.Generation, all bool) {
	if !all {
		return
	}
	runs := map[string]bool{}
	for _, g := range gs {
		runs[g.Name] = true
	}
	for name := range s.mu.ledgers {
		if !runs[name] {
			delete(s.mu.ledgers, name)
		}
	}
}
