package random_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

const corpusDir = "../../lang/testdata/corpus"

// predeclared has the names of the language that this slice has.
var predeclared = strings.Fields(`
	u8 u16 u32 u64 i8 i16 i32 i64 bool ip4 ip6 ip mac prefix4 prefix6 prefix record struct
	table lru array lpm ring bloom queue stack param count hash_of rand hist octets text header sample log
	drop ns redirect redirect_peer redirect_cpu to_user reject fib pcap_filter clone syncookie syncookie_ok mask bit_length tai PASS ACCEPT DROP TX`)

// A corpusFile is a topic; its cases are the functions without a leading _.
type corpusFile struct {
	name   string // TOPIC.weir
	source []byte
	cases  []corpusCase
}

// A corpusCase is a chain, with the reasons that its text drops for.
type corpusCase struct {
	name    string
	reasons []string
}

// corpus reads all topics, without the modules that they load.
func corpus(t *testing.T) []corpusFile {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(corpusDir, "*.weir"))
	if err != nil {
		t.Fatal(err)
	}
	var out []corpusFile
	for _, path := range paths {
		name := filepath.Base(path)
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := corpusFile{name: name, source: source}
		tree, err := parse(name, source)
		if err != nil {
			t.Errorf("parse %s: %v", name, err)
			continue
		}
		for _, s := range tree.Stmts {
			if def, ok := s.(*syntax.DefStmt); ok && !strings.HasPrefix(def.Name.Name, "_") {
				f.cases = append(f.cases, corpusCase{def.Name.Name, reasons(def)})
			}
		}
		if !strings.HasPrefix(name, "mod_") {
			out = append(out, f)
		}
	}
	return out
}

// reasons returns the literals that def gives to drop().
func reasons(def *syntax.DefStmt) []string {
	var out []string
	syntax.Walk(def, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		fn, ok := call.Fn.(*syntax.Ident)
		if lit, isLit := call.Args[0].(*syntax.Literal); ok && isLit && fn.Name == "drop" {
			out = append(out, lit.Value.(string))
		}
		return true
	})
	return out
}

// parse parses and resolves a chain file.
func parse(name string, source []byte) (*syntax.File, error) {
	opts := &syntax.FileOptions{While: true, TopLevelControl: true}
	tree, err := opts.Parse(name, source, 0)
	if err != nil {
		return nil, err
	}
	known := func(name string) bool {
		for _, p := range predeclared {
			if p == name {
				return true
			}
		}
		return false
	}
	return tree, resolve.File(tree, known, starlark.Universe.Has)
}

func TestCorpusSize(t *testing.T) {
	total := 0
	for _, f := range corpus(t) {
		seen := map[string]bool{}
		for _, c := range f.cases {
			if seen[c.name] {
				t.Errorf("%s: two cases %s", f.name, c.name)
			}
			seen[c.name] = true
		}
		if len(f.cases) < 5 {
			t.Errorf("%s: %d cases, want 5", f.name, len(f.cases))
		}
		total += len(f.cases)
	}
	if total < 340 {
		t.Errorf("%d cases, want 340", total)
	}
	t.Logf("%d cases", total)
}
