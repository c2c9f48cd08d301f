package datapath

import (
	"fmt"

	"github.com/cilium/ebpf"

	"weir/lang"
)

// A Count is a counter of a chain, summed over CPUs and attachments.
type Count struct {
	Name string
	N    uint64
}

// Counts returns the counters that the chain names, in their order.
func (s *State) Counts() ([]Count, error) {
	return s.counts(lang.CountMap, func(p *lang.Program) []string { return p.Counts })
}

// Refused returns how many new keys each map refused because it was full.
func (s *State) Refused() ([]Count, error) { return s.counts(lang.RefusedMap, userMaps) }

func (s *State) counts(use lang.System, names func(*lang.Program) []string) ([]Count, error) {
	var out []Count
	index := map[string]int{}
	err := s.each(use, func(u *unit, m *ebpf.Map) error {
		for i, name := range names(u.prog) {
			var perCPU []uint64
			if err := m.Lookup(uint32(i), &perCPU); err != nil {
				return fmt.Errorf("read counter %s: %w", name, err)
			}
			at, ok := index[name]
			if !ok {
				at = len(out)
				index[name] = at
				out = append(out, Count{Name: name})
			}
			for _, n := range perCPU {
				out[at].N += n
			}
		}
		return nil
	})
	return out, err
}

// An ExitCount is how many packets ended in one way.
type ExitCount struct {
	lang.Exit
	Packets, Bytes uint64
}

// exits returns the counters of a unit's exits, in order of their slot.
func (u *unit) exits() ([]ExitCount, error) {
	m := u.system(lang.ExitMap)
	if m == nil {
		return nil, nil
	}
	out := make([]ExitCount, len(u.prog.Exits))
	for i, x := range u.prog.Exits {
		out[i].Exit = x
		var perCPU [][2]uint64
		if err := m.Lookup(uint32(i), &perCPU); err != nil {
			return nil, fmt.Errorf("read exit %d: %w", i, err)
		}
		for _, n := range perCPU {
			out[i].Packets += n[0]
			out[i].Bytes += n[1]
		}
	}
	return out, nil
}
