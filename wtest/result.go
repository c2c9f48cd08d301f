package wtest

import (
	"fmt"
	"sort"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"weir/hook"
	"weir/lang/check"
	"weir/trace"
)

// A result is what became of a packet.
type result struct{ *starlarkstruct.Struct }

func newResult(th *starlark.Thread, h hook.Hook, r trace.Result, out []byte, before, after map[string]uint64) (*result, error) {
	verdict, ok := check.VerdictOf(r.Verdict, r.Reason, r.To)
	if !ok {
		return nil, fmt.Errorf("run: a verdict %s that tests do not know", r.Verdict)
	}
	hit := starlark.NewDict(len(after))
	for _, name := range sorted(after) {
		if n := after[name] - before[name]; n > 0 {
			hit.SetKey(starlark.String(name), starlark.MakeUint64(n)) // a string hashes
		}
	}
	events, logs, err := told(th, r)
	if err != nil {
		return nil, err
	}
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

// told returns what the chain put into rings, as structs of ring and value, and the
// lines of its log.
func told(th *starlark.Thread, r trace.Result) (events, logs *starlark.List, err error) {
	var es, ls []starlark.Value
	for _, e := range r.Events {
		if e.Ring == "" {
			ls = append(ls, starlark.String(e.Log))
			continue
		}
		v, err := starlark.Call(th, json.Module.Members["decode"], starlark.Tuple{starlark.String(e.Value)}, nil)
		if err != nil {
			return nil, nil, fmt.Errorf("run: event of ring %s: %w", e.Ring, err)
		}
		es = append(es, starlarkstruct.FromStringDict(starlark.String("event"), starlark.StringDict{
			"ring": starlark.String(e.Ring), "value": v,
		}))
	}
	return starlark.NewList(es), starlark.NewList(ls), nil
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
