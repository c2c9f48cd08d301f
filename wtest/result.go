package wtest

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"weir/hook"
	"weir/internal/spell"
	"weir/lang/check"
	"weir/trace"
)

// A result is what became of a packet.
type result struct{ *starlarkstruct.Struct }

// Attr gives what there is to know of it.
func (r *result) Attr(name string) (starlark.Value, error) {
	if v, err := r.Struct.Attr(name); err == nil && v != nil {
		return v, nil
	}
	return nil, lacks(r, "a result", name)
}

// lacks says that something has no attribute of a name, and which there are.
func lacks(x starlark.HasAttrs, what, name string) error {
	names := x.AttrNames()
	if near := spell.Nearest(name, names); near != "" {
		return fmt.Errorf("%s has no %s: did you mean %s?", what, name, near)
	}
	return fmt.Errorf("%s has no %s: there are %s", what, name, strings.Join(names, ", "))
}

func newResult(h hook.Hook, r trace.Result, out []byte, before, after map[string]uint64) (*result, error) {
	how := check.Outcome{Verdict: r.Verdict, Reason: r.Reason, To: r.To, ToCPU: r.Exit.ToCPU, ToPeer: r.Exit.ToPeer, ToGroup: r.Exit.ToGroup}
	switch {
	case how.ToCPU:
		how.To = strings.TrimPrefix(r.To, "cpu")
	case how.Verdict == "USER":
		how.To = strings.TrimPrefix(r.To, "queue")
	}
	verdict, ok := check.VerdictOf(how)
	if !ok {
		return nil, fmt.Errorf("run: a verdict %s that tests do not know", r.Verdict)
	}
	hit := starlark.NewDict(len(after))
	for _, name := range sorted(after) {
		if n := after[name] - before[name]; n > 0 {
			hit.SetKey(starlark.String(name), starlark.MakeUint64(n)) // a string hashes
		}
	}
	events, logs := told(r)
	return &result{starlarkstruct.FromStringDict(starlark.String("result"), starlark.StringDict{
		"verdict": verdict,
		"reason":  orNone(r.Reason),
		"packet":  frame{append([]byte(nil), out...)},
		"counts":  hit,
		"to":      orNone(r.To),
		"line":    starlark.MakeInt(r.Line),
		"hook":    starlark.String(h.String()),
		"events":  events,
		"log":     logs,
	})}, nil
}

func orNone(s string) starlark.Value {
	if s == "" {
		return starlark.None
	}
	return starlark.String(s)
}

// told returns what the chain put into rings, and the lines of its log.
func told(r trace.Result) (events, logs *starlark.List) {
	var es, ls []starlark.Value
	for _, e := range r.Events {
		if e.Ring == "" {
			ls = append(ls, starlark.String(e.Log))
		} else {
			es = append(es, &event{e.Ring, check.Decode(e.Type, e.Octets)})
		}
	}
	return starlark.NewList(es), starlark.NewList(ls)
}

// An event is a record that a chain put into a ring. It has the fields of the record,
// beside ring and value, which is the record itself.
type event struct {
	ring  string
	value starlark.Value
}

var _ starlark.HasAttrs = (*event)(nil)

func (e *event) String() string       { return e.ring + " " + e.value.String() }
func (e *event) Type() string         { return "event" }
func (e *event) Freeze()              { e.value.Freeze() }
func (e *event) Truth() starlark.Bool { return true }
func (e *event) Hash() (uint32, error) {
	return hash([]byte(e.String())), nil
}

// CompareSameType tells whether the same was put into the same ring.
func (e *event) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	o := y.(*event)
	same, err := starlark.EqualDepth(e.value, o.value, depth-1)
	switch same = same && e.ring == o.ring; op {
	case syntax.EQL:
		return same, err
	case syntax.NEQ:
		return !same, err
	}
	return false, errors.New("events have no order: compare them with == and !=")
}

// AttrNames are ring, value and the fields of the record.
func (e *event) AttrNames() []string {
	names := []string{"ring", "value"}
	if r, ok := e.value.(starlark.HasAttrs); ok {
		names = append(names, r.AttrNames()...)
	}
	return names
}

// Attr gives one of them.
func (e *event) Attr(name string) (starlark.Value, error) {
	switch name {
	case "ring":
		return starlark.String(e.ring), nil
	case "value":
		return e.value, nil
	}
	if r, ok := e.value.(starlark.HasAttrs); ok && slices.Contains(r.AttrNames(), name) {
		return r.Attr(name)
	}
	return nil, lacks(e, "an event", name)
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
