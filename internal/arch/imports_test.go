package arch

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// A row says what a folder (and all folders below it that have no row of their
// own) may import: folders of weir, and with them what those may import, and
// modules of others. Everything may use the standard library.
type row struct {
	folder  string
	imports []string // folders of weir; "*" for every one
	modules []string // import paths, a trailing /… for all below
	why     string
}

const (
	starlarkM = "go.starlark.net/..."
	ebpfM     = "github.com/cilium/ebpf/..."
	asmM      = "github.com/cilium/ebpf/asm"
	btfM      = "github.com/cilium/ebpf/btf"
	linkM     = "github.com/vishvananda/netlink/..."
	sysM      = "golang.org/x/sys/unix"
	gopacketM = "github.com/gopacket/gopacket/..."
	cmpM      = "github.com/google/go-cmp/..."
	yamlM     = "github.com/goccy/go-yaml/..."
	promM     = "github.com/prometheus/client_golang/..."
	pprofM    = "github.com/google/pprof/profile"
)

// rows is the table of the design, from the bottom up: a row may name only rows
// above it in this list.
var rows = []row{
	{"packet", nil, nil, "the headers in one table, for compiler and tracers alike"},
	{"internal/spell", nil, nil, "names that are near to one another"},
	{"internal/listing", nil, nil, "sources with something beside each line, whatever that is"},
	{"hook", []string{"packet", "internal/spell"}, nil, "facts about hooks, pure: no kernel is asked"},
	{"object", nil, []string{"github.com/cilium/ebpf", asmM, btfM}, "reads the ELF objects of others: pure, no kernel is asked"},
	{"lang/diag", nil, nil, "messages know nothing of what they are about"},
	{"lang/std", nil, nil, "the library is text"},
	{"lang/value", []string{"packet"}, nil, "types and their layout, for every stage and for the datapath"},
	{"lang/pcap", []string{"internal/spell"}, nil, "reads filters as text: what they are of, and what runs them, it does not know"},
	{"lang/ir", []string{"lang/value", "lang/diag", "hook"}, nil, "what the stages hand on: plain data"},
	{"lang/gen", []string{"lang/ir"}, []string{asmM, btfM}, "instructions, without a kernel: compile is pure"},
	{"lang/opt", []string{"lang/ir"}, nil, "passes see the ir and nothing else"},
	{"lang/check", []string{"lang/ir", "lang/pcap", "lang/std", "internal/spell", "object"}, []string{starlarkM}, "syntax, names and types: the only stage that knows Starlark besides the reference"},
	{"lang/format", []string{"lang/check"}, []string{starlarkM}, "prints the syntax tree"},
	{"lang/lower", []string{"lang/check"}, []string{starlarkM}, "the last stage that sees the syntax tree"},
	{"lang/ref", []string{"lang/pcap"}, []string{starlarkM, gopacketM}, "the reference shares the parsers with the compiler and nothing else, least of all its view of packets"},
	{"lang", []string{"lang/lower", "lang/opt", "lang/gen"}, []string{starlarkM, asmM, btfM}, "compile is pure: the same source gives the same program on every machine, so no kernel, no netlink"},
	{"internal/holder", nil, []string{ebpfM, sysM}, "who holds BPF objects: it knows no hooks"},
	{"internal/cost", nil, []string{ebpfM, sysM}, "run statistics of programs: it knows no hooks"},
	{"attach", []string{"hook", "internal/holder"}, []string{ebpfM, linkM, sysM}, "the kernel side of hooks knows no language"},
	{"internal/census", []string{"attach", "internal/cost"}, []string{ebpfM, linkM, sysM}, "what runs on the machine, whoever loaded it: it knows no chains"},
	{"datapath", []string{"lang", "attach"}, []string{ebpfM, sysM}, "generations: mechanism, never policy"},
	{"internal/xsk", nil, []string{sysM}, "sockets know neither programs nor maps"},
	{"trace", []string{"datapath", "internal/listing", "internal/xsk"}, []string{ebpfM, gopacketM, pprofM, sysM}, "watches and replays what the datapath runs"},
	{"wtest", []string{"trace", "internal/spell"}, []string{starlarkM}, "the tests of chains: a user of what runs packets"},
	{"config", []string{"hook", "internal/spell", "lang/diag"}, []string{yamlM}, "the file says what shall be; it knows no chain, and asks no kernel"},
	{"lab", []string{"datapath"}, []string{ebpfM, linkM, sysM}, "networks for tests, demos and measurements"},
	{"examples", nil, nil, "samples are text"},
	{"internal/skeleton", []string{"examples"}, nil, "what one begins with is text"},
	{"docs", nil, nil, "the manual is text, its test runs what it shows"},
	{"internal/install", nil, []string{sysM}, "files on a machine: it knows no agent, and starts nothing"},
	{"internal/term", nil, []string{"golang.org/x/term"}, "writing for people knows nothing of what is written"},
	{"internal/child", []string{"lang"}, []string{sysM}, "the compiler in a child process: it never touches the kernel"},
	{"internal/grammar", []string{"lang/check"}, nil, "the words of the language for editors"},
	{"internal/lsp", []string{"lang", "lang/format"}, []string{starlarkM}, "serves editors: a thin layer over what the compiler knows"},
	{"internal/doctor", []string{"datapath"}, []string{ebpfM, linkM, sysM}, "tries what the datapath needs, as a user of it"},
	{"internal/disasm", []string{"datapath"}, []string{ebpfM, "golang.org/x/arch/..."}, "shows what the kernel made of a program"},
	{"internal/live", []string{"trace", "internal/term"}, nil, "shows what counters say, and owns none"},
	{"internal/demo", []string{"lab", "examples", "internal/child", "internal/live"}, []string{sysM}, "a user of chains, with no private door"},
	{"internal/toll", []string{"lab", "internal/cost"}, []string{sysM}, "what packets cost at hooks, for those who choose one"},
	{"internal/frames", nil, []string{gopacketM}, "packets for tests, not made by what is tested"},
	{"internal/random", nil, nil, "random programs for tests are text"},
	{"internal/codetest", []string{"lang"}, []string{asmM}, "programs for tests of what loads programs"},
	{"internal/sockaddr", nil, []string{sysM}, "addresses of sockets, for tests that open them by hand"},
	{"internal/nstest", nil, []string{linkM, sysM}, "network namespaces for tests of attach, which lab stands on"},
	{"internal/differ", []string{"lang/ref", "datapath", "trace", "internal/frames", "internal/sockaddr"}, []string{ebpfM, sysM, cmpM}, "compares the compiler in the kernel with the reference"},
	{"internal/traffic", nil, nil, "tests on real traffic"},
	{"internal/golden", nil, nil, "compares texts, for tests"},
	{"internal/arch", nil, nil, "rules about the tree, not a part of it"},
	{"internal/tally", nil, nil, "a tool of the build"},
	{"internal/vm", nil, []string{sysM}, "machines know neither tests nor chains"},
	{"internal/kernels", []string{"internal/vm"}, []string{ebpfM, linkM, sysM}, "runs the tests elsewhere: it sees binaries, not packages"},
	{"internal/mutate", nil, nil, "changes the compiler from outside: it reads it as text"},
	{"state", []string{"config", "datapath", "internal/child"}, []string{linkM, sysM}, "one transaction, for the CLI and for the agent alike"},
	{"nf", []string{"config"}, nil, "what a network function says becomes what a config says: state knows none"},
	{"agent/store", []string{"config"}, []string{"go.etcd.io/bbolt/..."}, "what survives a reboot: it knows neither what runs nor when"},
	{"agent/audit", nil, nil, "a log of changes knows nothing of what is changed"},
	{"agent", []string{"state", "agent/store", "agent/audit"}, []string{"github.com/fsnotify/fsnotify", linkM, sysM}, "decides when, and package state does the rest"},
	{"metrics", []string{"agent", "internal/cost"}, []string{ebpfM, promM, "github.com/prometheus/common/expfmt"}, "shows what maps count: it reads, and changes nothing"},
	{"bench", []string{"lab", "trace", "internal/child"}, []string{ebpfM, sysM}, "measurements beside peers"},
	{"cmd/weir", []string{"*"}, []string{"github.com/spf13/cobra", "github.com/rogpeppe/go-internal/diff", "golang.org/x/term", sysM}, "the one binary may see everything; it is thin"},
}

// testModules may be used by every test.
var testModules = []string{cmpM, "github.com/rogpeppe/go-internal/...", starlarkM, gopacketM, ebpfM, linkM, sysM}

func TestImports(t *testing.T) {
	byName := checkRows(t)
	files, _ := parseTree(t)
	for _, f := range files {
		r, ok := rowOf(f.dir, byName)
		if !ok {
			t.Errorf("%s: folder %s has no row in the import table: decide where it stands", f.path, f.dir)
			continue
		}
		for _, spec := range f.ast.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !mayImport(r, path, f.test, byName) {
				t.Errorf("%s imports %s; %s may not: %s", f.path, path, r.folder, r.why)
			}
		}
	}
}

// checkRows indexes the table and sees to it that it points one way.
func checkRows(t *testing.T) map[string]row {
	t.Helper()
	byName := make(map[string]row)
	for _, r := range rows {
		for _, i := range r.imports {
			if _, ok := byName[i]; !ok && i != "*" {
				t.Errorf("row %s names %s, which is not above it: imports point one way", r.folder, i)
			}
		}
		byName[r.folder] = r
	}
	return byName
}

// rowOf returns the row of the folder or of the nearest folder around it.
func rowOf(dir string, byName map[string]row) (row, bool) {
	for {
		if r, ok := byName[dir]; ok {
			return r, true
		}
		i := strings.LastIndexByte(dir, '/')
		if i < 0 {
			return row{}, false
		}
		dir = dir[:i]
	}
}

// mayImport reports whether a file of row r may import path.
func mayImport(r row, path string, test bool, byName map[string]row) bool {
	if folder, ok := strings.CutPrefix(path, "weir/"); ok {
		to, ok := rowOf(folder, byName)
		if !ok {
			return false
		}
		return to.folder == r.folder || slices.Contains(reach(r, byName), to.folder) ||
			test && mayTestWith(r, to)
	}
	if path == "weir" || !strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
		return path != "weir" // the standard library
	}
	return covers(r.modules, path) || test && covers(testModules, path)
}

// mayTestWith reports whether tests of r may use the folder of to, although it
// is above r or beside it. The reference stands alone also in its tests, and
// nobody tests with the binary.
func mayTestWith(r, to row) bool { return r.folder != "lang/ref" && to.folder != "cmd/weir" }

// reach returns every folder that r may import, directly or through another.
func reach(r row, byName map[string]row) []string {
	seen := make(map[string]bool)
	var walk func(r row)
	walk = func(r row) {
		for _, i := range r.imports {
			if i == "*" {
				for name := range byName {
					seen[name] = true
				}
				return
			}
			if !seen[i] {
				seen[i] = true
				walk(byName[i])
			}
		}
	}
	walk(r)
	var out []string
	for name := range seen {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// covers reports whether path is one of the patterns.
func covers(patterns []string, path string) bool {
	for _, p := range patterns {
		base, all := strings.CutSuffix(p, "/...")
		if path == base || all && strings.HasPrefix(path, base+"/") {
			return true
		}
	}
	return false
}

func TestMayImport(t *testing.T) {
	byName := checkRows(t)
	for _, c := range []struct {
		from, path string
		test, want bool
	}{
		{"lang", "weir/attach", false, false},
		{"lang", "github.com/cilium/ebpf", false, false},
		{"lang", "github.com/cilium/ebpf/asm", false, true},
		{"lang", "weir/packet", false, true}, // through lang/value
		{"lang/ref", "weir/packet", true, false},
		{"attach", "weir/lang", false, false},
		{"datapath", "weir/cmd/weir", true, false},
		{"cmd/weir", "weir/trace", false, true},
		{"hook", "net/netip", false, true},
	} {
		if got := mayImport(byName[c.from], c.path, c.test, byName); got != c.want {
			t.Errorf("mayImport(%s, %s, test %t) = %t, want %t", c.from, c.path, c.test, got, c.want)
		}
	}
}
