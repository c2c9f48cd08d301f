package datapath

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weir/lang"
)

// Counters that the chain names go on from one generation to the next. Both
// count into maps of their own, since their slots may differ; behind the slots of
// the chain there are as many that only user space writes ([mapSpec]), for what
// was counted before. It is written when the old programs have stopped, so that
// no packet is lost and none is counted twice.

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

// owned is what a state's programs have counted themselves, by use and name.
type owned []map[string]uint64

// own returns what the programs of s have counted until now.
func (s *State) own() (owned, error) {
	var out owned
	for _, c := range carried {
		own, err := s.counts(c.use, c.slots)
		if err != nil {
			return nil, err
		}
		byName := map[string]uint64{}
		for _, o := range own {
			byName[o.Name] = o.N
		}
		out = append(out, byName)
	}
	return out, nil
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
		before, err := from.counts(c.use, twice(c.slots))
		if err != nil {
			return err
		}
		rest := map[string]uint64{}
		for _, b := range before {
			name := renamed(from, s, b.Name)
			if c.use != lang.RefusedMap || same[name] {
				rest[name] = b.N - min(b.N, own[i][name])
			}
		}
		if err := s.setCarried(c.use, c.slots, rest); err != nil {
			return err
		}
	}
	return nil
}

// setCarried writes what was counted before, each name into one slot.
func (s *State) setCarried(use lang.System, slots func(*lang.Program) []string, rest map[string]uint64) error {
	return s.each(use, func(u *unit, m *ebpf.Map) error {
		names := slots(u.prog)
		for i, name := range names {
			n, ok := rest[name]
			if !ok {
				continue
			}
			delete(rest, name)
			cpus, err := ebpf.PossibleCPU()
			if err != nil {
				return err
			}
			perCPU := make([]uint64, cpus)
			perCPU[0] = n
			if err := m.Put(uint32(len(names)+i), perCPU); err != nil {
				return fmt.Errorf("carry counter %s on: %w", name, err)
			}
		}
		return nil
	})
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
