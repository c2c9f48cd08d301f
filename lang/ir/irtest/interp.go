// Package irtest helps to test what works on the compiler's middle form: an
// interpreter that says what a program means, and a generator of random
// programs.
//
// A [Machine] has memory in regions, each at an address of its own far from
// the others, so that a stray access is an error and not a wrong result. It
// knows the few kernel helpers that the generator uses.
package irtest

import (
	"encoding/binary"
	"errors"
	"fmt"

	"weir/lang/ir"
)

// A Machine runs functions of the middle form. The zero value with a Packet is
// ready to run.
type Machine struct {
	Packet []byte
	Maps   map[*ir.Map][]byte // content of arrays

	regions [][]byte
	steps   int
}

// Limits on a run.
const maxSteps = 5_000_000

var errSteps = errors.New("too many steps")

const (
	regionBits = 32
	mapTag     = 1 << 62 // address of a map object, not of its content
	funcTag    = 1 << 61
)

func (m *Machine) add(b []byte) uint64 {
	m.regions = append(m.regions, b)
	return uint64(len(m.regions)) << regionBits
}

func (m *Machine) mem(addr uint64, width int) ([]byte, error) {
	id, off := int(addr>>regionBits), int(addr&(1<<regionBits-1))
	if id < 1 || id > len(m.regions) || off+width > len(m.regions[id-1]) {
		return nil, fmt.Errorf("access to %#x, %d octets", addr, width)
	}
	return m.regions[id-1][off : off+width], nil
}

func read(b []byte) uint64 {
	var w [8]byte
	copy(w[:], b)
	return binary.LittleEndian.Uint64(w[:])
}

func write(b []byte, n uint64) {
	var w [8]byte
	binary.LittleEndian.PutUint64(w[:], n)
	copy(b, w[:])
}

// A run is a program in execution: what is the same for all its functions.
type run struct {
	*Machine
	prog    *ir.Program
	packet  uint64
	content map[*ir.Map]uint64
}

// Run calls the entry of p with a context whose packet is m.Packet.
func (m *Machine) Run(p *ir.Program) (uint64, error) {
	m.regions, m.steps = nil, 0
	r := &run{Machine: m, prog: p, content: map[*ir.Map]uint64{}}
	if m.Maps == nil {
		m.Maps = map[*ir.Map][]byte{}
	}
	ctx := m.add(make([]byte, 64))
	r.packet = m.add(m.Packet)
	for _, mp := range p.Maps {
		if m.Maps[mp] == nil {
			m.Maps[mp] = make([]byte, mp.ValueSize*int(mp.MaxEntries))
		}
		r.content[mp] = m.add(m.Maps[mp])
	}
	return r.call(p.Funcs[0], []uint64{ctx})
}

type frame struct {
	*run
	vals  []uint64
	slots []uint64
	args  []uint64
}

func (r *run) call(f *ir.Func, args []uint64) (uint64, error) {
	fr := &frame{run: r, vals: make([]uint64, f.NumValues()), args: args}
	for _, s := range f.Slots {
		fr.slots = append(fr.slots, r.add(make([]byte, s.Size)))
	}
	var prev *ir.Block
	for b := f.Blocks[0]; ; {
		if err := fr.phis(b, prev); err != nil {
			return 0, err
		}
		for _, v := range b.Values {
			if r.steps++; r.steps > maxSteps {
				return 0, errSteps
			}
			if v.Op == ir.OpPhi {
				continue
			}
			n, err := fr.value(v)
			if err != nil {
				return 0, fmt.Errorf("%s: %s: %w", f.Name, v.Text(), err)
			}
			fr.vals[v.ID] = n
		}
		prev = b
		switch b.Kind {
		case ir.KindReturn:
			if b.X == nil {
				return 0, nil
			}
			return fr.vals[b.X.ID], nil
		case ir.KindIf:
			if Holds(b.Cond, fr.vals[b.X.ID], fr.vals[b.Y.ID]) {
				b = b.Succs[0]
			} else {
				b = b.Succs[1]
			}
		default:
			b = b.Succs[0]
		}
	}
}

func (fr *frame) phis(b, prev *ir.Block) error {
	phis := b.Phis()
	if len(phis) == 0 {
		return nil
	}
	for i, p := range b.Preds {
		if p != prev {
			continue
		}
		in := make([]uint64, len(phis))
		for k, v := range phis {
			in[k] = fr.vals[v.Args[i].ID]
		}
		for k, v := range phis {
			fr.vals[v.ID] = in[k]
		}
		return nil
	}
	return fmt.Errorf("%s reached from nowhere", b)
}

// Holds reports whether x c y.
func Holds(c ir.Cond, x, y uint64) bool {
	switch c {
	case ir.Eq:
		return x == y
	case ir.Ne:
		return x != y
	case ir.ULt:
		return x < y
	case ir.ULe:
		return x <= y
	case ir.UGt:
		return x > y
	case ir.UGe:
		return x >= y
	case ir.SLt:
		return int64(x) < int64(y)
	case ir.SLe:
		return int64(x) <= int64(y)
	case ir.SGt:
		return int64(x) > int64(y)
	case ir.SGe:
		return int64(x) >= int64(y)
	}
	return x&y != 0
}

func (fr *frame) value(v *ir.Value) (uint64, error) {
	arg := func(i int) uint64 { return fr.vals[v.Args[i].ID] }
	switch v.Op {
	case ir.OpConst:
		return uint64(v.Imm), nil
	case ir.OpParam:
		return fr.args[v.Imm], nil
	case ir.OpSlot:
		return fr.slots[v.Slot.ID], nil
	case ir.OpMapPtr:
		for i, mp := range fr.prog.Maps {
			if mp == v.Map {
				return mapTag | uint64(i), nil
			}
		}
		return 0, errors.New("unknown map")
	case ir.OpMapValue:
		return fr.content[v.Map] + uint64(v.Imm), nil
	case ir.OpFuncAddr:
		for i, f := range fr.prog.Funcs {
			if f == v.Func {
				return funcTag | uint64(i), nil
			}
		}
		return 0, errors.New("unknown function")
	case ir.OpPktData:
		return fr.packet, nil
	case ir.OpPktEnd:
		return fr.packet + uint64(len(fr.Packet)), nil
	case ir.OpCmp:
		if Holds(v.Cond, arg(0), arg(1)) {
			return 1, nil
		}
		return 0, nil
	case ir.OpCallFunc:
		var args []uint64
		for i := range v.Args {
			args = append(args, arg(i))
		}
		return fr.call(v.Func, args)
	case ir.OpCall:
		return fr.helper(v)
	case ir.OpLoad, ir.OpStore, ir.OpAtomicAdd, ir.OpAtomicOr, ir.OpAtomicAnd, ir.OpAtomicXor, ir.OpFetchAdd, ir.OpAtomicXchg:
		return fr.memory(v)
	}
	var y uint64
	if len(v.Args) == 2 {
		y = arg(1)
	}
	return Arith(v.Op, v.Width, arg(0), y)
}

func (fr *frame) memory(v *ir.Value) (uint64, error) {
	b, err := fr.mem(fr.vals[v.Args[0].ID]+uint64(int64(v.Off)), v.Width)
	if err != nil {
		return 0, err
	}
	old := read(b)
	if v.Op == ir.OpLoad {
		return old, nil
	}
	x := fr.vals[v.Args[1].ID]
	switch v.Op {
	case ir.OpAtomicAdd, ir.OpFetchAdd:
		x += old
	case ir.OpAtomicOr:
		x |= old
	case ir.OpAtomicAnd:
		x &= old
	case ir.OpAtomicXor:
		x ^= old
	}
	write(b, x)
	return old, nil
}

// helper plays the kernel's helpers: lookup in arrays, the loops, and some
// without arguments, which give 0.
func (fr *frame) helper(v *ir.Value) (uint64, error) {
	arg := func(i int) uint64 { return fr.vals[v.Args[i].ID] }
	switch v.Imm {
	case 1: // map_lookup_elem
		mp := fr.prog.Maps[arg(0)&^uint64(mapTag)]
		key, err := fr.mem(arg(1), mp.KeySize)
		if err != nil {
			return 0, err
		}
		i := read(key)
		if i >= uint64(mp.MaxEntries) {
			return 0, nil
		}
		return fr.content[mp] + i*uint64(mp.ValueSize), nil
	case 5, 7, 8: // ktime_get_ns, get_prandom_u32, get_smp_processor_id
		return 0, nil
	case 181: // loop
		f := fr.prog.Funcs[arg(1)&^uint64(funcTag)]
		for i := range arg(0) {
			if n, err := fr.call(f, []uint64{i, arg(2)}); err != nil || n != 0 {
				return i + 1, err
			}
		}
		return arg(0), nil
	case 164: // for_each_map_elem
		mp, f := fr.prog.Maps[arg(0)&^uint64(mapTag)], fr.prog.Funcs[arg(1)&^uint64(funcTag)]
		for i := range uint64(mp.MaxEntries) {
			key := make([]byte, 4)
			write(key, i)
			n, err := fr.call(f, []uint64{arg(0), fr.add(key), fr.content[mp] + i*uint64(mp.ValueSize), arg(2)})
			if err != nil || n != 0 {
				return i + 1, err
			}
		}
		return uint64(mp.MaxEntries), nil
	}
	return 0, fmt.Errorf("unknown helper %d", v.Imm)
}
