package check

import (
	"fmt"
	"strings"

	"weir/lang/value"
)

// String returns the tree as text: the order of its chains, if there are several,
// what the program declares, then its functions, one statement a line. Types stand after the names of locals, and after
// expressions where they are not plain to see; a read of a map or header names
// what it reads.
func (p *Program) String() string {
	pr := &printer{p: p}
	if len(p.Chains) > 1 {
		for i, c := range p.Chains {
			pr.line("chain %d: %s, %s of %s", i, c.Name, c.Func, c.File)
		}
	}
	for _, m := range p.Maps {
		pr.line("map %s: %s", m.Name, mapLine(m))
	}
	for _, q := range p.Params {
		pr.line("param %s: %s = %s%s", q.Name, q.Type, paramText(q), unitText(q))
	}
	for i, c := range p.Counters {
		pr.line("counter %d: %q", i, c)
	}
	for i, h := range p.Hists {
		pr.line("hist %d: %q", i, h)
	}
	for _, f := range p.Funcs {
		pr.function(f)
	}
	return pr.b.String()
}

func mapLine(m *Map) string {
	s := m.Kind.String() + "("
	switch {
	case m.Key.Kind == value.None:
		s += m.Value.String()
	case m.Value.Kind == value.None:
		s += m.Key.String()
	default:
		s += m.Key.String() + ", " + m.Value.String()
	}
	s += fmt.Sprintf(", size = %d", m.Size)
	if m.TTL > 0 {
		s += ", expiring = " + m.TTL.String()
	}
	if m.PerCPU {
		s += ", percpu = True"
	}
	if len(m.Init) > 0 {
		s += fmt.Sprintf(", init = %d entries", len(m.Init))
	}
	return s + ")"
}

func paramText(q *Param) string {
	if q.Type.Kind == value.Bool {
		return boolText(q.Default != 0)
	}
	if q.Type.Signed {
		return fmt.Sprint(int64(q.Default))
	}
	return fmt.Sprint(q.Default)
}

func unitText(q *Param) string {
	if q.Unit == "" {
		return ""
	}
	return " " + q.Unit
}

func boolText(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

type printer struct {
	p      *Program
	b      strings.Builder
	indent int
	names  map[*Func]string
}

func (pr *printer) line(format string, args ...any) {
	pr.b.WriteString(strings.Repeat("    ", pr.indent))
	fmt.Fprintf(&pr.b, format, args...)
	pr.b.WriteByte('\n')
}

// name tells specialisations of one function apart: f, f#2, f#3.
func (pr *printer) name(f *Func) string {
	if pr.names == nil {
		pr.names = map[*Func]string{}
		count := map[string]int{}
		for _, g := range pr.p.Funcs {
			count[g.Name]++
			pr.names[g] = g.Name
			if n := count[g.Name]; n > 1 {
				pr.names[g] = fmt.Sprintf("%s#%d", g.Name, n)
			}
		}
	}
	return pr.names[f]
}

func (pr *printer) function(f *Func) {
	var ps []string
	for _, l := range f.Params {
		ps = append(ps, local(l))
	}
	result := ""
	if f.Result.Kind != value.None {
		result = " -> " + f.Result.String()
	}
	pr.line("")
	pr.line("def %s(%s)%s:", pr.name(f), strings.Join(ps, ", "), result)
	pr.block(f.Body)
}

func local(l *Local) string { return l.Name + ": " + l.Type.String() }

func (pr *printer) block(body []Stmt) {
	pr.indent++
	if len(body) == 0 {
		pr.line("pass")
	}
	for _, s := range body {
		pr.stmt(s)
	}
	pr.indent--
}

var updateNames = [...]string{"=", "+=", "-=", "|=", "&=", "^="}

func (pr *printer) stmt(s Stmt) {
	switch s := s.(type) {
	case *Assign:
		pr.line("%s = %s", local(s.Local), pr.expr(s.X))
	case *SetField:
		pr.line("%s.%s %s %s", pr.expr(s.Rec), s.Rec.Type().Names[s.Index], updateNames[s.Op], pr.expr(s.X))
	case *SetHeader:
		pr.line("%s.%s = %s", pr.expr(s.View), s.Field.Name, pr.expr(s.X))
	case *SetPacket:
		pr.line("pkt.%s = %s", s.Name, pr.expr(s.X))
	case *SetMap:
		if s.X == nil {
			pr.line("%s.add(%s)", s.Map.Name, pr.expr(s.Key))
			return
		}
		pr.line("%s[%s] %s %s", s.Map.Name, pr.expr(s.Key), updateNames[s.Op], pr.expr(s.X))
	case *Delete:
		pr.line("%s.discard(%s)", s.Map.Name, pr.expr(s.Key))
	case *Count:
		pr.line("count(%q, %s)", pr.p.Counters[s.Counter], pr.expr(s.N))
	case *Emit:
		pr.line("%s.emit(%s)", s.Map.Name, pr.expr(s.X))
	case *LogLine:
		pr.line("log(%q, %s)", strings.Join(s.Log.Parts, "{}"), pr.expr(s.X))
	case *Hist:
		pr.line("hist(%q, %s)", pr.p.Hists[s.Hist], pr.expr(s.X))
	case *Eval:
		pr.line("%s", pr.expr(s.X))
	case *If:
		pr.line("if %s:", pr.expr(s.Cond))
		pr.block(s.Then)
		if len(s.Else) > 0 {
			pr.line("else:")
			pr.block(s.Else)
		}
	case *Block:
		pr.line("block:")
		pr.block(s.Body)
	case *Range:
		pr.line("for %s in range(%s, %s, %d), at most %d:", local(s.Var), pr.expr(s.Start), pr.expr(s.Stop), s.Step, s.Max)
		pr.block(s.Body)
	case *Unrolled:
		for i, t := range s.Turns {
			pr.line("turn %d of %d:", i+1, len(s.Turns))
			pr.block(t)
		}
	case *While:
		pr.line("while %s, at most %d:", pr.expr(s.Cond), s.Max)
		pr.block(s.Body)
	case *Return:
		if s.X == nil {
			pr.line("return")
			return
		}
		pr.line("return %s", pr.expr(s.X))
	case *Break:
		pr.line("break")
	case *Continue:
		pr.line("continue")
	case *Mark:
		pr.line("mark %d:%d", s.Pos.Line, s.Pos.Col)
	default:
		pr.line("%T", s)
	}
}
