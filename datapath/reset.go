package datapath

import (
	"context"

	"github.com/cilium/ebpf"

	"weir/lang"
)

// Reset brings a state that was loaded, and is attached nowhere, back to what it was
// then: maps to their first content, parameters to their defaults, counters to zero.
// What waits in rings and in the log is taken out. A bloom cannot be emptied, and
// gives an error.
func (s *State) Reset(ctx context.Context) error {
	for _, m := range s.Maps() {
		if err := m.Reset(ctx, m.Init); err != nil {
			return err
		}
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

// zero makes all entries of an array zero, for each CPU where it is per CPU.
func zero(m *ebpf.Map) error {
	cpus := 1
	perCPU := m.Type() == ebpf.PerCPUArray
	if perCPU {
		var err error
		if cpus, err = ebpf.PossibleCPU(); err != nil {
			return err
		}
	}
	empty := make([]byte, m.ValueSize())
	all := make([][]byte, cpus)
	for i := range all {
		all[i] = empty
	}
	for i := range m.MaxEntries() {
		var err error
		if perCPU {
			err = m.Put(i, all)
		} else {
			err = m.Put(i, empty)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
