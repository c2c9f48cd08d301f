package datapath

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weir/lang"
)

// Counters that the chain names go on from one generation to the next. Programs that
// both have count into the same maps. The others count into maps of their own, since their
// slots may differ; behind the slots of the chain there are as many that only user space
// writes ([mapSpec]), for what was counted before. It is written when the old programs
// have stopped, so that no packet is lost and none is counted twice. Numbers may wrap
// around: a slot for what was before is below zero where another map has counted it.

// carried are the counters that go on: how a map's slots are named. An empty name
// is a slot that does not.
var carried = []struct {
	use   lang.System
	slots func(p *lang.Program) []string
}{
	{lang.CountMap, func(p *lang.Program) []string { return p.Counts }},
	{lang.HistMap, histSlots},
	{lang.RefusedMap, userMaps},
}

// histSlots names the buckets of a program's histograms.
func histSlots(p *lang.Program) []string {
	var names []string
	for _, h := range p.Hists {
		for b := range lang.HistBuckets {
			names = append(names, fmt.Sprintf("%s\x00%d", h, b))
		}
	}
	return names
}

// twice returns names for a map whose slots come twice.
func twice(slots func(*lang.Program) []string) func(*lang.Program) []string {
	return func(p *lang.Program) []string {
		names := slots(p)
		return append(names[:len(names):len(names)], names...)
	}
}

// owned is what a state has counted before it took its place, by use.
type owned []ownedBy

// An ownedBy is what maps of a use say, by name.
type ownedBy struct {
	own    map[string]uint64 // what those have counted that the generation before has not
	common map[string]uint64 // what was counted before, as the common ones say
}

// own returns what the programs of s have counted until now.
func (s *State) own(from *State) (owned, error) {
	var out owned
	for _, c := range carried {
		common, err := from.mapIDs(c.use)
		if err != nil {
			return nil, err
		}
		by := ownedBy{map[string]uint64{}, map[string]uint64{}}
		own, err := s.countsIn(c.use, c.slots, func(id ebpf.MapID) bool { return !common[id] })
		if err != nil {
			return nil, err
		}
		for _, o := range own {
			by.own[o.Name] = o.N
		}
		before, err := s.countsIn(c.use, behind(c.slots), func(id ebpf.MapID) bool { return common[id] })
		if err != nil {
			return nil, err
		}
		for _, b := range before {
			by.common[b.Name] = b.N
		}
		out = append(out, by)
	}
	return out, nil
}

// behind returns names for a map whose slots come twice: those that only user space writes.
func behind(slots func(*lang.Program) []string) func(*lang.Program) []string {
	return func(p *lang.Program) []string {
		names := slots(p)
		return append(make([]string, len(names)), names...)
	}
}

// mapIDs are the kernel's numbers of the maps of a use.
func (s *State) mapIDs(use lang.System) (map[ebpf.MapID]bool, error) {
	ids := map[ebpf.MapID]bool{}
	err := s.each(use, func(_ *unit, m *ebpf.Map) error {
		id, err := mapIDOf(m)
		ids[id] = true
		return err
	})
	return ids, err
}

// goOn makes the counters of s go on where those of from, which has stopped, say.
// Before s took its place s had counted own: nothing, unless s has run before.
// What a map has refused or taken in goes on where both have the same map.
func (s *State) goOn(from *State, own owned) error {
	same, err := s.sameMaps(from)
	if err != nil {
		return err
	}
	for i, c := range carried {
		common, err := s.mapIDs(c.use)
		if err != nil {
			return err
		}
		before, err := from.countsIn(c.use, twice(c.slots), func(id ebpf.MapID) bool { return !common[id] })
		if err != nil {
			return err
		}
		rest := map[string]uint64{}
		for name := range own[i].common {
			rest[name] = -own[i].own[name]
		}
		for _, b := range before {
			name := renamed(from, s, b.Name)
			if c.use != lang.RefusedMap || same[name] {
				rest[name] = b.N - own[i].own[name]
			}
		}
		if common, err = from.mapIDs(c.use); err != nil {
			return err
		}
		if err := s.setCarried(c.use, c.slots, rest, common, own[i].common); err != nil {
			return err
		}
	}
	return nil
}

// setCarried writes what was counted before, each name into one slot: of a map that the
// generation before has not, or else, beside what was there, of one that both have.
func (s *State) setCarried(use lang.System, slots func(*lang.Program) []string, rest map[string]uint64, common map[ebpf.MapID]bool, there map[string]uint64) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	done := map[string]bool{}
	write := func(both bool) error {
		return s.each(use, func(u *unit, m *ebpf.Map) error {
			if id, err := mapIDOf(m); err != nil || common[id] != both {
				return err
			}
			names := slots(u.prog)
			for i, name := range names {
				n, ok := rest[name]
				if both {
					ok = ok && n != 0 && !done[name]
					n += there[name]
				} else if done[name] {
					n = 0
				}
				if !ok || name == "" {
					continue
				}
				done[name] = true
				perCPU := make([]uint64, cpus)
				perCPU[0] = n
				if err := m.Put(uint32(len(names)+i), perCPU); err != nil {
					return fmt.Errorf("carry counter %s on: %w", name, err)
				}
			}
			return nil
		})
	}
	if err := write(false); err != nil {
		return err
	}
	return write(true)
}

// sameMaps returns the names of the maps that two states share.
func (s *State) sameMaps(t *State) (map[string]bool, error) {
	ids := map[ebpf.MapID]bool{}
	for _, m := range t.filled() {
		id, err := mapIDOf(m.obj)
		if err != nil {
			return nil, err
		}
		ids[id] = true
	}
	same := map[string]bool{}
	for _, m := range s.filled() {
		id, err := mapIDOf(m.obj)
		if err != nil {
			return nil, err
		}
		same[m.Name] = ids[id]
	}
	return same, nil
}

func mapIDOf(m *ebpf.Map) (ebpf.MapID, error) {
	info, err := m.Info()
	if err != nil {
		return 0, err
	}
	id, _ := info.ID()
	return id, nil
}

// quiesce waits until no CPU runs a program any more that has been taken from
// its place: programs run in RCU readers, and this waits for all of them.
func quiesce() {
	// Not known to kernels with CPUs that the timer leaves alone (nohz_full):
	// there the last packets of an old program may be counted a moment later.
	unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0)
}

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL of linux/membarrier.h, which is
// synchronize_rcu.
const membarrierGlobal = 1

// carryParams gives params the values that they were set to in the generation
// before, but for those that are set anew. One that stood at its default takes
// that of the new file.
func (s *State) carryParams(set map[string]string) ([]Change, error) {
	olds, err := s.heir.from.Params()
	if err != nil {
		return nil, err
	}
	news, err := s.Params()
	if err != nil {
		return nil, err
	}
	at := map[string]ParamValue{}
	for _, p := range news {
		at[p.Name] = p
	}
	var out []Change
	for _, old := range olds {
		name := renamed(s.heir.from, s, old.Name)
		if _, anew := set[name]; anew || old.Word == old.Default {
			continue
		}
		now, ok := at[name]
		c := Change{Name: name, Fate: Dropped}
		switch {
		case ok && now.Type.Equal(old.Type):
			c.Fate, c.Value = Kept, old.Text()
			if now.Default != old.Default {
				c.Why = "the file says " + now.Text()
			}
			if err := s.setWord(name, old.Word); err != nil {
				return nil, err
			}
		case ok:
			c.Fate, c.Value = Reset, now.Text()
			c.Why = fmt.Sprintf("its type is %s and was %s", now.Type, old.Type)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
