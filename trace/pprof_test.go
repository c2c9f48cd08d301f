package trace

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"

	"weir/lang"
)

func TestPprof(t *testing.T) {
	n := uint64(4)
	p := &Profile{
		Packets: 4, Sources: []lang.Source{{Name: "a.weir", Text: profiled}},
		Lines: []LineCost{
			{File: "a.weir", Line: 5, Packets: &n, NS: 2},
			{File: "a.weir", Line: 7, NS: 1.5},
			{File: "a.weir", Line: 9, Packets: &n, NS: 10},
		},
	}
	var b bytes.Buffer
	if err := p.WritePprof(&b); err != nil {
		t.Fatal(err)
	}
	got, err := profile.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	type sample struct {
		Function string
		Line     int64
		Values   []int64
	}
	var samples []sample
	for _, s := range got.Sample {
		l := s.Location[0].Line[0]
		samples = append(samples, sample{l.Function.Name, l.Line, s.Value})
	}
	want := []sample{{"even", 5, []int64{4, 8}}, {"main", 7, []int64{0, 6}}, {"main", 9, []int64{4, 40}}}
	if d := cmp.Diff(want, samples); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDefOf(t *testing.T) {
	lines := []string{"x = 1", "def outer():", "    def inner(a):", "        if a:", "            return 1", "# a remark", "        return 2", "", "    return inner", "f = outer()"}
	for n, want := range []string{1: "none", 2: "outer", 3: "inner", 4: "inner", 5: "inner", 7: "inner", 9: "outer", 10: "none", 11: "none"} {
		if n == 0 || want == "" {
			continue
		}
		if got := defOf(lines, n, "none"); got != want {
			t.Errorf("line %d is of %s, want %s", n, got, want)
		}
	}
}
