package datapath

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"weir/lang"
)

// A State is what chains keep while they run: maps, parameters, counters.
type State struct {
	name  string // of the generation; empty where there is none
	units []*unit
	maps  map[string]*ebpf.Map // by identity, see mapID
	now   uint64               // instead of the clock for first content; 0: the clock
	heir  *heir                // what it takes over; nil: nothing
	stats bool                 // the verifier says what programs cost

	receiver *os.File // see receive; nil: none is needed
}

func newState() *State { return &State{maps: map[string]*ebpf.Map{}} }

// mapID returns what tells the maps of a State apart: the name and, where
// entries are numbered by a list of the program, that list, since the same file
// compiled for two hooks may have two of them. Exits, trace, clock and scratch are
// each program's own.
func mapID(p *lang.Program, m *lang.Map, unit int) string {
	switch m.System {
	case lang.User, lang.OriginMap: // of which the sockets' cookies are the keys
		return m.Spec.Name
	case lang.ParamMap:
		names := make([]string, len(p.Params))
		for i := range p.Params {
			names[i] = p.Params[i].Name
		}
		return m.Spec.Name + "\x00" + strings.Join(names, "\x00")
	case lang.CountMap:
		return m.Spec.Name + "\x00" + strings.Join(p.Counts, "\x00")
	case lang.HistMap:
		return m.Spec.Name + "\x00" + strings.Join(p.Hists, "\x00")
	case lang.TallyMap:
		return m.Spec.Name[:len(".tally")] + "\x00" + m.Name
	case lang.RefusedMap:
		return fmt.Sprintf("%s\x00%d\x00%s", m.Spec.Name, m.Spec.MaxEntries, strings.Join(userMaps(p), "\x00"))
	}
	return fmt.Sprintf("%s\x00%d", m.Spec.Name, unit)
}

// userMaps returns the names of the maps whose entries packets make, in order: the
// chain's own, then tallies.
func userMaps(p *lang.Program) []string {
	var names []string
	for i := range p.Maps {
		switch m := &p.Maps[i]; m.System {
		case lang.User:
			names = append(names, m.Name)
		case lang.TallyMap:
			names = append(names, tallyName(m))
		}
	}
	return names
}

// tallyName is what a tally is called among maps.
func tallyName(m *lang.Map) string { return "count(" + m.Name + ")" }

// add loads a program, of several that a chain is the first, and makes those of
// its maps that are not there yet.
func (s *State) add(p *lang.Program, frags bool, resolve func(string) (uint32, error)) (*unit, error) {
	u := &unit{prog: p, name: ProgramName(cmp.Or(s.name, p.Name)), point: points(p)[0], frags: frags, stats: s.stats, maps: map[string]*ebpf.Map{}}
	s.units = append(s.units, u) // from here on closed with s
	var fresh, copies []*lang.Map
	for i := range p.Maps {
		m := &p.Maps[i]
		id := mapID(p, m, len(s.units)-1)
		obj := s.maps[id]
		if obj == nil {
			var copied bool
			var err error
			if obj, copied, err = s.inherit(m); err != nil {
				return nil, err
			}
			if obj == nil {
				if obj, err = createMap(p, m, s.now, !copied); err != nil {
					return nil, err
				}
				if copied {
					copies = append(copies, m)
				} else {
					fresh = append(fresh, m)
				}
			}
			s.maps[id] = obj
		} else if !fitsSpec(obj, mapSpec(m)) {
			return nil, fmt.Errorf("map %s is not the same in all programs", m.Spec.Name)
		}
		u.maps[m.Spec.Name] = obj
	}
	if err := u.countFirst(fresh); err != nil {
		return nil, err
	}
	for _, m := range copies {
		if err := s.copyOld(u, m); err != nil {
			return nil, err
		}
	}
	if err := u.fillGroups(resolve); err != nil {
		return nil, err
	}
	return u, u.load(resolve)
}

// countFirst counts the first content of lrus among the maps that were made.
func (u *unit) countFirst(fresh []*lang.Map) error {
	for _, m := range fresh {
		if m.Kind != "lru" {
			continue
		}
		keys := map[string]bool{}
		for _, e := range m.Init {
			keys[string(e.Key)] = true
		}
		if err := u.came(m.Name, int64(len(keys))); err != nil {
			return err
		}
	}
	return nil
}

// Close releases the programs and maps. Those that are pinned or attached live
// on in the kernel.
func (s *State) Close() error {
	var errs []error
	for _, u := range s.units {
		if u.obj != nil {
			errs = append(errs, u.obj.Close())
		}
	}
	for _, m := range s.maps {
		errs = append(errs, m.Close())
	}
	if s.receiver != nil {
		errs = append(errs, s.receiver.Close())
		s.receiver = nil
	}
	s.units, s.maps = nil, map[string]*ebpf.Map{}
	return errors.Join(errs...)
}

// Object returns the kernel's program of p, which was given to [Load]. It is
// closed with the State.
func (s *State) Object(p *lang.Program) *ebpf.Program {
	for _, u := range s.units {
		if u.prog == p {
			return u.obj
		}
	}
	return nil
}

// SystemMap returns the kernel's map of that use of p, or nil. It is closed
// with the State.
func (s *State) SystemMap(p *lang.Program, use lang.System) *ebpf.Map {
	for _, u := range s.units {
		if u.prog == p {
			return u.system(use)
		}
	}
	return nil
}

func (u *unit) system(use lang.System) *ebpf.Map {
	for i := range u.prog.Maps {
		if m := &u.prog.Maps[i]; m.System == use {
			return u.maps[m.Spec.Name]
		}
	}
	return nil
}

// each calls f once for each kernel map of a use, with a unit that has it.
func (s *State) each(use lang.System, f func(*unit, *ebpf.Map) error) error {
	seen := map[*ebpf.Map]bool{}
	for _, u := range s.units {
		m := u.system(use)
		if m == nil || seen[m] {
			continue
		}
		seen[m] = true
		if err := f(u, m); err != nil {
			return err
		}
	}
	return nil
}

// A ParamValue is a parameter and what it is set to.
type ParamValue struct {
	lang.Param
	Word uint64 // as the chain computes with it
}

// Text returns the value in its text form, without the unit.
func (p ParamValue) Text() string { return p.Type.FormatWord(p.Word) }

func storeDefaults(m *ebpf.Map, params []lang.Param) error {
	mem, err := m.Memory()
	if err != nil {
		return err
	}
	for i, p := range params {
		if err := putParam(mem, i, p.Default); err != nil {
			return err
		}
	}
	return nil
}

// putParam stores 8 aligned octets at once: a running chain sees the old or the
// new value.
func putParam(mem *ebpf.Memory, slot int, word uint64) error {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], word)
	_, err := mem.WriteAt(b[:], int64(8*slot))
	return err
}

// Params returns the parameters and their values in order of declaration.
func (s *State) Params() ([]ParamValue, error) {
	var out []ParamValue
	seen := map[string]bool{}
	err := s.each(lang.ParamMap, func(u *unit, m *ebpf.Map) error {
		mem, err := m.Memory()
		if err != nil {
			return fmt.Errorf("read parameters: %w", err)
		}
		for i, p := range u.prog.Params {
			var b [8]byte
			if _, err := mem.ReadAt(b[:], int64(8*i)); err != nil {
				return fmt.Errorf("read parameter %s: %w", p.Name, err)
			}
			if !seen[p.Name] {
				seen[p.Name] = true
				out = append(out, ParamValue{p, binary.NativeEndian.Uint64(b[:])})
			}
		}
		return nil
	})
	return out, err
}

// SetParam sets a parameter to the value with that text form. The error wraps
// [ErrNotFound] if there is no such parameter.
func (s *State) SetParam(name, text string) error {
	return s.setParam(name, func(p lang.Param) (uint64, error) { return p.Type.ParseWord(text) })
}

// setWord sets a parameter to what a chain computes with as word.
func (s *State) setWord(name string, word uint64) error {
	return s.setParam(name, func(lang.Param) (uint64, error) { return word, nil })
}

func (s *State) setParam(name string, word func(lang.Param) (uint64, error)) error {
	found := false
	var known []string
	err := s.each(lang.ParamMap, func(u *unit, m *ebpf.Map) error {
		for i, p := range u.prog.Params {
			if known = append(known, p.Name); p.Name != name {
				continue
			}
			found = true
			n, err := word(p)
			if err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
			mem, err := m.Memory()
			if err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
			if err := putParam(mem, i, n); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
		return nil
	})
	if err == nil && !found {
		return fmt.Errorf("set %s: param %w%s", name, ErrNotFound, thereAre(known))
	}
	return err
}

func (s *State) set(values map[string]string) error {
	for name, text := range values {
		if err := s.SetParam(name, text); err != nil {
			return err
		}
	}
	return nil
}

// thereAre lists what could have been meant.
func thereAre(names []string) string {
	if len(names) == 0 {
		return " (there are none)"
	}
	slices.Sort(names)
	return " (there are " + strings.Join(slices.Compact(names), ", ") + ")"
}
