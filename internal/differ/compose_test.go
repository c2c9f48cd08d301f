package differ

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/lang"
)

const compositions = "../../lang/testdata/compose" // a folder each, the chains in order of their names

// composed returns the chains of a composition, as FILE or FILE:FUNC.
func composed(t *testing.T, chains ...string) Case {
	t.Helper()
	var parts []lang.Part
	for _, c := range chains {
		file, fn, _ := strings.Cut(c, ":")
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, lang.Part{File: file, Func: fn, Source: src})
	}
	return Case{File: parts[0].File, Func: parts[0].Func, Source: parts[0].Source, Then: parts[1:]}
}

// Compositions do the same in the reference and in the kernel, in every variant
// whose hook can do what they ask for: on every third frame, with WEIR_SOAK=1 on each.
func TestCompositions(t *testing.T) {
	dirs, err := os.ReadDir(compositions)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, d := range dirs {
		files, err := filepath.Glob(filepath.Join(compositions, d.Name(), "[0-9]*.weir"))
		if err != nil || len(files) < 2 {
			t.Fatalf("%s: %d chains, %v", d.Name(), len(files), err)
		}
		all[d.Name()] = files
		turned := slices.Clone(files)
		slices.Reverse(turned)
		all[d.Name()+" turned round"] = turned
	}
	two := filepath.Join(compositions, "shared/2_forgive.weir")
	all["two of one file"] = []string{two, two + ":other"}
	all["one of two files that another loads"] = []string{
		filepath.Join(compositions, "shared/3_other.weir"), filepath.Join(compositions, "shared/1_block.weir"), two + ":other",
	}
	fs := stock()
	ran := map[string]int{}
	for name, chains := range all {
		for i, v := range variants {
			c := composed(t, chains...)
			c.unlike = strings.HasSuffix(name, "turned round")
			if err := c.Run(v.hook, v.frags, fewer(fs, i, 3)); err == nil {
				ran[v.name]++
			} else if !cannot(err) {
				t.Errorf("%s: %s: %v", name, v.name, err)
			}
		}
	}
	for _, v := range variants {
		if ran[v.name] < 5 {
			t.Errorf("%s: %d of %d compositions ran", v.name, ran[v.name], len(all))
		}
	}
}

// Chains of the corpus do the same one behind another, whichever they are: one in
// sixteen of them with one to three others, with WEIR_SOAK=1 each.
func TestCorpusComposed(t *testing.T) {
	cs, fs := cases(t), stock()
	every := 16
	if soak() {
		every = 1
	}
	for n := 0; n < len(cs); n += every {
		r := rand.New(rand.NewPCG(uint64(n), 0))
		c := cs[n]
		c.unlike = true
		names := []string{strings.TrimSuffix(filepath.Base(c.File), ".weir") + ":" + c.Func}
		for range 1 + r.IntN(3) {
			x := cs[r.IntN(len(cs))]
			if used := func(p lang.Part) bool { return p.File == x.File && p.Func == x.Func }; slices.ContainsFunc(c.Then, used) || x.File == c.File && x.Func == c.Func {
				continue
			}
			c.Then = append(c.Then, lang.Part{File: x.File, Func: x.Func, Source: x.Source})
			names = append(names, strings.TrimSuffix(filepath.Base(x.File), ".weir")+":"+x.Func)
		}
		t.Run(strings.Join(names, "+"), func(t *testing.T) {
			t.Parallel()
			for _, i := range []int{0, 1 + n/every%(len(variants)-1)} {
				v := variants[i]
				if err := c.Run(v.hook, v.frags, fs); err != nil && !tooLarge(err) && !cannot(err) {
					t.Errorf("%s: %v", v.name, err)
				}
			}
		})
	}
}
