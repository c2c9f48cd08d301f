package datapath

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/cilium/ebpf"

	"weir/attach"
	"weir/lang"
)

// Places at interfaces of one network namespace that run the same chain share a program,
// if it was compiled for that ([lang.Options].Shared): it is loaded and verified once.
// Each place has a row of exits of its own, which the program finds by the interface:
//
//	.slots  ifindex ─► row × exits ─┐
//	                                ▼
//	.exits  row 0: unknown │ row 1: eth0 │ row 2: eth1 │ …
//
// Two namespaces have interfaces of the same number, and names of redirect() mean others
// there: each has its own program.

// mostIndex is up to which number an interface has a place in a slot map.
const mostIndex = 1 << 20

// A bundle is the places that run one program.
type bundle struct {
	chain  Chain // of its first place
	places []int // indexes in Options.Chains

	units []*unit // the programs of the chain
	frags *unit   // nil: not loaded

	sum, fragsSum string // of the chain, see adopt.go
}

// bundleKey tells bundles of several places apart.
type bundleKey struct {
	program, frags *lang.Program
	netns          uint64
}

// shares reports whether a chain at a place may have its program in common with others.
// Receivers of to_user() are those of one interface.
func (c *Chain) shares(s attach.Seat) bool {
	return s.Err == nil && !s.Ports && s.Ifindex <= mostIndex && hasMap(c.Program, lang.SlotMap) &&
		(c.Frags == nil || hasMap(c.Frags, lang.SlotMap)) && !hasMap(c.Program, lang.UserMap)
}

func hasMap(p *lang.Program, use lang.System) bool {
	return slices.ContainsFunc(p.Maps, func(m lang.Map) bool { return m.System == use })
}

// bundles puts together which places run one program, in order of their first.
func bundles(chains []Chain, seats []attach.Seat) []*bundle {
	var out []*bundle
	at := map[bundleKey]*bundle{}
	for i, c := range chains {
		k := bundleKey{c.Program, c.Frags, seats[i].Netns}
		b := at[k]
		if b == nil || !c.shares(seats[i]) {
			b = &bundle{chain: c}
			out = append(out, b)
			if c.shares(seats[i]) {
				at[k] = b
			}
		}
		b.places = append(b.places, i)
	}
	return out
}

// sized returns p with its maps as large as places with these numbers of interfaces need
// them, and room for more; one place has the first row.
func sized(p *lang.Program, indexes []int) *lang.Program {
	if p == nil || len(indexes) < 2 {
		return p
	}
	out := *p
	out.Maps = slices.Clone(p.Maps)
	for i := range out.Maps {
		switch m := &out.Maps[i]; m.System {
		case lang.SlotMap:
			m.Spec.MaxEntries = above(slices.Max(indexes))
		case lang.ExitMap:
			m.Spec.MaxEntries *= above(len(indexes))
		}
	}
	return &out
}

// above returns the least power of two above n.
func above(n int) uint32 { return 1 << bits.Len(uint(n)) }

// rowCount returns how many rows of exits the unit has.
func (u *unit) rowCount() int {
	if m := u.system(lang.ExitMap); m != nil && len(u.prog.Exits) > 0 {
		return int(m.MaxEntries()) / len(u.prog.Exits)
	}
	return 1
}

// clearRow makes the counters of a row zero.
func (u *unit) clearRow(row int) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	for i := range u.prog.Exits {
		if err := u.system(lang.ExitMap).Put(uint32(row*len(u.prog.Exits)+i), make([][2]uint64, cpus)); err != nil {
			return fmt.Errorf("clear exit %d: %w", i, err)
		}
	}
	return nil
}

// setRow has the exits at an interface counted in a row.
func (u *unit) setRow(ifindex, row int) error {
	m := u.system(lang.SlotMap)
	if m == nil || row == 0 {
		return nil
	}
	return wrap(m.Update(uint32(ifindex), uint32(row*len(u.prog.Exits)), ebpf.UpdateAny), "count at interface %d", ifindex)
}

// indexes are the numbers of the interfaces of a bundle.
func (t *transaction) indexes(b *bundle) []int {
	var out []int
	for _, i := range b.places {
		out = append(out, t.seats[i].Ifindex)
	}
	return out
}

// bundle loads a program for the places of a bundle, or that for fragments.
func (t *transaction) bundle(b *bundle, p *lang.Program, frags bool, sum string) ([]*unit, error) {
	us, err := t.load(b.chain.Where, sized(p, t.indexes(b)), frags)
	if err != nil {
		return nil, err
	}
	u := us[0]
	u.sum, u.rows = sum, make([]int, len(b.places))
	if len(b.places) == 1 {
		return us, nil
	}
	for n, i := range b.places {
		u.rows[n] = n + 1 // what the program does not know is counted in the first
		if err := u.setRow(t.seats[i].Ifindex, u.rows[n]); err != nil {
			return nil, fmt.Errorf("attach %s on %s: %w", t.o.Name, t.o.Chains[i].Where, err)
		}
	}
	return us, nil
}

// ofFragments loads the bundle's program for frames of several fragments, when the first
// of its places asks for it.
func (t *transaction) ofFragments(b *bundle) (*ebpf.Program, error) {
	if b.frags == nil {
		us, err := t.bundle(b, b.chain.Frags, true, b.fragsSum)
		if err == nil && t.from != nil {
			err = t.selfTest(b.chain.Where, b.chain.Frags, true)
		}
		if err != nil {
			return nil, err
		}
		b.frags = us[0]
	}
	return b.frags.obj, nil
}

// dropUnused takes out the programs that came to no place, with the maps that they alone
// have.
func (g *Generation) dropUnused() error {
	used, kept := map[*unit]bool{}, map[*ebpf.Map]bool{}
	for _, a := range g.Attachments {
		if used[a.unit] {
			continue
		}
		used[a.unit] = true
		for _, m := range a.unit.maps {
			kept[m] = true
		}
	}
	var errs []error
	g.units = slices.DeleteFunc(g.units, func(u *unit) bool {
		if used[u] {
			return false
		}
		errs = append(errs, u.obj.Close())
		return true
	})
	for id, m := range g.maps {
		if !kept[m] {
			errs = append(errs, m.Close())
			delete(g.maps, id)
		}
	}
	return errors.Join(errs...)
}
