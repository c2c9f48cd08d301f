package datapath

import (
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"weir/attach"
	"weir/lang"
	"weir/lang/gen"
)

// A program that the generation before has, with the same text at the same places, is
// adopted by the next one with all of its maps: it is neither loaded nor tested again, its
// links stay as they are, and what it counts goes on. That is so if all that the kernel
// would be given is the same ([transaction.sum]) and all maps would be kept.

// loneMaps are uses of maps that are made for one generation: whose readers wait for what
// it alone says, or whose content is looked up when it is attached.
var loneMaps = []lang.System{
	lang.SocketMap, lang.TraceMap, lang.ClockMap, lang.CaptureMap, lang.LimitMap, lang.MissedMap,
	lang.LineMap, lang.StepMap, lang.StepRing, lang.TimeMap,
}

// sum tells programs apart for which the kernel is given something else: the chain, and
// what the names of interfaces in it mean in the network namespace of its place.
func (t *transaction) sum(w attach.Where, netns uint64, p *lang.Program, frags bool) (string, error) {
	h := sha256.New()
	if err := gob.NewEncoder(h).Encode(p); err != nil {
		return "", fmt.Errorf("encode %s: %w", p.Name, err)
	}
	fmt.Fprintln(h, t.o.Name, netns, frags)
	err := w.Do(func() error {
		for _, name := range interfaceNames(p) {
			index, err := interfaceIndex(name)
			if err != nil {
				return fmt.Errorf("interface %s: %w", name, err)
			}
			fmt.Fprintln(h, name, index)
		}
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// interfaceNames are the interfaces that a program names.
func interfaceNames(p *lang.Program) (names []string) {
	for _, r := range p.Code.Relocs {
		if r.Kind == gen.RelocInterface {
			names = append(names, r.Name)
		}
	}
	for _, m := range p.Maps {
		names = append(names, m.Group...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// adoptAll adopts what it can of the generation before, before other programs make maps.
func (t *transaction) adoptAll(all []*bundle) error {
	if !t.o.Pin || t.o.Loaded != nil || t.o.Trial {
		return nil
	}
	for _, b := range all {
		if len(points(b.chain.Program)) > 1 {
			continue
		}
		w, netns := b.chain.Where, t.seats[b.places[0]].Netns
		var err error
		if b.sum, err = t.sum(w, netns, b.chain.Program, false); err == nil && b.chain.Frags != nil {
			b.fragsSum, err = t.sum(w, netns, b.chain.Frags, true)
		}
		if err != nil {
			return wrap(err, "attach %s on %s", t.o.Name, w)
		}
		if t.from == nil {
			continue
		}
		u, err := t.adopt(b, b.chain.Program, b.sum)
		if err != nil {
			return wrap(err, "replace %s on %s", t.o.Name, w)
		}
		if u != nil {
			b.units = []*unit{u}
		}
		if b.frags, err = t.adopt(b, b.chain.Frags, b.fragsSum); err != nil {
			return wrap(err, "replace %s on %s", t.o.Name, w)
		}
	}
	return nil
}

// adopt adopts a program for a bundle, or returns nil if it is to be loaded.
func (t *transaction) adopt(b *bundle, p *lang.Program, sum string) (*unit, error) {
	if p == nil {
		return nil, nil
	}
	old := t.heirloom(b, sum)
	if old == nil || t.adopted[old] != nil || !t.keepsMaps(old, p) {
		return nil, nil
	}
	rows := t.keptRows(b, old)
	if rows == nil {
		return nil, nil
	}
	u, err := t.g.take(old, p)
	if err != nil {
		return nil, err
	}
	t.adopted[old] = u
	if u.rows = rows; u.rowCount() == 1 {
		return u, nil
	}
	for n, i := range b.places {
		if had := t.running(t.seats[i].Spot); had != nil && had.unit == old {
			continue
		}
		if err := u.clearRow(rows[n]); err != nil {
			return nil, err
		}
		if err := u.setRow(t.seats[i].Ifindex, rows[n]); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// heirloom is the program of that sum that runs at one of the bundle's places, or nil.
func (t *transaction) heirloom(b *bundle, sum string) *unit {
	for _, i := range b.places {
		if had := t.running(t.seats[i].Spot); had != nil && had.unit.sum == sum {
			return had.unit
		}
	}
	return nil
}

// keepsMaps reports whether all maps of a program can be those that it has.
func (t *transaction) keepsMaps(old *unit, p *lang.Program) bool {
	for i := range p.Maps {
		m := &p.Maps[i]
		was := old.maps[m.Spec.Name]
		if was == nil || slices.Contains(loneMaps, m.System) {
			return false
		}
		// The programs of a generation that have a map in common keep it or not.
		if now := t.g.maps[mapID(p, m, len(t.g.units))]; now != nil && t.g.heir.taken[was] != now {
			return false
		}
	}
	return t.keepsParams(p)
}

// keepsParams reports whether no param is to be set to another value than it has.
func (t *transaction) keepsParams(p *lang.Program) bool {
	if len(t.o.Set) == 0 || len(p.Params) == 0 {
		return true
	}
	now, err := t.from.Params()
	if err != nil {
		return false
	}
	for _, v := range now {
		text, anew := t.o.Set[v.Name]
		if !anew {
			continue
		}
		if word, err := v.Type.ParseWord(text); err != nil || word != v.Word {
			return false
		}
	}
	return true
}

// keptRows gives the bundle's places rows of a program's exits: those that they have, and
// free ones. It is nil if there are too few, or an interface has too high a number.
func (t *transaction) keptRows(b *bundle, old *unit) []int {
	rows := make([]int, len(b.places))
	if old.rowCount() == 1 {
		if len(rows) > 1 {
			return nil
		}
		return rows
	}
	used := map[int]bool{0: true}
	for _, a := range t.from.Attachments {
		if a.unit != old || used[a.row] {
			continue
		}
		there, err := a.Attached()
		used[a.row] = there || err != nil || a.link == nil // else its interface has gone
	}
	next := 0
	for n, i := range b.places {
		if t.seats[i].Ifindex >= int(old.system(lang.SlotMap).MaxEntries()) {
			return nil
		}
		if had := t.running(t.seats[i].Spot); had != nil && had.unit == old {
			rows[n] = had.row
			continue
		}
		for used[next] {
			next++
		}
		if next >= old.rowCount() {
			return nil
		}
		rows[n], used[next] = next, true
	}
	return rows
}

// take makes a unit of one of the generation before: the same program with the same maps.
func (s *State) take(old *unit, p *lang.Program) (*unit, error) {
	u := &unit{prog: p, name: ProgramName(s.name), frags: old.frags, maps: map[string]*ebpf.Map{}, sum: old.sum, id: old.id, tag: old.tag}
	if hasMap(p, lang.SlotMap) {
		u.prog = likeSized(p, old)
	}
	id := len(s.units)
	s.units = append(s.units, u) // from here on closed with s
	for i := range p.Maps {
		m := &p.Maps[i]
		was := old.maps[m.Spec.Name]
		now := s.heir.taken[was]
		if now == nil {
			var err error
			if now, err = was.Clone(); err != nil {
				return nil, fmt.Errorf("map %s: %w", m.Spec.Name, err)
			}
			s.heir.taken[was] = now
			if m.System == lang.User {
				s.heir.changes = append(s.heir.changes, &Change{Name: m.Name, Fate: Kept})
			}
		}
		s.maps[mapID(p, m, id)] = now
		u.maps[m.Spec.Name] = now
	}
	var err error
	u.obj, err = old.obj.Clone()
	return u, err
}

// likeSized returns p with maps as large as a unit has them.
func likeSized(p *lang.Program, u *unit) *lang.Program {
	out := *p
	out.Maps = slices.Clone(p.Maps)
	for i := range out.Maps {
		if m := &out.Maps[i]; m.System == lang.SlotMap || m.System == lang.ExitMap {
			m.Spec.MaxEntries = u.maps[m.Spec.Name].MaxEntries()
		}
	}
	return &out
}
