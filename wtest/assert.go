package wtest

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"weir/lang/check"
)

// A failure is an assertion that does not hold: the first line says it, the others
// show it.
type failure struct {
	text string
	more []string
}

func (f *failure) Error() string { return f.text }

// assertions is the value of the name assert.
var assertions = starlarkstruct.FromStringDict(starlark.String("assert"), starlark.StringDict{
	"eq":       starlark.NewBuiltin("assert.eq", assertEq),
	"ne":       starlark.NewBuiltin("assert.ne", assertNe),
	"true":     starlark.NewBuiltin("assert.true", assertTrue),
	"contains": starlark.NewBuiltin("assert.contains", assertContains),
	"fails":    starlark.NewBuiltin("assert.fails", assertFails),
})

func assertEq(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var got, want starlark.Value
	var msg string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "got", &got, "want", &want, "msg?", &msg); err != nil {
		return nil, err
	}
	got, want = alike(got, want)
	same, err := starlark.Equal(got, want)
	if r := check.ReasonOf(want); r != "" && check.ReasonOf(got) != r {
		same = false // drop("x") is asked for by its reason, DROP is any
	}
	if err != nil || same {
		return starlark.None, err
	}
	return nil, &failure{labelled(msg, "not equal"), difference(got, want)}
}

// alike lets a packet be compared with bytes.
func alike(a, b starlark.Value) (starlark.Value, starlark.Value) {
	if f, ok := a.(frame); ok {
		if _, ok := b.(starlark.Bytes); ok {
			return starlark.Bytes(f.b), b
		}
	}
	if f, ok := b.(frame); ok {
		if _, ok := a.(starlark.Bytes); ok {
			return a, starlark.Bytes(f.b)
		}
	}
	return a, b
}

// difference shows two values that are not the same.
func difference(got, want starlark.Value) []string {
	if a, ok := got.(frame); ok {
		if b, ok := want.(frame); ok {
			return diffPackets(a.b, b.b)
		}
	}
	if a, ok := got.(starlark.Indexable); ok {
		if b, ok := want.(starlark.Indexable); ok && got.Type() == want.Type() && got.Type() != "string" && got.Type() != "bytes" {
			return diffLists(a, b)
		}
	}
	if a, ok := got.(*starlark.Dict); ok {
		if b, ok := want.(*starlark.Dict); ok {
			return diffDicts(a, b)
		}
	}
	a, b := shortly(got), shortly(want)
	if got.Type() != want.Type() {
		a, b = a+" ("+got.Type()+")", b+" ("+want.Type()+")"
	}
	return []string{"got   " + a, "want  " + b}
}

// maxShown is how many characters of a value are shown.
const maxShown = 200

func shortly(v starlark.Value) string {
	if r := []rune(v.String()); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return v.String()
}

// diffLists shows where two lists differ first.
func diffLists(a, b starlark.Indexable) []string {
	for i := range min(a.Len(), b.Len()) {
		if same, err := starlark.Equal(a.Index(i), b.Index(i)); err != nil || !same {
			return append([]string{fmt.Sprintf("      at index %d:", i)}, difference(a.Index(i), b.Index(i))...)
		}
	}
	longer, who := a, "got "
	if b.Len() > a.Len() {
		longer, who = b, "want"
	}
	n := min(a.Len(), b.Len())
	return []string{
		fmt.Sprintf("got   %d elements", a.Len()), fmt.Sprintf("want  %d elements", b.Len()),
		fmt.Sprintf("      at index %d:", n), who + "  " + shortly(longer.Index(n)),
	}
}

// diffDicts shows the entries of two dicts that differ.
func diffDicts(a, b *starlark.Dict) (out []string) {
	for _, k := range a.Keys() {
		x, _, _ := a.Get(k) // k was in a
		y, ok, _ := b.Get(k)
		if !ok {
			out = append(out, fmt.Sprintf("got   %s: %s", k, shortly(x)))
		} else if same, err := starlark.Equal(x, y); err != nil || !same {
			out = append(out, fmt.Sprintf("got   %s: %s", k, shortly(x)), fmt.Sprintf("want  %s: %s", k, shortly(y)))
		}
	}
	for _, k := range b.Keys() {
		if _, ok, _ := a.Get(k); !ok {
			y, _, _ := b.Get(k)
			out = append(out, fmt.Sprintf("want  %s: %s", k, shortly(y)))
		}
	}
	return out
}

func labelled(msg, text string) string {
	if msg == "" {
		return text
	}
	return msg + ": " + text
}

func assertNe(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var got, other starlark.Value
	var msg string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "got", &got, "other", &other, "msg?", &msg); err != nil {
		return nil, err
	}
	got, other = alike(got, other)
	same, err := starlark.Equal(got, other)
	if err != nil || !same {
		return starlark.None, err
	}
	return nil, &failure{labelled(msg, "equal, but must not be"), []string{"got   " + shortly(got)}}
}

func assertTrue(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var cond starlark.Value
	var msg string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "cond", &cond, "msg?", &msg); err != nil {
		return nil, err
	}
	if cond.Truth() {
		return starlark.None, nil
	}
	return nil, &failure{labelled(msg, "not true"), []string{"got   " + shortly(cond)}}
}

func assertContains(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var in, x starlark.Value
	var msg string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "container", &in, "x", &x, "msg?", &msg); err != nil {
		return nil, err
	}
	has, err := starlark.Binary(syntax.IN, x, in)
	if err != nil || bool(has.Truth()) {
		return starlark.None, err
	}
	return nil, &failure{labelled(msg, "not there"), []string{"got   " + shortly(in), "want  " + shortly(x) + " in it"}}
}

// assertFails is assert.fails(f, "text"): calling f fails with an error that has the
// text in it.
func assertFails(th *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var f starlark.Callable
	var text string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "f", &f, "text?", &text); err != nil {
		return nil, err
	}
	if g, ok := f.(interface{ NumParams() int }); ok && g.NumParams() > 0 {
		return nil, fmt.Errorf("%s: it calls the function without arguments: write assert.fails(lambda: %s(…))", b.Name(), f.Name())
	}
	want := "want  an error"
	if text != "" {
		want = fmt.Sprintf("want  an error with %q in it", text)
	}
	_, err := starlark.Call(th, f, nil, nil)
	var ev *starlark.EvalError
	switch {
	case err == nil:
		return nil, &failure{"no error", []string{want}}
	case !errors.As(err, &ev):
		return nil, err
	case !strings.Contains(ev.Msg, text):
		return nil, &failure{"another error", []string{"got   " + ev.Msg, want}}
	}
	return starlark.None, nil
}
