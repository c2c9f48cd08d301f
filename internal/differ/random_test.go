package differ

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sort"
	"strings"
	"testing"

	"weir/hook"
	"weir/internal/frames"
	"weir/internal/random"
	"weir/lang"
	"weir/lang/diag"
	"weir/lang/ir"
)

// seeds is how many random programs are run, and from which seed on. All of
// them: WEIR_SOAK=1; some of them, to look into a failure: WEIR_SEEDS=1646-1650.
func seeds() (from, n uint64) {
	var to uint64
	if k, _ := fmt.Sscanf(os.Getenv("WEIR_SEEDS"), "%d-%d", &from, &to); k == 2 {
		return from, to - from + 1
	}
	if os.Getenv("WEIR_SOAK") != "" {
		return 1, 10_000
	}
	return 1, 500
}

// variants are the ways in which a chain can be compiled and run.
var variants = []struct {
	name  string
	hook  hook.Hook
	frags bool
}{
	{"xdp", hook.XDP, false}, {"xdp-frags", hook.XDP, true},
	{"tc-ingress", hook.TCIngress, false}, {"tc-egress", hook.TCEgress, false},
}

// Random programs load, and do the same in the reference and in the kernel on
// random frames. Each runs at XDP and at one other variant.
func TestRandom(t *testing.T) {
	from, n := seeds()
	uses, ops, large := map[string]int{}, map[string]int{}, 0
	for seed := from; seed < from+n; seed++ {
		r := rand.New(rand.NewPCG(seed, 0))
		src := random.Program(r)
		c := Case{File: fmt.Sprintf("random%d.weir", seed), Source: []byte(src.Text)}
		fs := sample(r)
		on := []int{0, 1 + int(seed%3)}
		if src.TC {
			on = []int{2, 3}
			c.Mark, c.Priority = uint32(r.IntN(1<<16)), uint32(r.IntN(4))
		}
		for _, v := range on {
			err := c.Run(variants[v].hook, variants[v].frags, fs)
			if tooLarge(err) {
				large++
				continue
			}
			if err != nil {
				t.Errorf("seed %d at %s: %v\n%s", seed, variants[v].name, err, numbered(src.Text))
			}
		}
		for name, k := range src.Uses {
			uses[name] += k
		}
		countOps(t, c, ops)
	}
	if large > int(n/20)+1 {
		t.Errorf("%d of %d programs were too large for a stack of 512 octets", large, 2*n)
	}
	t.Logf("%d programs, %d variants too large", n, large)
	if os.Getenv("WEIR_SEEDS") != "" {
		return // a few programs need not have everything in them
	}
	for _, c := range cases(t) {
		countOps(t, c, ops)
	}
	report(t, "feature", uses, random.Features())
	report(t, "operation", ops, operations())
}

// sample returns the frames that one random program is run on.
func sample(r *rand.Rand) []Frame {
	var fs []Frame
	stock := frames.All()
	for i := range 12 {
		fs = append(fs, Frame{Name: fmt.Sprintf("random %d", i), Data: frames.Random(r)})
		f := stock[r.IntN(len(stock))]
		fs = append(fs, Frame{Name: f.Name, Data: f.Data})
	}
	return fs
}

// tooLarge reports whether the compiler refused a program for its size.
func tooLarge(err error) bool {
	var ds diag.List
	return errors.As(err, &ds) && len(ds) > 0 && ds[0].Code == "limit"
}

// countOps counts the operations of the middle form before the optimiser.
func countOps(t *testing.T, c Case, ops map[string]int) {
	_, err := lang.Compile(c.Source, lang.Options{
		File: c.File, Func: c.Func, Hook: hook.TCIngress, Clock: true, Load: readModule, Dump: func(stage, text string) {
			if stage != "lower" {
				return
			}
			for line := range strings.Lines(text) {
				f := strings.Fields(line)
				for i, w := range f {
					if i < 3 && (i == 0 || f[i-1] == "=") {
						ops[strings.TrimRight(w, "1248")]++
					}
				}
			}
		}})
	if err != nil && !tooLarge(err) {
		t.Errorf("%s: %v", c.File, err)
	}
}

// operations are those of the middle form.
func operations() []string {
	var names []string
	for op := ir.OpConst; op <= ir.OpCallFunc; op++ {
		names = append(names, op.String())
	}
	return names
}

// report prints how often each of names occurred, and fails for those that did
// not.
func report(t *testing.T, what string, n map[string]int, names []string) {
	t.Helper()
	sort.Slice(names, func(i, j int) bool { return n[names[i]] < n[names[j]] })
	var row []string
	for _, name := range names {
		row = append(row, fmt.Sprintf("%s %d", name, n[name]))
		if n[name] == 0 {
			t.Errorf("%s %q did not occur", what, name)
		}
	}
	t.Logf("how often each %s occurred: %s", what, strings.Join(row, ", "))
}

func numbered(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		fmt.Fprintf(&b, "%4d %s\n", i+1, line)
	}
	return b.String()
}
