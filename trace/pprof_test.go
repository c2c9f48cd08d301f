package trace

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"

	"weir/hook"
	"weir/lang"
)

const pprofChain = `load("./m.weir", "half", "limiter")

few = limiter(2)

def main(pkt):
    n = half(pkt.len)
    if few.over(n):
        n = half(n)
    for i in range(2):
        n = half(n)
    return DROP if n > 9 else PASS

def behind(pkt):
    if few.over(half(pkt.len)):
        return DROP
`

const pprofModule = `def half(n):
    return n // 2

def limiter(most):
    def over(n):
        return half(n) > most
    return struct(over = over)
`

// Each way of calls that leads to a line is a stack: of functions of modules, where they
// are called, and of the chain's.
func TestPprof(t *testing.T) {
	prog, err := lang.Compile([]byte(pprofChain), lang.Options{
		File: "a.weir", Hook: hook.XDP, Times: 1,
		Then: []lang.Part{{File: "a.weir", Func: "behind", Source: []byte(pprofChain)}},
		Load: func(string) ([]byte, error) { return []byte(pprofModule), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &Profile{Packets: 10}
	p.addSources(prog)
	lines, ns := map[spot]uint64{}, map[spot]float64{}
	for i, at := range prog.Lines {
		lines[p.spot(prog, at, prog.Ways.Lines[i])] += 5
	}
	for i, at := range prog.Times {
		ns[p.spot(prog, at, prog.Ways.Times[i])] += 2
	}
	p.fill(ns, lines)
	var b bytes.Buffer
	if err := p.WritePprof(&b); err != nil {
		t.Fatal(err)
	}
	got, err := profile.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	stacks := map[string][]int64{}
	for _, s := range got.Sample {
		var frames []string
		for _, l := range slices.Backward(s.Location) {
			frames = append(frames, fmt.Sprintf("%s:%d", l.Line[0].Function.Name, l.Line[0].Line))
		}
		stacks[strings.Join(frames, " ")] = s.Value
	}
	def, statement := []int64{0, 20}, []int64{5, 20}
	want := map[string][]int64{
		"a.main:5": def, "a.main:6": statement, "a.main:6 m.half:2": statement,
		"a.main:7": statement, "a.main:7 m.over:6": statement, "a.main:7 m.over:6 m.half:2": statement,
		"a.main:8": statement, "a.main:8 m.half:2": statement,
		"a.main:9": statement, "a.main:10": statement, "a.main:10 m.half:2": statement, "a.main:11": statement,
		"a.behind:13": def, "a.behind:14": statement, "a.behind:14 m.half:2": statement,
		"a.behind:14 m.over:6": statement, "a.behind:14 m.over:6 m.half:2": statement, "a.behind:15": statement,
	}
	if d := cmp.Diff(want, stacks); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// The lines have what is in all of their stacks.
	i := slices.IndexFunc(p.Lines, func(l LineCost) bool { return l.File == "m.weir" && l.Line == 2 })
	if i < 0 || *p.Lines[i].Packets != 6*5 || p.Lines[i].NS != 6*2 {
		t.Errorf("lines %+v, want line 2 of the module with 30 packets and 12 ns", p.Lines)
	}
}
