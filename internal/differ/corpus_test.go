package differ

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"weir/hook"
	"weir/internal/frames"
	"weir/internal/nstest"
	"weir/lang/diag"
)

const (
	corpus     = "../../lang/testdata/corpus"
	corpusOfTC = "../../lang/testdata/tc" // of what there is not at XDP
)

// For machines that are slow: fewer chains, and each meets every n-th frame only,
// the next chain those beside them.
var (
	everyCase = flag.Int("cases", 1, "run every `n`-th chain of the corpus")
	every     = flag.Int("every", 1, "run each chain on every `n`-th frame of the stock")
)

// some returns the frames for the n-th chain.
func some(fs []Frame, n int) []Frame {
	var out []Frame
	for i := n % *every; i < len(fs); i += *every {
		out = append(out, fs[i])
	}
	return out
}

// stock is the frames that every chain of the corpus is run on.
func stock() []Frame {
	var fs []Frame
	for _, f := range frames.All() {
		fs = append(fs, Frame{Name: f.Name, Data: f.Data})
	}
	return fs
}

// cases returns the chains of the corpus.
func cases(t *testing.T) []Case { return casesOf(t, corpus) }

func casesOf(t *testing.T, folder string) []Case {
	files, err := filepath.Glob(filepath.Join(folder, "*.weir"))
	if err != nil {
		t.Fatal(err)
	}
	var cs []Case
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(file), "mod_") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(src), "\n") {
			name, _, ok := strings.Cut(strings.TrimPrefix(line, "def "), "(pkt):")
			if ok && strings.HasPrefix(line, "def ") && !strings.HasPrefix(name, "_") {
				cs = append(cs, Case{File: file, Func: name, Source: src})
			}
		}
	}
	return cs
}

// Every chain of the corpus does the same in the reference and in the kernel: at XDP
// on every other frame of the stock, on every fourth in one more variant; with
// WEIR_SOAK=1 on each in every variant. Some count the statements that are reached,
// and some take their time.
func TestCorpus(t *testing.T) {
	cs, fs := cases(t), stock()
	if len(cs) < 300 || len(fs) < 50 {
		t.Fatalf("%d cases and %d frames are too few", len(cs), len(fs))
	}
	t.Logf("%d cases, %d frames", len(cs), len(fs))
	for n, c := range cs {
		if n%*everyCase != 0 {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(c.File), ".weir")+"/"+c.Func, func(t *testing.T) {
			t.Parallel()
			var lacks error
			for i, v := range variants {
				if !soak() && i != 0 && i != 1+n%(len(variants)-1) {
					continue
				}
				c.lines, c.steps = i > 0 && n%4 == 0, i > 0 && n%4 == 2
				c.told = c.steps && n%8 == 2
				c.times = 0
				if i > 0 && n%2 == 1 {
					c.times = 1 + n%3
				}
				met := fewer(some(fs, n), n, 2+2*min(i, 1))
				lacks = errors.Join(lacks, ran(t, v.name, c.Run(v.hook, v.frags, met)))
			}
			if errors.Is(lacks, ebpf.ErrNotSupported) {
				t.Skip(lacks)
			}
		})
	}
}

// soak reports whether the long proofs are asked for.
func soak() bool { return os.Getenv("WEIR_SOAK") != "" }

// fewer returns every k-th of the frames, the others for the next chains; in a soak
// all of them.
func fewer(fs []Frame, n, k int) []Frame {
	if soak() {
		return fs
	}
	var out []Frame
	for i := n % k; i < len(fs); i += k {
		out = append(out, fs[i])
	}
	return out
}

// ran fails the test for an error of a run. It gives back that of a kernel that
// lacks the hook: the others are still to run.
func ran(t *testing.T, variant string, err error) error {
	t.Helper()
	if errors.Is(err, ebpf.ErrNotSupported) {
		return err
	}
	if err != nil && !cannot(err) {
		t.Errorf("%s: %v", variant, err)
	}
	return nil
}

// cannot reports whether a chain was refused because the hook cannot do what it
// asks for.
func cannot(err error) bool {
	var ds diag.List
	return errors.As(err, &ds) && len(ds) > 0 && ds[0].Code == "hook"
}

// What the kernel keeps beside a packet is read and written alike.
func TestCorpusOfTC(t *testing.T) {
	cs, fs := casesOf(t, corpusOfTC), stock()
	if len(cs) == 0 {
		t.Fatal("no cases")
	}
	ns := nstest.New(t) // where copies go
	for n, c := range cs {
		c.Mark, c.Priority, c.Segments = 0x5eed, 7, 3
		t.Run(strings.TrimSuffix(filepath.Base(c.File), ".weir")+"/"+c.Func, func(t *testing.T) {
			t.Parallel()
			var lacks error
			for _, v := range variants {
				if v.hook == hook.XDP || v.hook.Netfilter() { // whose test run takes nothing beside the packet
					continue
				}
				lacks = errors.Join(lacks, ran(t, v.name, inside(ns, func() error { return c.Run(v.hook, v.frags, some(fs, n)) })))
			}
			if errors.Is(lacks, ebpf.ErrNotSupported) {
				t.Skip(lacks)
			}
		})
	}
}
