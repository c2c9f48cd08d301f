package datapath

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"weir/lang"
	"weir/lang/diag"
	"weir/object"
)

// A VerifierError is a program that the kernel refused to load, told at the
// place of the source that it came from. A compiled chain is never refused: the
// compiler is at fault, or a function of a C object, told at the place of its
// source.
type VerifierError struct {
	diag.Diagnostic          // Message holds the verifier's words
	Log             []string // the verifier's log
	Err             error
}

// Error returns the diagnostic.
func (e *VerifierError) Error() string { return e.Diagnostic.String() }

// Unwrap returns the error of the load.
func (e *VerifierError) Unwrap() error { return e.Err }

var (
	// "; if ip.src in blocked: @ edge.weir:17", since Linux 6.10; before that
	// the source line alone.
	logPlace = regexp.MustCompile(`^; (.*) @ (.+):(\d+)$`)
	// "23: (79) r1 = *(u64 *)(r10 -8)"
	logInsn = regexp.MustCompile(`^(\d+): \([0-9a-f]{2}\) `)
	// What the verifier says beside its complaint.
	logNoise = regexp.MustCompile(`^(processed \d+ insns|verification time|stack depth|mark_precise|from \d+ to|caller:|callee:|\d+: |; |R\d+=|func#|Validating|Func#|$)`)
)

// verifierError makes a VerifierError of the error of a load of ins, a part of p, or
// nil if the verifier did not speak.
func verifierError(p *lang.Program, ins asm.Instructions, err error) *VerifierError {
	if errors.Is(err, unix.EFAULT) {
		return brokenVerifier(p, err)
	}
	var ve *ebpf.VerifierError
	if !errors.As(err, &ve) || len(ve.Log) == 0 {
		return nil
	}
	e := &VerifierError{Log: ve.Log, Err: err}
	e.Code = "verifier"
	e.Pos = diag.Pos{File: p.Chains[0].File}
	words, fn := "", ""
	for i, line := range ve.Log {
		if m := logPlace.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[3])
			e.Pos = diag.Pos{File: m[2], Line: n}
		}
		if m := logInsn.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			if at := placeOf(ins, n); at.pos.Line != 0 {
				e.Pos, e.Text, fn = at.pos, at.text, at.fn
			}
		}
		if !logNoise.MatchString(line) {
			words = strings.TrimSpace(line)
			// A complaint about a register follows what it was about.
			if i > 0 && strings.HasPrefix(ve.Log[i-1], "invalid ") {
				words = strings.TrimSpace(ve.Log[i-1]) + ": " + words
			}
		}
	}
	if words == "" {
		words = ve.Log[len(ve.Log)-1]
	}
	e.Message = "the kernel's verifier refused the program: " + words
	e.Hint = "this is a fault of the compiler, not of the chain: please report it with the chain"
	if errors.Is(err, unix.E2BIG) {
		e.Message = "there are more ways through the chain than the kernel's verifier looks at, and here it gave up: " + words
		e.Hint = "look in a table again instead of keeping many of its entries, and return as soon as a packet is decided; please report it with the chain"
	}
	if errors.Is(err, unix.E2BIG) && lookedAt(p) {
		e.Hint = "the chain is too long to be looked at statement by statement: try a part of it"
	}
	if name, ok := strings.CutPrefix(words, "unknown func "); ok {
		e.Message = fmt.Sprintf("this kernel has no helper %s", name)
		e.Hint = "a newer kernel is needed here"
	}
	if l := linked(p, fn); l != nil {
		e.Message = fmt.Sprintf("the kernel's verifier refused %s() of %s: %s", strings.TrimPrefix(fn, l.Symbol("")), l.File, words)
		e.Hint = "this is a fault of the C code, or of what it expects of its arguments: change it there"
		return e
	}
	e.Text = sourceLine(p, e.Pos)
	return e
}

// lookedAt reports whether the program counts, times or notes its statements.
func lookedAt(p *lang.Program) bool {
	return slices.ContainsFunc(p.Maps, func(m lang.Map) bool {
		return m.System == lang.LineMap || m.System == lang.StepMap || m.System == lang.TimeMap
	})
}

// linked returns the object that a function of a program came from, or nil.
func linked(p *lang.Program, fn string) *object.Link {
	for i := range p.Objects {
		if l := &p.Objects[i]; strings.HasPrefix(fn, l.Symbol("")) {
			return l
		}
	}
	return nil
}

// brokenVerifier tells of a load that ended with EFAULT: the verifier found a fault
// of its own, and its log is lost.
func brokenVerifier(p *lang.Program, err error) *VerifierError {
	return &VerifierError{Err: err, Diagnostic: diag.Diagnostic{
		Pos: diag.Pos{File: p.Chains[0].File}, Code: "verifier",
		Message: "the kernel's verifier broke on the program, and its log is lost",
		Hint:    "this is a fault of the kernel, not of the chain: please report it with the chain and with what dmesg says",
	}}
}

// A place is where an instruction came from.
type place struct {
	pos  diag.Pos
	text string // of the line
	fn   string // the symbol of the function
}

// placeOf returns the place of instruction n of a program, in the kernel's count, in
// which a 64-bit load takes two.
func placeOf(ins asm.Instructions, n int) (at place) {
	for it := ins.Iterate(); it.Next() && it.Offset <= asm.RawInstructionOffset(n); {
		if s := it.Ins.Symbol(); s != "" {
			at = place{fn: s}
		}
		if l, ok := it.Ins.Source().(*btf.Line); ok {
			at.pos, at.text = diag.Pos{File: l.FileName(), Line: int(l.LineNumber()), Col: int(l.LineColumn())}, l.Line()
		}
	}
	return at
}

func sourceLine(p *lang.Program, pos diag.Pos) string {
	for _, s := range p.Sources {
		if s.Name != pos.File {
			continue
		}
		src := diag.Source{}
		src.Add(s.Name, []byte(s.Text))
		return src.Line(pos.File, pos.Line)
	}
	return ""
}
