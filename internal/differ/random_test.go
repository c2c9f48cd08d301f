package differ

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/frames"
	"weir/internal/random"
	"weir/lang"
	"weir/lang/diag"
)

// seeds is how many random programs are run, and from which seed on. All of
// them: WEIR_SOAK=1; some of them, to look into a failure: WEIR_SEEDS=1646-1650.
func seeds() (from, n uint64) {
	var to uint64
	if k, _ := fmt.Sscanf(os.Getenv("WEIR_SEEDS"), "%d-%d", &from, &to); k == 2 {
		return from, to - from + 1
	}
	if soak() {
		return 1, 10_000
	}
	return 1, 400
}

// mended are programs that showed a fault once which no chain of the corpus shows: a
// helper that wrote where a dynptr had been.
var mended = []uint64{41114}

// variants are the ways in which a chain can be compiled and run.
var variants = []struct {
	name  string
	hook  hook.Hook
	frags bool
}{
	{"xdp", hook.XDP, false}, {"xdp-frags", hook.XDP, true},
	{"tc-ingress", hook.TCIngress, false}, {"tc-egress", hook.TCEgress, false},
	{"socket", hook.Socket, false},
	{"cgroup-ingress", hook.CgroupIngress, false}, {"cgroup-egress", hook.CgroupEgress, false},
	{"netfilter-prerouting", hook.NetfilterPrerouting, false}, {"netfilter-input", hook.NetfilterInput, false},
	{"netfilter-forward", hook.NetfilterForward, false}, {"netfilter-output", hook.NetfilterOutput, false},
	{"netfilter-postrouting", hook.NetfilterPostrouting, false},
}

// writers is how many of the variants, the first ones, may write to packets.
const writers = 4

// Random programs load, and do the same in the reference and in the kernel on
// random frames. Each runs at XDP, at one other variant, and where its hook can do
// what it asks for at one that reads only. All that the language,
// the middle form, the maps and the optimiser have occurs in them.
func TestRandom(t *testing.T) {
	from, n := seeds()
	run := &randomRun{cov: newCoverage()}
	todo := make(chan uint64)
	var workers sync.WaitGroup
	ns := forwarding(t)
	for range runtime.NumCPU() {
		workers.Go(func() {
			ns.Do(func() error {
				for seed := range todo {
					run.seed(t, seed)
				}
				return nil
			})
		})
	}
	for seed := from; seed < from+n; seed++ {
		todo <- seed
	}
	if os.Getenv("WEIR_SEEDS") == "" {
		for _, seed := range mended {
			todo <- seed
		}
	}
	close(todo)
	workers.Wait()
	large := run.large
	if large > int(n/20)+1 {
		t.Errorf("%d variants of %d programs were too large for a stack of 512 octets", large, n)
	}
	if run.heavy > int(n/50)+1 {
		t.Errorf("%d of %d programs were too long once they were looked at or shared", run.heavy, n)
	}
	t.Logf("%d programs, %d variants too large, %d too long to be looked at or shared", n, large, run.heavy)
	run.cov.report(t, os.Getenv("WEIR_SEEDS") == "")
}

// A randomRun is what the programs of a run have shown. Several are run at once.
type randomRun struct {
	mu    sync.Mutex
	cov   *coverage
	large int // variants that are too large for the stack
	heavy int // variants that are too long for the verifier once they are looked at, or shared
}

// seed runs the program of one seed.
func (run *randomRun) seed(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	all := programs(r, seed)
	src := all[0]
	c := Case{File: fmt.Sprintf("random%d.weir", seed), Source: []byte(src.Text)}
	for i, s := range all[1:] {
		c.Then = append(c.Then, lang.Part{File: fmt.Sprintf("random%d-%d.weir", seed, i+1), Source: []byte(s.Text)})
	}
	fs := sample(r)
	on := []int{0, 1 + int(seed%3)}
	switch {
	case src.XDP:
		on = []int{0, 1}
	case src.TC:
		on = []int{2, 3}
		c.Mark, c.Priority = uint32(r.IntN(1<<16)), uint32(r.IntN(4))
	case src.Reads:
		on = []int{0, 4 + int(seed%8), 4 + int((seed+3)%8)}
	}
	on = append(on, writers+int(seed)%(len(variants)-writers))
	large, heavy := 0, 0
	for i, v := range on {
		looked := c.look(i == 1, seed)
		err := c.Run(variants[v].hook, variants[v].frags, fs)
		switch {
		case tooLarge(err):
			large++
		case (looked || sharedForm(variants[v].hook, variants[v].frags)) && errors.Is(err, unix.E2BIG):
			heavy++
		case v >= writers && cannot(err):
		case err != nil:
			t.Errorf("seed %d at %s: %v\n%s", seed, variants[v].name, err, numbered(all))
		}
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	run.large += large
	run.heavy += heavy
	run.cov.add(t, c, all)
}

// look has a program looked at as tools do, in half of the seeds: that does not change
// what it does. It reports whether it is.
func (c *Case) look(may bool, seed uint64) bool {
	c.lines, c.steps, c.told, c.times = false, false, false, 0
	if !may || seed%2 == 0 {
		return false
	}
	c.lines, c.steps = seed%4 == 1, seed%4 == 3
	c.told = c.steps && seed%16 < 8
	if seed%8 >= 4 {
		c.times = 1 + int(seed%3)
	}
	return true
}

// programs returns what is run of a seed: a program, or in one of four several that
// follow one another.
func programs(r *rand.Rand, seed uint64) []random.Source {
	if seed%4 == 0 {
		return random.Composition(r)
	}
	return []random.Source{random.Program(r)}
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

func numbered(all []random.Source) string {
	var b strings.Builder
	for _, src := range all {
		for i, line := range strings.Split(src.Text, "\n") {
			fmt.Fprintf(&b, "%4d %s\n", i+1, line)
		}
	}
	return b.String()
}
