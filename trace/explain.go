package trace

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"weir/lang"
	"weir/lang/diag"
)

// A Way is what a packet met on its way through a program, and what became of it. Its
// JSON form is fixed.
type Way struct {
	Result
	Where      string      `json:"where,omitempty"` // of a chain that is attached: the place
	Frame      []byte      `json:"-"`               // as it came; of a chain that is attached, its first octets
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
		s := statementOf(out, m.At)
		if s == nil {
			continue
		}
		if m.Kind == lang.StepBranch {
			s.Holds = &m.Flag
		} else if n := noteOf(m); n != "" {
			s.Notes = append(s.Notes, n)
		}
	}
	return out
}

// statementOf returns the statement that a note belongs to: the last one of its line,
// since what a call in it did stands between, or else the last of all.
func statementOf(list []Statement, at lang.Line) *Statement {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Line == at.Line && list[i].File == at.File {
			return &list[i]
		}
	}
	if len(list) == 0 {
		return nil
	}
	return &list[len(list)-1]
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
		return v(0) + " " + m.Name + " " + v(1)
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
