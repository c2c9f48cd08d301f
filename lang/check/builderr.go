package check

import (
	"slices"

	"errors"
	"path"
	"regexp"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
)

// resolveErrors reports what the resolver found: names that nothing defines, and
// statements in places where they mean nothing.
func (b *builder) resolveErrors(file string, err error) {
	var l resolve.ErrorList
	if !errors.As(err, &l) {
		b.errorf(diag.Pos{File: file}, "name", "", "%s", err)
		return
	}
	for _, e := range l {
		code, msg, hint := b.resolveError(file, e)
		b.errorf(posOf(e.Pos), code, hint, "%s", msg)
	}
}

// withUnknown resolves a file again whose only errors are inside functions: names
// that nothing defines, as if these were defined, and break and continue outside
// of loops, as if these were pass. Build time goes on, and what else is wrong with
// the functions can be told, too. It returns nil if the file has other errors.
func (b *builder) withUnknown(file string, src []byte, f *syntax.File, err error) (*syntax.File, *starlark.Program) {
	var l resolve.ErrorList
	if !errors.As(err, &l) {
		return nil, nil
	}
	unknown, stray := map[string]bool{}, map[diag.Pos]bool{}
	for _, e := range l {
		name, ok := strings.CutPrefix(e.Msg, "undefined: ")
		if !insideDef(f, e.Pos) || !ok && !strings.Contains(e.Msg, "not in a loop") {
			return nil, nil
		}
		if !ok {
			stray[posOf(e.Pos)] = true
			continue
		}
		name, _, _ = strings.Cut(name, " ")
		unknown[name] = true
	}
	// The tree keeps what it was resolved to: a new one.
	again, err := b.tree(file, src)
	if err != nil {
		return nil, nil
	}
	syntax.Walk(again, func(n syntax.Node) bool {
		if s, ok := n.(*syntax.BranchStmt); ok && stray[posOf(s.TokenPos)] {
			s.Token = syntax.PASS
		}
		return true
	})
	prog, err := starlark.FileProgram(again, func(name string) bool { return unknown[name] || b.envOf(file).Has(name) })
	if err != nil {
		return nil, nil
	}
	b.unknown += len(l)
	return again, prog
}

// insideDef reports whether a place lies in the body of a function.
func insideDef(f *syntax.File, pos syntax.Position) bool {
	inside := false
	syntax.Walk(f, func(n syntax.Node) bool {
		if d, ok := n.(*syntax.DefStmt); ok {
			start, _ := d.Body[0].Span()
			_, end := d.Span()
			inside = inside || !before(pos, start) && !before(end, pos)
		}
		if l, ok := n.(*syntax.LambdaExpr); ok {
			start, end := l.Body.Span()
			inside = inside || !before(pos, start) && !before(end, pos)
		}
		return !inside
	})
	return inside
}

func before(a, b syntax.Position) bool { return a.Line < b.Line || a.Line == b.Line && a.Col < b.Col }

func (b *builder) resolveError(file string, e resolve.Error) (code, msg, hint string) {
	if name, ok := strings.CutPrefix(e.Msg, "undefined: "); ok {
		name, _, _ = strings.Cut(name, " ")
		return "name", "nothing is named " + name, b.undefinedHint(file, name, e.Pos)
	}
	if _, name, ok := strings.Cut(e.Msg, "leading underscores are not exported: "); ok {
		return "load", name + " is private to the file that defines it", "give it a name there that does not begin with _"
	}
	for _, r := range resolverWords {
		if strings.Contains(e.Msg, r.has) {
			msg := r.msg
			if msg == "" {
				msg = e.Msg
			}
			return "syntax", msg, r.hint
		}
	}
	return "syntax", e.Msg, "see the language's manual"
}

// resolverWords turn the resolver's words into the language's.
var resolverWords = []struct{ has, msg, hint string }{
	{"break not in a loop", "break stands outside of a loop", "it belongs into the body of a for or while"},
	{"not in a loop", "continue stands outside of a loop", "it belongs into the body of a for or while"},
	{"return statement not within", "return stands outside of a function", "verdicts are returned by functions; at the top level there is none"},
	{"load statement within", "load stands inside a block", "load at the top level of the file, before what uses it"},
	{"duplicate parameter", "", "each parameter needs a name of its own"},
	{"is repeated", "", "give each argument once"},
	{"required parameter may not follow optional", "", "parameters with defaults come last"},
	{"may not follow", "", "positional arguments come first, then those with names"},
	{"augmented assignment", "", "assign to one name at a time"},
	{"can't assign to", "", "a name, a field or a map's entry stands on the left"},
	{"limit is 255", "", "pass a list or a struct"},
	{"bare * must be followed", "", "name a parameter after the *"},
	{"cannot reassign", "", "give it another name"},
	{"multiple *", "", "use one"},
}

// undefinedHint says what to do about a name that nothing defines.
func (b *builder) undefinedHint(file, name string, pos syntax.Position) string {
	if h, ok := pythonNames[name]; ok {
		return h
	}
	if m, ok := fieldNames[name]; ok && m != "" {
		return "write " + m
	}
	var names []string
	for n := range b.envOf(file) {
		names = append(names, n)
	}
	for n := range starlark.Universe {
		names = append(names, n)
	}
	if m := b.modules[path.Clean(file)]; m != nil && m.syntax != nil {
		names = append(names, namesIn(m.syntax, pos)...)
	}
	if h := wordHint(name); h != "" {
		return h
	}
	switch n := nearest(name, names); n {
	case "":
	case name:
		return "move what defines it above this line"
	default:
		return "did you mean " + n + "?"
	}
	if file == MatchFile {
		return "a match can name the packet, what the language has, and what the file of the chain has but for functions"
	}
	if name == "token_bucket" {
		return `load it: load("std/rate.weir", "token_bucket")`
	}
	return "define it, or load it from the module that has it"
}

// namesIn lists what a file binds: globals, and the locals of the function
// around pos.
func namesIn(f *syntax.File, pos syntax.Position) []string {
	var out []string
	add := func(id *syntax.Ident) { out = append(out, id.Name) }
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.File:
			return true
		case *syntax.DefStmt:
			add(n.Name)
			start, end := n.Span()
			inside := !pos.IsValid() || start.Line <= pos.Line && pos.Line <= end.Line
			if inside {
				for _, p := range n.Params {
					if b, ok := p.(*syntax.BinaryExpr); ok {
						p = b.X
					}
					if id, ok := p.(*syntax.Ident); ok {
						add(id)
					}
				}
			}
			return inside
		case *syntax.LoadStmt:
			for _, id := range n.To {
				add(id)
			}
			return false
		case *syntax.AssignStmt:
			eachTarget(n.LHS, add)
			return false
		case *syntax.ForStmt:
			eachTarget(n.Vars, add)
			return true
		case *syntax.IfStmt, *syntax.WhileStmt:
			return true
		}
		return false
	})
	return out
}

// eachTarget calls f for each name that an assignment to e sets.
func eachTarget(e syntax.Expr, f func(*syntax.Ident)) {
	switch e := e.(type) {
	case *syntax.Ident:
		f(e)
	case *syntax.ParenExpr:
		eachTarget(e.X, f)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			eachTarget(x, f)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			eachTarget(x, f)
		}
	}
}

// evalError reports an error of build time at the place in the chain that led
// to it.
func (b *builder) evalError(file string, err error) {
	if errors.Is(err, errReported) {
		return
	}
	pos := diag.Pos{File: file}
	var ev *starlark.EvalError
	msg := err.Error()
	if errors.As(err, &ev) {
		msg = ev.Msg
		if p := stackPos(ev.CallStack); p.Line > 0 {
			pos = p
		}
	}
	code, hint := hintOf(err)
	if rest, ok := strings.CutPrefix(msg, "Starlark computation cancelled: limit: "); ok {
		b.errorf(pos, "limit", "do less at build time: loops at the top level run once, for every load of the file",
			"build time took more than the limit of %s", rest)
		return
	}
	if rest, ok := strings.CutPrefix(msg, "load: name "); ok {
		if name, rest, ok := strings.Cut(rest, " not found in module "); ok {
			file, _, _ := strings.Cut(rest, " (")
			b.errorf(pos, "load", b.exports(pos.File, file, name), "%s has no %s", file, name)
			return
		}
	}
	if rest, ok := strings.CutPrefix(msg, "Starlark computation cancelled: "); ok && b.script != nil {
		b.errorf(pos, "limit", "", "%s", rest)
		return
	}
	var h *hintError
	found := errors.As(err, &h)
	if strings.HasPrefix(msg, "cannot load ") && hint != "" {
		msg = h.msg
	}
	if hint == "" {
		if msg, hint = evalWords(msg); strings.Contains(msg, "the limit of") {
			code = "limit"
		}
		if hint == lineHint && b.script != nil {
			hint = ""
		}
	}
	if found && h.arg != "" {
		pos = b.argumentAt(pos, h)
	}
	b.errorf(pos, code, hint, "%s", msg)
}

// exports says what a module has instead of name.
func (b *builder) exports(from, file, name string) string {
	full, err := moduleName(from, file)
	m := b.modules[full]
	if err != nil || m == nil {
		return "see what the module defines at its top level"
	}
	if o := m.object; o != nil && slices.Contains(o.object.Static, name) {
		return name + "() is static there: make it a global function, with __noinline and without static"
	}
	if m.object != nil {
		if why := m.object.unlike(name); why != "" {
			return why
		}
	}
	var names []string
	for _, n := range sortedKeys(m.globals) {
		if !strings.HasPrefix(n, "_") {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return "the module defines nothing that can be loaded"
	}
	return didYouMean(name, "", names)
}

// mapUse is what the interpreter says about a map that is used like a dict.
var mapUse = regexp.MustCompile(`(?:index operation|binary op: .* in|value of type|^|: )\b ?(table|lru|array|lpm)(?:\[| value (?:does not support|is not iterable)| has no len|$)`)

// evalWords gives the interpreter's messages a hint.
func evalWords(msg string) (string, string) {
	if m := mapUse.FindStringSubmatch(msg); m != nil {
		return "a map has no content while the file is read, but this " + m[1] + " is used as if it had", "read and write it in a function, which runs for each packet; its first content is init ="
	}
	if strings.Contains(msg, "repeat count") || strings.Contains(msg, "excessive repeat") {
		return "repeated so often, the value has more elements than the limit of 1073741824", "repeat it less often"
	}
	for _, w := range evalTable {
		if strings.Contains(msg, w.has) {
			return msg, w.hint
		}
	}
	return firstLine(msg), lineHint
}

const lineHint = "this line runs once, while the file is read"

var evalTable = []struct{ has, hint string }{
	{"fail: ", "the file itself asks for this with fail()"},
	{"division by zero", "the divisor is 0 while the file is read"},
	{"called recursively", "use a loop: functions do not call themselves"},
	{"has no .", "see what the value is with print() at the top level"},
	{"not found in module", "see what the module defines at its top level"},
	{"referenced before assignment", "assign it above, at the top level"},
	{"unhashable", "keys of a dict are numbers, strings, addresses or tuples of them"},
	{"not in dict", "use .get(key, default)"},
	{"out of range", "indices count from 0 to the length less 1"},
	{"unknown binary op: ip4", "use the address's .int to count with it"},
	{"unknown binary op", "convert one side to the type of the other"},
	{"frozen", "what a file loads cannot be changed; make a copy"},
	{"missing argument", "see the function's parameters"},
	{"unexpected keyword argument", "see the function's parameters"},
	{"accepts", "see the function's parameters"},
	{"not iterable", "loop over a list, a dict or range(n)"},
	{"invalid call of non-function", "only functions and types can be called"},
}
