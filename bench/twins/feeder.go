package twins

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"weir/datapath"
	"weir/hook"
)

// A feeder stands before a program in a test run that repeats. A test run hands
// one packet to every turn, as the turn before has left it; the feeder writes the
// next of its frames over it and goes on to the program by a tail call:
//
//	test run ──► feeder: frame n+1 ──► program ──┐
//	   ▲                                         │
//	   └─────────────────── verdict ◄────────────┘
//
// So the packets vary, and what the program writes is gone with the next turn. At
// hooks where nothing may be written all turns see the first frame.
//
// The order has no pattern that a branch predictor could learn: it is that of a
// linear congruential generator (Knuth, MMIX), the same for every program.
//
// The feeder begins and ends with an atomic exchange, which waits until all that
// came before is done and what was written is in the cache, where a card would
// have put it. Without the first, a processor does the feeder's work for the next
// turn during the program's, and a short program seems to take no time. Without
// the second, the program reads from the store buffer, at a price that depends on
// how wide its loads are.
type feeder struct {
	prog   *ebpf.Program
	run    *datapath.TestRun // of the first frame
	closes []interface{ Close() error }
}

// newFeeder makes a feeder of frames, which all have one length and whose number
// is a power of two. The target stays the caller's.
func newFeeder(h hook.Hook, target *ebpf.Program, frames [][]byte) (f *feeder, err error) {
	f = &feeder{}
	run, sees := datapath.NewTestRun(h, frames[0], nil)
	if !sees {
		return f, fmt.Errorf("feeder: %s never sees such a frame", h)
	}
	f.run = run
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("feeder: %w", err), f.Close())
		}
	}()
	store, err := f.add(&ebpf.MapSpec{Name: "frames", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(frames) * len(frames[0])), MaxEntries: 1})
	if err != nil {
		return f, err
	}
	var all []byte
	for _, b := range frames {
		all = append(all, b...)
	}
	if err := store.Put(uint32(0), all); err != nil {
		return f, err
	}
	next, err := f.add(&ebpf.MapSpec{Name: "next", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return f, err
	}
	jump, err := f.add(&ebpf.MapSpec{Name: "jump", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return f, err
	}
	if err := jump.Put(uint32(0), target); err != nil {
		return f, err
	}
	k := kindOf(h)
	f.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "feeder", Type: k.typ, AttachType: k.at, License: "GPL",
		Instructions: feed(k, frames, store.FD(), next.FD(), jump.FD()),
	})
	if err != nil {
		return f, err
	}
	f.closes = append(f.closes, f.prog)
	return f, nil
}

func (f *feeder) add(spec *ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(spec)
	if err == nil {
		f.closes = append(f.closes, m)
	}
	return m, err
}

// Constants of the generator.
const (
	multiplier = 6364136223846793005
	increment  = 1442695040888963407
)

// feed returns the feeder's instructions: r6 the context, r7 the
// generator's place, r9 its state, r8 the frame, r2 the packet.
func feed(k kind, frames [][]byte, store, next, jump int) asm.Instructions {
	ins := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMapValue(asm.R7, next, 0),
		asm.Mov.Imm(asm.R9, 0),
		exchange(asm.R7, asm.R9),
	}
	if k.end != 0 {
		ins = append(ins, overwrite(k, frames, store)...)
	}
	return append(ins,
		exchange(asm.R7, asm.R9),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.LoadMapPtr(asm.R2, jump),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnTailCall.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("short"),
		asm.Return(),
	)
}

// overwrite puts the next frame in the place of the packet.
func overwrite(k kind, frames [][]byte, store int) asm.Instructions {
	size := len(frames[0])
	ins := asm.Instructions{
		asm.LoadImm(asm.R1, multiplier, asm.DWord),
		asm.Mul.Reg(asm.R9, asm.R1),
		asm.LoadImm(asm.R1, increment, asm.DWord),
		asm.Add.Reg(asm.R9, asm.R1),
		asm.Mov.Reg(asm.R1, asm.R9),
		asm.RSh.Imm(asm.R1, int32(64-bits.Len(uint(len(frames)-1)))),
		asm.Mul.Imm(asm.R1, int32(size)),
		asm.LoadMapValue(asm.R8, store, 0),
		asm.Add.Reg(asm.R8, asm.R1),
		asm.LoadMem(asm.R2, asm.R6, k.data, asm.Word),
		asm.LoadMem(asm.R3, asm.R6, k.end, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R2),
		asm.Add.Imm(asm.R1, int32(size)),
		asm.JGT.Reg(asm.R1, asm.R3, "short"),
	}
	for off := 0; off < size; {
		width := asm.DWord
		for off+width.Sizeof() > size {
			width = map[asm.Size]asm.Size{asm.DWord: asm.Word, asm.Word: asm.Half, asm.Half: asm.Byte}[width]
		}
		ins = append(ins, asm.LoadMem(asm.R1, asm.R8, int16(off), width), asm.StoreMem(asm.R2, int16(off), asm.R1, width))
		off += width.Sizeof()
	}
	return ins
}

// exchange swaps src and the 64-bit word at dst.
func exchange(dst, src asm.Register) asm.Instruction {
	i := asm.Xchg.Mem(dst, src, asm.DWord, 0)
	i.Constant = int64(asm.Xchg >> 8) // what v0.22 of the library encodes
	return i
}

// Close gives back what the feeder holds.
func (f *feeder) Close() error {
	var errs []error
	for i := len(f.closes) - 1; i >= 0; i-- {
		errs = append(errs, f.closes[i].Close())
	}
	return errors.Join(errs...)
}
