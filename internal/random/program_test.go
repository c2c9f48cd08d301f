package random_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"weir/internal/random"
)

// TestPrograms makes 500: all parse, and all features of the language occur.
func TestPrograms(t *testing.T) {
	uses := map[string]int{}
	lines := 0
	for seed := range uint64(4000) {
		src := random.Program(rand.New(rand.NewPCG(seed, 1)))
		if _, err := parse("random.weir", []byte(src.Text)); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, src.Text)
		}
		n := strings.Count(src.Text, "\n")
		if lines += n; n < 10 || n > 120 {
			t.Errorf("seed %d: %d lines, want 10 to 120", seed, n)
		}
		for name, n := range src.Uses {
			uses[name] += n
		}
	}
	features := random.Features()
	for _, name := range features {
		if uses[name] == 0 {
			t.Errorf("%s: not in 4000 programs", name)
		}
		t.Logf("%6d %s", uses[name], name)
	}
	for name := range uses {
		if !slices.Contains(features, name) {
			t.Errorf("%s: counted, but no feature", name)
		}
	}
	t.Logf("%d lines in the mean", lines/4000)
}

func TestProgramRepeats(t *testing.T) {
	for seed := range uint64(50) {
		a := random.Program(rand.New(rand.NewPCG(seed, 3)))
		b := random.Program(rand.New(rand.NewPCG(seed, 3)))
		if a.Text != b.Text {
			t.Fatalf("seed %d gives two programs:\n%s\n%s", seed, a.Text, b.Text)
		}
	}
}
