package datapath

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"weir/lang"
	"weir/lang/ir"
)

// Reset brings a state that was loaded, and is attached nowhere, back to what it was
// then: maps to their first content, parameters to their defaults, counters to zero.
// What waits in rings and in the log is taken out. A map that is made faster than it
// is emptied is made anew, and the programs that use it are loaded again: what
// [State.Map] and [State.Object] gave before is closed.
func (s *State) Reset(ctx context.Context) error {
	old := map[*ebpf.Map]bool{}
	for _, m := range s.Maps() {
		if m.Spec.Kind == ir.BloomFilter || m.Spec.Kind == ir.Array && m.Spec.MaxEntries > manyEntries {
			old[m.obj] = true
		} else if err := m.Reset(ctx, m.Init); err != nil {
			return err
		}
	}
	if err := s.renew(old); err != nil {
		return err
	}
	for _, m := range s.mapsOf(lang.TallyMap) {
		if _, err := m.Flush(ctx); err != nil {
			return err
		}
	}
	if err := s.each(lang.ParamMap, func(u *unit, m *ebpf.Map) error { return storeDefaults(m, u.prog.Params) }); err != nil {
		return wrap(err, "reset parameters")
	}
	for _, use := range []lang.System{lang.CountMap, lang.HistMap, lang.RefusedMap, lang.ExitMap, lang.MissedMap, lang.RateMap} {
		if err := s.each(use, func(_ *unit, m *ebpf.Map) error { return wrap(zero(m), "reset counters") }); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, u := range s.units { // what Reset put into lrus counts as what was there at first
		var fresh []*lang.Map
		for i := range u.prog.Maps {
			if m := &u.prog.Maps[i]; m.System == lang.User && !seen[m.Spec.Name] {
				seen[m.Spec.Name] = true
				fresh = append(fresh, m)
			}
		}
		if err := u.countFirst(fresh); err != nil {
			return err
		}
	}
	return nil
}

// manyEntries is from how many entries on an array is made anew.
const manyEntries = 4096

// renew puts new maps, with their first content, in the place of old ones.
func (s *State) renew(old map[*ebpf.Map]bool) error {
	for id, m := range s.maps {
		if !old[m] {
			continue
		}
		fresh, err := s.another(m)
		if err != nil {
			return err
		}
		for _, u := range s.units {
			for name := range u.maps {
				if u.maps[name] == m {
					u.maps[name] = fresh
				}
			}
		}
		s.maps[id] = fresh
		if err := m.Close(); err != nil {
			return err
		}
		old[fresh] = true // from here on those whose users are to be loaded
	}
	for _, u := range s.units {
		if !u.uses(old) {
			continue
		}
		if err := errors.Join(u.obj.Close(), u.load(u.resolve)); err != nil {
			return wrap(err, "load %s again", u.prog.Name)
		}
	}
	return nil
}

// another makes a map like m.
func (s *State) another(m *ebpf.Map) (*ebpf.Map, error) {
	for _, u := range s.units {
		for i := range u.prog.Maps {
			if of := &u.prog.Maps[i]; u.maps[of.Spec.Name] == m {
				return createMap(u.prog, of, s.now, true)
			}
		}
	}
	return nil, fmt.Errorf("renew map %s: no program uses it", m)
}

// uses reports whether the unit has one of the maps.
func (u *unit) uses(maps map[*ebpf.Map]bool) bool {
	for _, m := range u.maps {
		if maps[m] {
			return true
		}
	}
	return false
}

// zero makes all entries of an array zero, for each CPU where it is per CPU.
func zero(m *ebpf.Map) error {
	cpus := 1
	if m.Type() == ebpf.PerCPUArray {
		var err error
		if cpus, err = ebpf.PossibleCPU(); err != nil {
			return err
		}
	}
	size, all := int(m.ValueSize()), int(m.MaxEntries())
	c := min(all, batchSize)
	keys, empty := make([]uint32, c), make([]byte, c*cpus*size)
	for done := 0; done < all; done += c {
		c = min(c, all-done)
		for i := range keys[:c] {
			keys[i] = uint32(done + i)
		}
		if _, err := m.BatchUpdate(keys[:c], elements(empty[:c*cpus*size], size), nil); err != nil {
			return err
		}
	}
	return nil
}
