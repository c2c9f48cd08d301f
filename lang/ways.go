package lang

import (
	"weir/lang/diag"
	"weir/lang/lower"
)

// Ways are the calls by which a program comes to its statements: it has one function,
// the others are inlined where they are called.
type Ways struct {
	Calls        []Call
	Lines, Times []int // index in Calls of the call that each of Program.Lines and Program.Times is in
}

// A Call is a function with where it is called.
type Call struct {
	Func string
	At   Line // of the call; none of the function of a chain
	From int  // index in Ways.Calls of the call that At is in; -1: none
}

// A Frame is a function on the way to a statement.
type Frame struct {
	Func string
	At   Line // of the statement, or of the call of the frame before
}

// Stack returns the functions that a statement is in, which is in a call of that index:
// its own first, the chain's last.
func (w *Ways) Stack(at Line, call int) []Frame {
	var out []Frame
	for call >= 0 {
		c := w.Calls[call]
		out = append(out, Frame{c.Func, at})
		at, call = c.At, c.From
	}
	return out
}

// takePlaces takes over what is counted, and timed.
func (p *Program) takePlaces(low *lower.Result) {
	if len(low.Lines)+len(low.Times) == 0 {
		return
	}
	for _, c := range low.Calls {
		p.Ways.Calls = append(p.Ways.Calls, Call{c.Name, lineOf(c.Pos), c.From})
	}
	for _, x := range low.Lines {
		p.Lines, p.Ways.Lines = append(p.Lines, lineOf(x.Pos)), append(p.Ways.Lines, x.Call)
	}
	for _, x := range low.Times {
		p.Times, p.Ways.Times = append(p.Times, lineOf(x.Pos)), append(p.Ways.Times, x.Call)
	}
}

func lineOf(pos diag.Pos) Line { return Line{File: pos.File, Line: pos.Line, Col: pos.Col} }
