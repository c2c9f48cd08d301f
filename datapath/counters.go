package datapath

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"weir/lang"
)

// A Count is a counter of a chain, summed over CPUs and attachments.
type Count struct {
	Name string
	N    uint64
	Of   string // what count(x) counts by its value, the text of x; Name is TEXT=VALUE
}

// Named returns the counters that the chain names, in their order: Counts without
// those that packets name, for which a map is walked.
func (s *State) Named() ([]Count, error) {
	return s.counts(lang.CountMap, twice(func(p *lang.Program) []string { return p.Counts }))
}

// Counts returns the counters that the chain names, in their order, and then the
// values that count(x) has seen, those with the greatest counts first.
func (s *State) Counts() ([]Count, error) {
	out, err := s.Named()
	if err != nil {
		return nil, err
	}
	for _, m := range s.mapsOf(lang.TallyMap) {
		var some []Count
		err := m.Each(func(key, val []byte) error {
			some = append(some, Count{Name: m.Text + "=" + m.Key.Format(key), N: m.Value.Word(val), Of: m.Text})
			return nil
		})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(some, func(a, b Count) int {
			return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name))
		})
		out = append(out, some...)
	}
	return joined(out), nil
}

// joined adds up what has the same name: one text may stand for values of two
// types.
func joined(all []Count) []Count {
	var out []Count
	at := map[string]int{}
	for _, c := range all {
		i, ok := at[c.Name]
		if ok {
			out[i].N += c.N
			continue
		}
		at[c.Name] = len(out)
		out = append(out, c)
	}
	return out
}

// Refused returns how many new keys each map refused because it was full. An
// lru refuses none, see Forgotten, and what a ring refuses is Lost.
func (s *State) Refused() ([]Count, error) {
	all, err := s.counts(lang.RefusedMap, twice(userMaps))
	refuses := map[string]bool{}
	for _, m := range s.filled() {
		refuses[m.Name] = !m.forgets() && m.Kind != "ring"
	}
	return slices.DeleteFunc(all, func(c Count) bool { return !refuses[c.Name] }), err
}

// Forgotten returns how many keys each lru pushed out to make room: those that
// came in, less those that were removed and those that are there. While packets
// flow it is as exact as the count of what is there, for which a map that may
// have been full is walked.
func (s *State) Forgotten() ([]Count, error) {
	all, err := s.counts(lang.RefusedMap, twice(userMaps))
	if err != nil {
		return nil, err
	}
	came := map[string]uint64{}
	for _, c := range all {
		came[c.Name] = c.N
	}
	var out []Count
	for _, m := range s.filled() {
		if !m.forgets() {
			continue
		}
		n, err := m.forgotten(came[m.Name])
		if err != nil {
			return nil, err
		}
		out = append(out, Count{Name: m.Name, N: n})
	}
	return out, nil
}

// filled are the maps whose entries packets make.
func (s *State) filled() []*Map { return append(s.Maps(), s.mapsOf(lang.TallyMap)...) }

// spare is how many free entries a CPU may keep to itself, so that others push
// out entries of a map that is not full (LOCAL_FREE_TARGET of bpf_lru_list.c).
const spare = 128

// forgotten returns how many of the keys that came are not there any more.
func (m *Map) forgotten(came uint64) (uint64, error) {
	if full, err := m.mayHaveBeenFull(came); !full || err != nil {
		return 0, err
	}
	there := uint64(0)
	err := m.walk(func(_, _ []byte) error {
		there++
		return nil
	})
	if int64(came-there) < 0 {
		return 0, wrap(err, "map %s", m.Name)
	}
	return came - there, wrap(err, "map %s", m.Name)
}

// mayHaveBeenFull reports whether so many keys that came may have pushed one out.
func (m *Map) mayHaveBeenFull(came uint64) (bool, error) {
	cpus, err := ebpf.PossibleCPU()
	return came+uint64(spare*cpus) > uint64(m.Spec.MaxEntries), err
}

// counts sums the counters of a use; a name that is empty stands for one that is
// left out.
func (s *State) counts(use lang.System, names func(*lang.Program) []string) ([]Count, error) {
	return s.countsIn(use, names, nil)
}

// countsIn is counts of some of the maps; of all if in is nil.
func (s *State) countsIn(use lang.System, names func(*lang.Program) []string, in func(ebpf.MapID) bool) ([]Count, error) {
	var out []Count
	index := map[string]int{}
	err := s.each(use, func(u *unit, m *ebpf.Map) error {
		if in != nil {
			if id, err := mapIDOf(m); err != nil || !in(id) {
				return err
			}
		}
		for i, name := range names(u.prog) {
			if name == "" {
				continue
			}
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

// exits returns the counters of a row of a unit's exits, in order of their slot.
func (u *unit) exits(row int) ([]ExitCount, error) {
	m := u.system(lang.ExitMap)
	if m == nil {
		return nil, nil
	}
	out := make([]ExitCount, len(u.prog.Exits))
	for i, x := range u.prog.Exits {
		out[i].Exit = x
		var perCPU [][2]uint64
		if err := m.Lookup(uint32(row*len(out)+i), &perCPU); err != nil {
			return nil, fmt.Errorf("read exit %d: %w", i, err)
		}
		for _, n := range perCPU {
			out[i].Packets += n[0]
			out[i].Bytes += n[1]
		}
	}
	return out, nil
}
