package check

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// pushPop is m.push(v) and m.pop() of a queue or stack.
func (p *pass) pushPop(e *syntax.CallExpr, m *Map, name string) operand {
	p.c.used[m] = true
	if name == "pop" {
		if _, ok := p.passArgs(e, name, nil, 0, 0); !ok {
			return operand{}
		}
		return run(&Dequeue{Base{m.Value, at(e)}, m})
	}
	args, ok := p.passArgs(e, name, []string{"value"}, 1, 1)
	if !ok {
		return operand{}
	}
	x := p.store(args[0].e, p.value(args[0].e, args[0].o), m.Value, m.Name)
	if x == nil {
		return operand{}
	}
	return run(&Enqueue{Base{value.BoolT, at(e)}, m, x})
}

// emitCall is r.emit(a = 1, b = x) or, of a whole record or another value,
// r.emit(v).
func (p *pass) emitCall(e *syntax.CallExpr, m *Map) {
	p.c.used[m] = true
	named := len(e.Args) == 0
	for _, a := range e.Args {
		b, ok := a.(*syntax.BinaryExpr)
		named = named || ok && b.Op == syntax.EQ
	}
	var x Expr
	if m.Value.Kind == value.Record && named {
		x = p.newRecord(e, &typeVal{m.Value}).x
	} else {
		args, ok := p.passArgs(e, "emit", []string{"value"}, 1, 1)
		if !ok {
			return
		}
		x = p.store(args[0].e, p.value(args[0].e, args[0].o), m.Value, m.Name)
	}
	if x != nil {
		p.emit(&Emit{Pos: at(e), Map: m, X: x})
	}
}

// log is log("fmt {}", x, …).
func (p *pass) log(e *syntax.CallExpr) {
	if len(e.Args) == 0 {
		p.errorf(e, "call", "write log(\"{} bytes\", pkt.len)", "log() needs a text")
		return
	}
	ok := true
	ops := make([]operand, len(e.Args))
	for i, a := range e.Args {
		if b, named := a.(*syntax.BinaryExpr); named && b.Op == syntax.EQ {
			p.errorf(a, "call", "give the values in the order of the {}", "log() has no arguments with names")
			ok = false
			a = b.Y
		}
		ops[i] = p.expr(a)
		ok = ok && !ops[i].bad()
	}
	if !ok {
		return
	}
	text, isText := ops[0].v.(starlark.String)
	if !isText {
		p.errorf(e.Args[0], "type", "write log(\"{} bytes\", pkt.len)", "the text of a log is a string that is known at build time")
		return
	}
	parts, good := cutFormat(string(text))
	switch {
	case !good:
		p.errorf(e.Args[0], "value", "write {} for each value, {{ and }} for brackets", "%s has a bracket that is not {}", text)
		return
	case len(parts) != len(ops):
		p.errorf(e.Args[0], "call", "write one {} for each value", "the text has %s for %s", places(len(parts)-1), valuesOf(len(ops)-1))
		return
	}
	p.logLine(e, parts, ops)
}

func places(n int) string {
	if n == 1 {
		return "one {}"
	}
	return itoa(uint64(n)) + " {}"
}

func valuesOf(n int) string {
	if n == 1 {
		return "one value"
	}
	return itoa(uint64(n)) + " values"
}

// logLine emits a log whose text is cut into parts. Strings, which are known at
// build time, become part of the text.
func (p *pass) logLine(e *syntax.CallExpr, parts []string, ops []operand) {
	l := &Log{Pos: at(e), Parts: parts[:1:1], Type: value.Type{Kind: value.Tuple}}
	x := &TupleOf{}
	for i, o := range ops[1:] {
		if s, ok := o.v.(starlark.String); ok {
			l.Parts[len(l.Parts)-1] += string(s) + parts[i+1]
			continue
		}
		v := p.value(e.Args[i+1], o)
		if v == nil {
			return
		}
		t := v.Type()
		if !t.Stored() {
			p.errorf(e.Args[i+1], "type", "log a field of it, or bool() of it", "%s cannot be logged", what(t))
			return
		}
		x.Elems = append(x.Elems, v)
		l.Type.Elems = append(l.Type.Elems, t)
		l.Parts = append(l.Parts, parts[i+1])
	}
	x.Base = Base{l.Type, at(e)}
	if n := l.Type.Size(); n > maxLog {
		p.errorf(e, "limit", "log less", "the values of the log have %d bytes, more than the limit of %d", n, maxLog)
		return
	}
	p.emit(&LogLine{Pos: at(e), Log: l, X: x})
}

// cutFormat cuts a text at each {}; it reports false if there are other brackets
// than {{ and }}.
func cutFormat(text string) ([]string, bool) {
	parts := []string{""}
	for len(text) > 0 {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			i = len(text)
		}
		last := &parts[len(parts)-1]
		*last += text[:i]
		switch text = text[i:]; {
		case text == "":
		case strings.HasPrefix(text, "{{"), strings.HasPrefix(text, "}}"):
			*last += text[:1]
			text = text[2:]
		case strings.HasPrefix(text, "{}"):
			parts = append(parts, "")
			text = text[2:]
		default:
			return nil, false
		}
	}
	return parts, true
}
