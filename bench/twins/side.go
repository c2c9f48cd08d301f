package twins

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
)

// A side is a program in the kernel, with a feeder before it.
type side struct {
	name   string
	hook   hook.Hook
	prog   *ebpf.Program
	feed   *feeder
	exits  func() ([]Exit, error)
	rings  []ring
	rung   uint64 // bytes that came to the rings
	insns  int    // instructions in the kernel
	closes []func() error
}

// An Exit is how many packets a return has ended, and their bytes.
type Exit struct{ Packets, Bytes uint64 }

// newSide puts a feeder before a program.
func newSide(s *side, frames [][]byte) (*side, error) {
	info, err := s.prog.Info()
	if err == nil {
		var size int
		size, err = info.TranslatedSize()
		s.insns = size / asm.InstructionSize
	}
	if err == nil {
		s.rings, err = rings(s.prog)
		for _, r := range s.rings {
			s.closes = append(s.closes, r.close)
		}
	}
	if err == nil {
		s.feed, err = newFeeder(s.hook, s.prog, frames)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.name, err), s.close())
	}
	s.closes = append(s.closes, s.feed.Close)
	return s, nil
}

func (s *side) close() error {
	var errs []error
	for _, c := range slices.Backward(s.closes) {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// ours loads the chain. Its exits are those of its returns, in order of lines.
func (t Twin) ours(name string, p *lang.Program, frames [][]byte) (*side, error) {
	st, err := datapath.Load(p, datapath.LoadOptions{})
	if err != nil {
		return nil, err
	}
	m := st.SystemMap(p, lang.ExitMap)
	order := make([]int, len(p.Exits))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.Exits[a].Line, p.Exits[b].Line) })
	s := &side{name: name, hook: p.Hook, prog: st.Object(p), closes: []func() error{st.Close}}
	s.exits = func() ([]Exit, error) { return readExits(m, order) }
	return newSide(s, frames)
}

// twin loads the object of a version. What the chain's maps hold at first is put
// into those of the same name.
func (t Twin) twin(h hook.Hook, version string, p *lang.Program, frames [][]byte) (*side, error) {
	spec, err := t.spec(h, version)
	if err != nil {
		return nil, err
	}
	spec.Programs["twin"].AttachType = kindOf(h).at // as ours: tail calls join equals alone
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load twin of %s for %s: %w", t.Name, version, err)
	}
	s := &side{name: Compiler + " " + version, hook: h, prog: c.Programs["twin"], closes: []func() error{func() error { c.Close(); return nil }}}
	for i := range p.Maps {
		if err := fill(c, &p.Maps[i]); err != nil {
			return nil, errors.Join(fmt.Errorf("twin of %s: %w", t.Name, err), s.close())
		}
	}
	m := c.Maps["exits"]
	order := make([]int, m.MaxEntries())
	for i := range order {
		order[i] = i
	}
	s.exits = func() ([]Exit, error) { return readExits(m, order) }
	return newSide(s, frames)
}

func fill(c *ebpf.Collection, m *lang.Map) error {
	if m.System != lang.User || len(m.Init) == 0 {
		return nil
	}
	to := c.Maps[m.Name]
	if to == nil {
		return fmt.Errorf("no map %s", m.Name)
	}
	for _, e := range m.Init {
		v := e.Value
		if len(v) == 0 {
			v = []byte{1} // a member of a set
		}
		if err := to.Put(e.Key, v); err != nil {
			return fmt.Errorf("fill map %s: %w", m.Name, err)
		}
	}
	return nil
}

// readExits sums the per-CPU counters of a map, in an order of its slots.
func readExits(m *ebpf.Map, order []int) ([]Exit, error) {
	out := make([]Exit, len(order))
	for i, slot := range order {
		var perCPU []Exit
		if err := m.Lookup(uint32(slot), &perCPU); err != nil {
			return nil, fmt.Errorf("read exit %d: %w", slot, err)
		}
		for _, x := range perCPU {
			out[i].Packets += x.Packets
			out[i].Bytes += x.Bytes
		}
	}
	return out, nil
}

// empty loads a program that does nothing.
func empty(h hook.Hook, frames [][]byte) (*side, error) {
	k := kindOf(h)
	pass, _ := h.Code("PASS")
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "empty", Type: k.typ, AttachType: k.at, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
	})
	if err != nil {
		return nil, err
	}
	return newSide(&side{name: "floor", hook: h, prog: prog, closes: []func() error{prog.Close}}, frames)
}
