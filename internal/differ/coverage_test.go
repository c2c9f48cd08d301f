package differ

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"text/tabwriter"

	"weir/hook"
	"weir/internal/random"
	"weir/lang"
	"weir/lang/ir"
	"weir/lang/opt"
)

// A coverage is how often random programs have what the compiler can make and do.
type coverage struct {
	features map[string]int // of the language, by package random
	ops      map[string]int // of the middle form, before the optimiser
	kinds    map[string]int // of the kernel's maps
	passes   map[string]int // runs of the optimiser's passes that changed something
}

func newCoverage() *coverage {
	return &coverage{map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}}
}

// add compiles a program once more, with all that it may be given besides.
func (cov *coverage) add(t *testing.T, c Case, all []random.Source) {
	t.Helper()
	for _, src := range all {
		for name, n := range src.Uses {
			cov.features[name] += n
		}
	}
	o := lang.Options{File: c.File, Then: c.Then, Hook: hook.TCIngress, Clock: true, Capture: true, Dump: cov.stage}
	if all[0].XDP {
		o.Hook = hook.XDP
	}
	p, err := lang.Compile(c.Source, o)
	if tooLarge(err) {
		return
	}
	if err != nil {
		t.Errorf("%s: %v", c.File, err)
		return
	}
	for _, m := range p.Maps {
		cov.kinds[m.Spec.Kind.String()]++
	}
	o.Hook = hook.NetfilterInput // which has operations of its own
	if _, err := lang.Compile(c.Source, o); err != nil && !cannot(err) && !tooLarge(err) {
		t.Errorf("%s at %s: %v", c.File, o.Hook, err)
	}
}

// stage takes what the compiler tells of a stage: of a pass only if it changed
// something.
func (cov *coverage) stage(name, text string) {
	if pass, ok := strings.CutPrefix(name, "opt/"); ok {
		cov.passes[pass]++
	}
	if name != "lower" {
		return
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		for i, w := range f {
			if i < 3 && (i == 0 || f[i-1] == "=") {
				cov.ops[strings.TrimRight(w, "1248")]++
			}
		}
	}
}

// report prints the tables, and fails for what does not occur if all programs
// were made: a few need not have everything in them. That features of the language
// occur, rare ones too, the tests of package random hold, over many more programs.
func (cov *coverage) report(t *testing.T, all bool) {
	t.Helper()
	var ops, kinds []string
	for op := ir.OpConst; op <= ir.OpCallFunc; op++ {
		ops = append(ops, op.String())
	}
	for k := ir.Array; k <= ir.XSKMap; k++ {
		kinds = append(kinds, k.String())
	}
	table(t, false, "feature of the language", cov.features, random.Features())
	table(t, all, "operation of the middle form", cov.ops, ops)
	table(t, all, "kind of map", cov.kinds, kinds)
	table(t, all, "pass that changed something", cov.passes, opt.Names())
}

// table prints how often each of names occurred, the rarest first.
func table(t *testing.T, all bool, what string, n map[string]int, names []string) {
	t.Helper()
	const columns = 4
	sort.SliceStable(names, func(i, j int) bool { return n[names[i]] < n[names[j]] })
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for i, name := range names {
		if all && n[name] == 0 {
			t.Errorf("%s: %s does not occur", what, name)
		}
		end := "\t"
		if i%columns == columns-1 || i == len(names)-1 {
			end = "\n"
		}
		fmt.Fprintf(w, "%d\t%s%s", n[name], name, end)
	}
	w.Flush()
	t.Logf("how often each %s occurs:\n%s", what, out.String())
}
