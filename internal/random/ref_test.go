package random_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"weir/internal/frames"
	"weir/internal/random"
	"weir/lang/ref"
	"weir/lang/std"
)

// loadModule reads what a case loads: a neighbour, or the standard library.
func loadModule(name string) ([]byte, error) {
	if text, err := std.Read(name); err == nil {
		return text, nil
	}
	return os.ReadFile(filepath.Join(corpusDir, name))
}

func refOptions(fn string) ref.Options {
	return ref.Options{
		Func: fn, Load: loadModule, Hook: "xdp", IfIndex: 1,
		Interface: func(string) uint32 { return 1 },
		Now:       func() uint64 { return 1e12 },
	}
}

// TestCorpusInReference runs every case on every frame: nothing is refused, no
// frame is dropped as "wrong", every other reason occurs, and most cases depend
// on the frame.
func TestCorpusInReference(t *testing.T) {
	all := frames.All()
	several, total := 0, 0
	for _, f := range corpus(t) {
		for _, c := range f.cases {
			name := f.name + ":" + c.name
			chain, err := ref.Open(f.name, f.source, refOptions(c.name))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			outcomes, seen, err := runAll(chain, all)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			total++
			if outcomes > 1 {
				several++
			}
			for _, reason := range c.reasons {
				if !seen[reason] && !isNegative(reason) {
					t.Errorf("%s: no frame is dropped for %q", name, reason)
				}
			}
		}
	}
	if several*3 < total*2 {
		t.Errorf("%d of %d cases depend on the frame, want two thirds", several, total)
	}
	t.Logf("%d cases on %d frames, %d depend on the frame", total, len(all), several)
}

// isNegative tells the reasons that must not occur: the mark of a mistake, and
// those of verdicts that are made and not returned.
func isNegative(reason string) bool {
	return slices.Contains([]string{"wrong", "never", "neither", "x", "y"}, reason)
}

// runAll returns how many different outcomes the frames had, and the reasons
// that they were dropped for. A refusal and the reason "wrong" are errors.
func runAll(chain *ref.Chain, all []frames.Frame) (outcomes int, reasons map[string]bool, err error) {
	seen := map[string]bool{}
	reasons = map[string]bool{}
	for _, fr := range all {
		res, err := chain.Run(fr.Data)
		if err != nil {
			return 0, nil, fmt.Errorf("on %s: %w", fr.Name, err)
		}
		if res.Reason == "wrong" {
			return 0, nil, fmt.Errorf("on %s: wrong at line %d", fr.Name, res.Line)
		}
		changed := string(res.Frame) != string(fr.Data)
		reasons[res.Reason] = true
		seen[fmt.Sprint(res.Verdict, res.Reason, res.Target, res.Line, res.Counts, changed, chain.Maps())] = true
	}
	return len(seen), reasons, nil
}

// TestProgramsInReference runs random programs on random frames.
func TestProgramsInReference(t *testing.T) {
	verdicts := map[string]int{}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		src := random.Program(r)
		opts := refOptions("main")
		if src.TC {
			opts.Hook = "tc-ingress"
		}
		chain, err := ref.Open("random.weir", []byte(src.Text), opts)
		if err != nil {
			t.Errorf("seed %d: %v\n%s", seed, err, src.Text)
			continue
		}
		for range 100 {
			res, err := chain.Run(frames.Random(r))
			if err != nil {
				t.Errorf("seed %d: %v\n%s", seed, err, src.Text)
				break
			}
			verdicts[res.Verdict]++
		}
	}
	for _, v := range []string{"PASS", "ACCEPT", "DROP", "TX", "REDIRECT"} {
		if verdicts[v] < 300 {
			t.Errorf("verdict %s: %d times, want 300", v, verdicts[v])
		}
	}
	t.Logf("verdicts %v", verdicts)
}
