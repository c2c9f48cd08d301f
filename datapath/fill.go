package datapath

import (
	"context"

	"github.com/cilium/ebpf"

	"weir/lang"
)

// A Fill is how full a map is.
type Fill struct {
	Entries   uint64 // that have not expired
	Forgotten uint64 // keys that an lru has pushed out, see [State.Forgotten]
}

// Fill counts what is in a map that can be listed. It looks at every entry, which
// takes a second or more for a million of them: it stops when ctx ends, with the
// context's error.
func (s *State) Fill(ctx context.Context, m *Map) (Fill, error) {
	var came uint64
	if m.forgets() {
		all, err := s.counts(lang.RefusedMap, twice(userMaps))
		if err != nil {
			return Fill{}, err
		}
		for _, c := range all {
			if c.Name == m.Name {
				came = c.N
			}
		}
	}
	var f Fill
	var there uint64
	now := m.now()
	err := m.walk(func(_, stored []byte) error {
		if there%batchSize == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		there++
		if m.live(stored, now) {
			f.Entries++
		}
		return nil
	})
	if err != nil {
		return Fill{}, wrap(err, "map %s", m.Name)
	}
	full, err := m.mayHaveBeenFull(came)
	if m.forgets() && full && came > there {
		f.Forgotten = came - there
	}
	return f, err
}

// ID returns the kernel's number of the map: as long as it is the same, so is the map,
// through whatever generations.
func (m *Map) ID() (ebpf.MapID, error) { return mapIDOf(m.obj) }
