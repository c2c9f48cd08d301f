package trace

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"weir/lang"
	"weir/lang/diag"
	"weir/lang/value"
)

// A Way is what a packet met on its way through a program, and what became of it. Its
// JSON form is fixed.
type Way struct {
	Result
	Where      string      `json:"where,omitempty"` // of a chain that is attached: the place
	Frame      []byte      `json:"-"`               // as it came; of a chain that is attached, its first octets
	Bare       bool        `json:"-"`               // the place has no Ethernet headers: that of Frame is made up
	Statements []Statement `json:"statements"`
	Lost       uint64      `json:"lost,omitempty"` // octets of notes for which there was no room: the way went on
}

// A Statement is one that a packet reached, each time anew.
type Statement struct {
	File  string   `json:"file"`
	Line  int      `json:"line"`
	Text  string   `json:"text"`            // of the line
	Holds *bool    `json:"holds,omitempty"` // the condition of an if or while, as it was last
	Notes []string `json:"notes,omitempty"` // what was compared, looked up, assigned, one after another
	Again bool     `json:"again,omitempty"` // the head of a loop that comes to another turn
}

// ExplainOptions are options of [Explain].
type ExplainOptions struct {
	Packet int               // the one to tell of, from 1; 0: all. Those before it are run as well.
	Set    map[string]string // values of parameters, by name
	Each   func(Way) error
}

// Explain runs p, which was compiled with lang.Options.Trace and Steps for its hook, on
// the packets of a pcap or pcapng file, and tells the way of each. The clock is as for
// [Replay].
func Explain(ctx context.Context, p *lang.Program, in io.Reader, o ExplainOptions) error {
	err := OnOneCPU(func() error { return explain(ctx, p, in, o) })
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	return nil
}

func explain(ctx context.Context, p *lang.Program, in io.Reader, o ExplainOptions) (err error) {
	var r *Runner
	defer func() {
		if r != nil {
			r.Close()
		}
	}()
	n, now := 0, epoch
	err = Packets(in, func(data []byte, at time.Time) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if at.After(now) {
			now = at
		}
		if r == nil {
			if r, err = NewRunner(p, RunnerOptions{Set: o.Set, Start: now}); err != nil {
				return err
			}
		}
		if n++; o.Packet > 0 && n > o.Packet {
			return io.EOF
		}
		w, err := r.explain(p, data, now)
		if err != nil {
			return fmt.Errorf("packet %d: %w", n, err)
		}
		if w.N = n; o.Packet > 0 && n != o.Packet {
			return nil
		}
		return o.Each(w)
	})
	if err == io.EOF {
		err = nil
	}
	if err == nil && n < o.Packet {
		err = fmt.Errorf("there is no packet %d: the capture has %d", o.Packet, n)
	}
	return err
}

func (r *Runner) explain(p *lang.Program, data []byte, at time.Time) (Way, error) {
	if err := r.ForgetSteps(p); err != nil {
		return Way{}, err
	}
	res, _, err := r.Run(data, at)
	w := Way{Result: res, Frame: data}
	if err != nil || res.Error != "" {
		return w, err
	}
	met, lost, err := r.Steps(p)
	w.Statements, w.Lost = Statements(p, met), lost
	return w, err
}

// Statements makes of what a packet met the statements that it reached, in order.
func Statements(p *lang.Program, met []lang.Met) []Statement {
	text := diag.Source{}
	for _, s := range p.Sources {
		text.Add(s.Name, []byte(s.Text))
	}
	var out []Statement
	for _, m := range met {
		if m.Kind == lang.StepReached {
			line := strings.TrimRight(text.Line(m.At.File, m.At.Line), " ")
			out = append(out, Statement{File: m.At.File, Line: m.At.Line, Text: line})
			continue
		}
		at := statementOf(out, m.At)
		if at < 0 {
			continue
		}
		if turned(text, out[at:]) {
			out = append(out, Statement{File: m.At.File, Line: out[at].Line, Text: out[at].Text, Again: true})
			at = len(out) - 1
		}
		s := &out[at]
		if m.Kind == lang.StepBranch {
			s.Holds = &m.Flag
		} else if n := noteOf(m); n != "" {
			s.Notes = append(s.Notes, n)
		}
	}
	return out
}

// statementOf returns the index of the statement that a note belongs to: the last one of
// its line, since what a call in it did stands between, or else the last of all. It is
// negative if there is none.
func statementOf(list []Statement, at lang.Line) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Line == at.Line && list[i].File == at.File {
			return i
		}
	}
	return len(list) - 1
}

// turned reports whether the first of the statements is the head of a loop whose body is
// among the others: the loop comes to another turn.
func turned(text diag.Source, list []Statement) bool {
	head := list[0]
	first, _, _ := strings.Cut(strings.TrimLeft(head.Text, " \t"), " ")
	if first != "for" && first != "while" {
		return false
	}
	end := 0 // the first line behind the body; unknown as yet
	for _, s := range list[1:] {
		if s.File != head.File || s.Line <= head.Line {
			continue
		}
		if end == 0 {
			end = behind(text, head)
		}
		if s.Line < end {
			return true
		}
	}
	return false
}

// behind returns the first line behind the body of a loop.
func behind(text diag.Source, head Statement) int {
	n := head.Line + 1
	for ; n <= len(text[head.File]); n++ {
		line := strings.TrimSpace(text.Line(head.File, n))
		if line != "" && line[0] != '#' && indent(text.Line(head.File, n)) <= indent(head.Text) {
			break
		}
	}
	return n
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

// contrary are the operators that hold where others do not.
var contrary = map[string]string{"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}

// holding returns the operator by which the two sides of a comparison stand to each other:
// its own where it holds, or else the contrary, so that what is told is always true.
func holding(m lang.Met) string {
	a, b := m.Types[0], m.Types[1]
	equal, less := a.Format(m.Values[0]) == b.Format(m.Values[1]), false
	if a.Kind == value.Int && b.Kind == value.Int {
		x, y := a.Word(m.Values[0]), b.Word(m.Values[1])
		equal, less = x == y, x < y
		if a.Signed || b.Signed {
			less = int64(x) < int64(y)
		}
	}
	holds, known := map[string]bool{"==": equal, "!=": !equal, "<": less, ">=": !less, ">": !less && !equal, "<=": less || equal}[m.Name]
	if known && !holds {
		return contrary[m.Name]
	}
	return m.Name
}

// noteOf says in words what a packet met.
func noteOf(m lang.Met) string {
	v := func(i int) string { return m.Types[i].Format(m.Values[i]) }
	switch m.Kind {
	case lang.StepAssigned:
		switch {
		case !m.Flag:
			return m.Name + " is not there"
		case len(m.Values) == 0:
			return m.Name + " is there"
		}
		return m.Name + " = " + v(0)
	case lang.StepCompared:
		return v(0) + " " + holding(m) + " " + v(1)
	case lang.StepLooked:
		switch {
		case !m.Flag:
			return m.Name + " has no " + v(0)
		case len(m.Values) < 2:
			return m.Name + " has " + v(0)
		}
		return m.Name + "[" + v(0) + "] is " + v(1)
	case lang.StepStored:
		if len(m.Values) < 2 {
			return m.Name + " gets " + v(0)
		}
		return m.Name + "[" + v(0) + "] = " + v(1)
	case lang.StepBecame:
		return m.Name + "[…] = " + v(0)
	}
	return ""
}
