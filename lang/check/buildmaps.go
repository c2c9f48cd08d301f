package check

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// A mapVal is a map at build time: declared, without content.
type mapVal struct {
	m *Map
}

var _ starlark.HasAttrs = (*mapVal)(nil)

func (m *mapVal) String() string        { return m.m.Kind.String() }
func (m *mapVal) Type() string          { return m.m.Kind.String() }
func (m *mapVal) Freeze()               {}
func (m *mapVal) Truth() starlark.Bool  { return true }
func (m *mapVal) Hash() (uint32, error) { return hashOf(fmt.Appendf(nil, "%p", m)), nil }

// Attr gives a method of the map as a value, so that a module can hand it on.
func (m *mapVal) Attr(name string) (starlark.Value, error) {
	for _, n := range m.AttrNames() {
		if n == name {
			return &mapMethod{m, name}, nil
		}
	}
	return nil, fault("name", didYouMean(name, "", m.AttrNames()), "%s has no method %s", describe(m), name)
}

// AttrNames are the methods that the map has.
func (m *mapVal) AttrNames() []string {
	set := m.m.Value.Kind == value.None
	switch {
	case m.m.Kind == Ring:
		return []string{"emit"}
	case m.m.Kind == Queue || m.m.Kind == Stack:
		return []string{"pop", "push"}
	case m.m.Kind == Bloom:
		return []string{"add"}
	case m.m.Kind == LPM && set:
		return nil
	case m.m.Kind == LPM:
		return []string{"get"}
	case set:
		return []string{"add", "discard"}
	case m.m.Kind == Array && m.m.Value.Kind == value.Int:
		return []string{"get", "incr"}
	case m.m.Kind == Array:
		return []string{"get"}
	case m.m.Value.Kind == value.Int:
		return []string{"get", "incr", "pop"}
	}
	return []string{"get", "pop"}
}

// A mapMethod is a method of a map as a value.
type mapMethod struct {
	m    *mapVal
	name string
}

var _ starlark.Callable = (*mapMethod)(nil)

func (m *mapMethod) String() string        { return m.m.String() + "." + m.name }
func (m *mapMethod) Type() string          { return "method" }
func (m *mapMethod) Freeze()               {}
func (m *mapMethod) Truth() starlark.Bool  { return true }
func (m *mapMethod) Hash() (uint32, error) { return m.m.Hash() }
func (m *mapMethod) Name() string          { return m.name }

// CallInternal refuses: a map has no content at build time.
func (m *mapMethod) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return nil, fault("build", "give it its first content with init =", "a map has no content while the file is read")
}

// declareMap is table, lru, array and lpm.
func (b *builder) declareMap(kind MapKind) builtinFunc {
	return func(th *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		names, required := []string{"key", "value", "size", "expiring", "init", "percpu"}, 1
		switch kind {
		case Array:
			names = []string{"value", "size", "init", "percpu"}
		case LPM:
			names = []string{"prefix", "value", "size", "init"}
		case Ring:
			names = []string{"record", "size"}
		case Bloom:
			names = []string{"key", "size", "init"}
		case Queue, Stack:
			names = []string{"value", "size", "init"}
		}
		a, err := bindArgs(name, names, required, args, kwargs)
		if err != nil {
			return nil, err
		}
		m := &Map{Kind: kind, Pos: callerPos(th)}
		if what, err := declareTypes(m, a); err != nil {
			return nil, onArg(what, names, err)
		}
		if err := declareSize(m, a["size"]); err != nil {
			return nil, onArg("size", names, err)
		}
		if m.TTL, err = parseTTL(a["expiring"]); err != nil {
			return nil, onArg("expiring", names, err)
		}
		if m.PerCPU, err = parsePerCPU(m, a["percpu"]); err != nil {
			return nil, onArg("percpu", names, err)
		}
		if m.Init, err = encodeInit(m, a["init"]); err != nil {
			return nil, onArg("init", names, err)
		}
		b.maps = append(b.maps, m)
		return &mapVal{m}, nil
	}
}

// declareTypes reads a map's types; of an error it tells the argument.
func declareTypes(m *Map, a map[string]starlark.Value) (arg string, err error) {
	arg = "key"
	key, val := a["key"], a["value"]
	switch m.Kind {
	case Array:
		m.Key = value.U32
	case Ring:
		val = a["record"]
	case Queue, Stack:
	case LPM:
		arg, key = "prefix", a["prefix"]
		fallthrough
	default:
		if m.Key, err = typeOf(key); err != nil {
			return arg, within("key", err)
		}
	}
	if val != nil && val != starlark.None {
		if m.Value, err = typeOf(val); err != nil {
			return "value", within("value", err)
		}
	}
	isPrefix := m.Key.Kind >= value.Prefix4 && m.Key.Kind <= value.Prefix
	if m.Kind == LPM && !isPrefix {
		return arg, fault("type", "its keys are prefix4, prefix6 or prefix", "%s cannot be the key of an lpm", article(m.Key))
	}
	if m.Kind != LPM && isPrefix {
		return arg, fault("type", "declare lpm("+m.Key.String()+", …)", "a %s has no prefixes as keys", m.Kind)
	}
	if m.Kind != LPM && m.Key.Kind != value.None {
		if err := storable("key", m.Key); err != nil {
			return arg, err
		}
	}
	if m.Value.Kind == value.None {
		return "", nil
	}
	return "value", storable("value", m.Value)
}

// ringHeader is what the kernel keeps before each record of a ring
// (BPF_RINGBUF_HDR_SZ).
const ringHeader = 8

func within(what string, err error) error {
	code, hint := hintOf(err)
	return fault(code, hint, "%s: %s", what, err)
}

func storable(what string, t value.Type) error {
	for _, e := range t.Elems {
		if err := storable(what, e); err != nil {
			return err
		}
	}
	if t.Kind >= value.Prefix4 && t.Kind <= value.Prefix {
		return fault("type", "prefixes are keys of an lpm only", "%s: a %s cannot be kept in a map", what, t)
	}
	if n := t.Size(); n > maxValueBytes {
		return fault("limit", "split it", "%s: %d octets are more than the limit of %d", what, n, maxValueBytes)
	}
	return nil
}

func declareSize(m *Map, v starlark.Value) error {
	hint := "size = how many entries it holds at most"
	if m.Kind == Ring {
		hint = "size = how many bytes it holds at most"
	}
	if v == nil {
		return fault("call", hint, "a %s needs a size", m.Kind)
	}
	if p, ok := v.(*paramVal); ok {
		return p.noValue()
	}
	n, ok := v.(starlark.Int)
	if !ok {
		return fault("type", hint, "the size is %s", describe(v))
	}
	size, ok := n.Int64()
	switch {
	case n.Sign() <= 0:
		return fault("range", hint, "a %s of size %s holds nothing", m.Kind, n)
	case m.Kind == Ring && (!ok || size > maxRing):
		return fault("limit", "ask for fewer bytes", "size %s is more than the limit of %d bytes", n, maxRing)
	case m.Kind == Ring && size < int64(m.Value.Size()+ringHeader):
		return fault("range", fmt.Sprintf("raise size to %d, and more for more than one", m.Value.Size()+ringHeader), "a ring of %d bytes has no room for one record of %d, with %d around it", size, m.Value.Size(), ringHeader)
	case !ok || size > maxEntries:
		return fault("limit", "ask for fewer entries", "size %s is more than the limit of %d entries", n, maxEntries)
	}
	m.Size = int(size)
	if m.Kind == Ring {
		return nil
	}
	each := int64(m.Key.Size() + m.Value.Size())
	if total := each * size; total > maxMapBytes {
		return fault("limit", "ask for fewer entries, or for smaller ones",
			"%d entries of %d octets are %d octets, more than the limit of %d", size, each, total, int64(maxMapBytes))
	}
	return nil
}

func parsePerCPU(m *Map, v starlark.Value) (bool, error) {
	on, ok := v.(starlark.Bool)
	switch {
	case v == nil || v == starlark.None || ok && !bool(on):
		return false, nil
	case !ok:
		return false, fault("type", "write percpu = True", "percpu is %s", describe(v))
	case m.Value.Kind == value.None:
		return false, fault("type", "leave percpu out: all CPUs share the keys", "a set has no values to keep for each CPU")
	case m.Kind == Table && m.TTL > 0:
		return false, fault("type", "declare an lru, or leave one of them out", "a table with values for each CPU cannot expire: what is old for one CPU may be new for another")
	}
	return true, nil
}

func parseTTL(v starlark.Value) (time.Duration, error) {
	if v == nil || v == starlark.None {
		return 0, nil
	}
	s, ok := starlark.AsString(v)
	if !ok {
		return 0, fault("type", `write expiring = "10s"`, "expiring is %s", describe(v))
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fault("value", `write "500ms", "10s", "5m" or "2h"`, "%q is no time that an entry can live", s)
	}
	return d, nil
}

// bitsOf returns the low 64 bits of an integer, in two's complement.
func bitsOf(n starlark.Int) uint64 {
	if u, ok := n.Uint64(); ok {
		return u
	}
	i, _ := n.Int64()
	return uint64(i)
}

// bindArgs gives the arguments of a builtin by name.
func bindArgs(fn string, names []string, required int, args starlark.Tuple, kwargs []starlark.Tuple) (map[string]starlark.Value, error) {
	if len(args) > len(names) {
		return nil, fault("call", "it takes "+list(names), "%s() takes at most %d arguments, not %d", fn, len(names), len(args))
	}
	out := map[string]starlark.Value{}
	for i, v := range args {
		out[names[i]] = v
	}
	for _, kw := range kwargs {
		k := string(kw[0].(starlark.String))
		known := false
		for _, n := range names {
			known = known || n == k
		}
		if !known {
			return nil, onArg(k, nil, fault("call", didYouMean(k, "", names), "%s() has no argument %s", fn, k))
		}
		if out[k] != nil {
			return nil, onArg(k, nil, fault("call", "give it once", "%s() is given %s twice", fn, k))
		}
		out[k] = kw[1]
	}
	for _, n := range names[:required] {
		if out[n] == nil {
			return nil, fault("call", "it takes "+list(names), "%s() needs %s", fn, n)
		}
	}
	return out, nil
}

// callerPos is where the chain's own text called the running builtin.
func callerPos(th *starlark.Thread) diag.Pos {
	return stackPos(th.CallStack())
}

// stackPos finds the innermost place outside of builtins and of the standard
// library, or else the innermost in the library.
func stackPos(stack starlark.CallStack) diag.Pos {
	var std diag.Pos
	for i := len(stack) - 1; i >= 0; i-- {
		p := stack[i].Pos
		if p.Filename() == "<builtin>" || p.Line == 0 {
			continue
		}
		if !strings.HasPrefix(p.Filename(), "std/") {
			return posOf(p)
		}
		if std.Line == 0 {
			std = posOf(p)
		}
	}
	return std
}

func posOf(p syntax.Position) diag.Pos {
	return diag.Pos{File: p.Filename(), Line: int(p.Line), Col: int(p.Col)}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
