package twins

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"weir/hook"
	"weir/lang"
)

// A Kind of module: how modules that do nothing follow one another.
type Kind string

// The kinds.
const (
	Chains    Kind = "chains of weir"
	Small     Kind = "small functions of a C object" // they stand in the place of their calls
	Called    Kind = "called functions of a C object"
	TailCalls Kind = "raw tail calls"
)

// MaxModules is how many modules there are of each kind; the kernel makes 33 tail calls
// in a row (MAX_TAIL_CALL_CNT), one of which is the feeder's.
const MaxModules = 32

// Modules opens rows of n modules that do nothing, one after another, of each kind:
// in the order of the kinds, and of each in that of ns. Beside them, as ours, a chain
// without modules; the floor is an empty program.
func Modules(h hook.Hook, ns ...int) (p *Pair, err error) {
	tr := newTraffic()
	p = &Pair{Twin: Twin{Name: "modules", Title: "modules that do nothing"}, frames: joinedFrames(tr)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.floor, err = empty(h, p.frames); err != nil {
		return p, err
	}
	if p.ours, err = program("weir", h, p.frames, nothing(0)); err != nil {
		return p, err
	}
	if p.again, err = program("weir again", h, p.frames, nothing(0)); err != nil {
		return p, err
	}
	for _, k := range []Kind{Chains, Small, Called, TailCalls} {
		for _, n := range ns {
			s, err := modules(k, h, n, p.frames)
			if err != nil {
				return p, fmt.Errorf("%d %s: %w", n, k, err)
			}
			p.peers = append(p.peers, s)
		}
	}
	return p, nil
}

// Passes reports whether every program lets every frame pass, as rows of modules do
// if each is come to.
func (p *Pair) Passes() error {
	for _, s := range p.sides() {
		pass, _ := s.hook.Code("PASS")
		for _, f := range p.frames {
			got, err := s.run(f)
			if err != nil {
				return err
			}
			if got.verdict != pass || !bytes.Equal(got.frame, f) {
				return fmt.Errorf("%s: %w: %s makes %d of frame %x, not %d", p.Name, ErrDiffer, s.name, got.verdict, f, pass)
			}
		}
	}
	return nil
}

// nothing is the i-th chain that lets all pass.
func nothing(i int) lang.Part {
	return lang.Part{File: fmt.Sprintf("null%d.weir", i), Source: []byte("def main(pkt):\n    return PASS\n")}
}

// modules loads a row of n modules.
func modules(k Kind, h hook.Hook, n int, frames [][]byte) (*side, error) {
	if k == TailCalls {
		return tailCalls(h, n, frames)
	}
	var parts []lang.Part
	for i := range n {
		part := nothing(i)
		if name, ok := map[Kind]string{Small: "null", Called: "called"}[k]; ok {
			part.Source = fmt.Appendf(nil, "load(\"./null.%s.v3.o\", f = \"%s%d\")\n\ndef main(pkt):\n    if f(pkt):\n        return DROP\n    return PASS\n", kindOf(h).object, name, i)
		}
		parts = append(parts, part)
	}
	return program(string(k), h, frames, parts...)
}

// tailCalls loads a row of programs, each of which calls the next. The last lets the
// packet pass; where a call fails it is dropped.
func tailCalls(h hook.Hook, n int, frames [][]byte) (s *side, err error) {
	s = &side{name: string(TailCalls), hook: h}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	next, err := ebpf.NewMap(&ebpf.MapSpec{Name: "row", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: uint32(n) + 1})
	if err != nil {
		return s, err
	}
	s.closes = append(s.closes, next.Close)
	pass, _ := h.Code("PASS")
	drop, _ := h.Code("DROP")
	kind := kindOf(h)
	for i := range n + 1 {
		code := asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()}
		if i < n {
			code = asm.Instructions{
				asm.LoadMapPtr(asm.R2, next.FD()), asm.Mov.Imm(asm.R3, int32(i)+1), asm.FnTailCall.Call(),
				asm.Mov.Imm(asm.R0, drop), asm.Return(),
			}
		}
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "row", Type: kind.typ, AttachType: kind.at, License: "GPL", Instructions: code})
		if err != nil {
			return s, err
		}
		s.closes = append(s.closes, prog.Close)
		if err := next.Put(uint32(i), prog); err != nil {
			return s, err
		}
		if i == 0 {
			s.prog = prog
		}
	}
	return newSide(s, frames)
}
