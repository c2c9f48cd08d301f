package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"weir/hook"
	"weir/packet"
)

const addDoc = "it has no row in docs of docs.go, which editors show"

// TestDocs: every name that the checker knows is described.
func TestDocs(t *testing.T) {
	for _, e := range Builtins() {
		if e.Text == "" {
			t.Errorf("builtin %s: %s", e.Name, addDoc)
		}
	}
	for _, o := range Owners() {
		as := Attributes(o)
		if len(as) == 0 {
			t.Errorf("%s has no attributes", o)
		}
		for _, e := range as {
			if e.Text == "" {
				t.Errorf("%s.%s: %s", o, e.Name, addDoc)
			}
		}
	}
	b := &builder{}
	for name, v := range b.predeclared() {
		f, ok := v.(*starlark.Builtin)
		if !ok {
			continue
		}
		for _, args := range []string{"u32, u32", "u32, ip4", "prefix4, u32", "u32", ""} {
			m := declared(f, args)
			if m == nil {
				continue
			}
			for _, n := range m.AttrNames() {
				if docs["map"][n] == "" {
					t.Errorf("%s.%s: %s", name, n, addDoc)
				}
			}
		}
	}
}

// declared calls a builtin with types and a size; it may be none that declares
// maps.
func declared(f *starlark.Builtin, types string) *mapVal {
	b := &builder{}
	env := b.predeclared()
	var args starlark.Tuple
	for _, n := range strings.Split(types, ", ") {
		if env[n] != nil {
			args = append(args, env[n])
		}
	}
	v, _ := starlark.Call(&starlark.Thread{}, env[f.Name()], args, []starlark.Tuple{{starlark.String("size"), starlark.MakeInt(4096)}})
	m, _ := v.(*mapVal)
	return m
}

// TestDocsAreTrue: what is described is known to the checker at some hook.
func TestDocsAreTrue(t *testing.T) {
	prefix := map[string]string{"packet": "pkt", "conn": "conn", "payload": "pkt.payload"}
	for _, h := range packet.Headers() {
		prefix[h.String()] = "pkt." + h.String()
	}
	for owner, path := range prefix {
		for _, e := range Attributes(owner) {
			var last string
			if !slices.ContainsFunc(hook.All(), func(h hook.Hook) bool {
				_, ds := Check("a.weir", fmt.Appendf(nil, "def main(%s):\n    %s.%s\n", subjectAt(h), path, e.Name), Options{Hook: h})
				last = ds.Error()
				return !strings.Contains(last, " has no ")
			}) {
				t.Errorf("%s.%s is described in docs.go, but: %s", path, e.Name, last)
			}
		}
	}
	env := (&builder{}).predeclared()
	for _, o := range []string{"", "verdict", "type"} {
		for n := range docs[o] {
			if env[n] == nil {
				t.Errorf("%s is described in docs.go, but no builtin has the name", n)
			}
		}
	}
}

// TestDocsArguments: calls are shown with the arguments that the checker takes.
func TestDocsArguments(t *testing.T) {
	env := (&builder{}).predeclared()
	found := 0
	for _, e := range Builtins() {
		f, ok := env[e.Name].(*starlark.Builtin)
		if !ok {
			continue
		}
		many := make(starlark.Tuple, 40)
		for i := range many {
			many[i] = starlark.None
		}
		_, err := starlark.Call(&starlark.Thread{}, f, many, nil)
		_, hint := hintOf(err)
		takes, ok := strings.CutPrefix(hint, "it takes ")
		if err == nil || !ok {
			continue
		}
		found++
		want := regexp.MustCompile(`, | and | or `).Split(takes, -1)
		if got := e.Args(); !slices.Equal(got, want) {
			t.Errorf("docs.go shows %s, with the arguments %q; the checker takes %q", e.Sign, got, want)
		}
	}
	if found < 5 {
		t.Errorf("the arguments of %d builtins were compared, which is too few", found)
	}
}
