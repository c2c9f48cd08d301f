package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// A probe is some tests of one package.
type probe struct {
	pkg  string   // its folder
	run  string   // of -test.run
	env  []string // besides the process's own
	name string
}

// corpus is the chains of these files of the corpus, at every hook.
func corpus(files ...string) probe {
	all := strings.Join(files, "|")
	return probe{pkg: "internal/differ", run: "^TestCorpus$/^(" + all + ")$", name: "corpus " + all}
}

// test is one test of a package.
func test(pkg, name string) probe {
	return probe{pkg: pkg, run: "^" + name + "$", name: name + " of " + pkg}
}

var (
	optRandom = probe{pkg: "lang/opt", run: "^TestRandom$", name: "random middle forms, each pass"}
	genRandom = probe{pkg: "lang/gen", run: "^TestRandom$", name: "random middle forms in the kernel"}
	random    = probe{pkg: "internal/differ", run: "^TestRandom$", env: []string{"WEIR_SEEDS=1-12"}, name: "12 random programs"}
	wide      = []probe{optRandom, genRandom, random} // the quickest first
)

// patience is for the tests of one probe. Where they take longer, they have not
// found the fault.
const patience = 3 * time.Minute

// A bench builds and runs tests of one tree.
type bench struct {
	root  string            // of the module
	dir   string            // for what is built
	right map[string]string // test binaries without a fault, by folder
	good  map[string]bool   // probes that pass without a fault, by name
}

// baseline runs what the faults of the list name without a fault: all must pass.
func (b *bench) baseline(list []fault) error {
	start := time.Now()
	for _, f := range list {
		for _, p := range f.probes {
			if err := b.pass(p); err != nil {
				return err
			}
		}
	}
	fmt.Printf("without a fault: %d probes pass (%.0f s)\n", len(b.good), time.Since(start).Seconds())
	return nil
}

// pass sees to it that a probe passes without a fault.
func (b *bench) pass(p probe) error {
	if b.good[p.name] {
		return nil
	}
	if b.right[p.pkg] == "" {
		bin, err := b.build(p.pkg, "")
		if err != nil {
			return err
		}
		b.right[p.pkg] = bin
	}
	if out, err := b.run(b.right[p.pkg], p); err != nil {
		return fmt.Errorf("%s without a fault: %w\n%s", p.name, err, tail(out))
	}
	b.good[p.name] = true
	return nil
}

// try plants a fault and runs its probes up to the first that fails.
func (b *bench) try(f fault) (r result) {
	start := time.Now()
	r.fault = f
	r.test, r.why, r.err = b.find(f)
	r.took = time.Since(start)
	return r
}

// find returns the test that finds a fault, "" if none does, and what it says.
func (b *bench) find(f fault) (test, why string, err error) {
	overlay, err := b.overlay(f)
	if err != nil {
		return "", "", err
	}
	built := map[string]string{}
	for _, p := range f.all() {
		if built[p.pkg] == "" {
			if built[p.pkg], err = b.build(p.pkg, overlay); err != nil {
				return "", "", err
			}
		}
		out, err := b.run(built[p.pkg], p)
		var exit *exec.ExitError
		switch {
		case err == nil, errors.Is(err, context.DeadlineExceeded):
			continue
		case !errors.As(err, &exit):
			return "", "", err
		}
		if err := b.pass(p); err != nil { // a wide one, up to now not asked
			return "", "", err
		}
		test, why = told(out)
		return p.pkg + " " + test, why, nil
	}
	return "", "", nil
}

// overlay writes the file with the fault, and the description of what it is laid
// over, whose name it returns.
func (b *bench) overlay(f fault) (string, error) {
	path := filepath.Join(b.root, f.file)
	src, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	wrong, err := f.plant(string(src))
	if err != nil {
		return "", err
	}
	to := filepath.Join(b.dir, "wrong.go")
	if err := os.WriteFile(to, []byte(wrong), 0o644); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {path: to}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(b.dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o644)
}

// build makes the test binary of a package; overlay is "" for the right one.
func (b *bench) build(pkg, overlay string) (string, error) {
	bin := filepath.Join(b.dir, strings.ReplaceAll(pkg, "/", "_"))
	args := []string{"test", "-c", "-ldflags=-s -w"}
	if overlay != "" {
		bin += "_wrong"
		args = append(args, "-overlay", overlay)
	}
	args = append(args, "-o", bin)
	cmd := exec.Command("go", append(args, "./"+pkg)...)
	cmd.Dir = b.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, tail(out))
	}
	return bin, nil
}

// run runs a probe up to its first failure. Its error is an [exec.ExitError] if
// one failed, [context.DeadlineExceeded] if it took too long.
func (b *bench) run(bin string, p probe) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-test.run", p.run, "-test.failfast")
	cmd.Dir = filepath.Join(b.root, p.pkg)
	cmd.Env = append(os.Environ(), p.env...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err == nil && bytes.Contains(out, []byte("no tests to run")) {
		return out, errors.New("no tests to run")
	}
	return out, err
}

var (
	failLine = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
	saidLine = regexp.MustCompile(`(?m)^ +\w+_test\.go:\d+: (.*)$`)
)

// told returns the innermost test that failed, and the first line that it said.
func told(out []byte) (test, why string) {
	test = "the program died"
	if all := failLine.FindAllSubmatchIndex(out, -1); all != nil {
		last := all[len(all)-1]
		test = string(out[last[2]:last[3]])
		if said := out[last[1]:]; saidLine.Match(said) {
			out = said // what it says itself, not what one around it does
		}
	}
	if m := saidLine.FindSubmatch(out); m != nil {
		why = string(m[1])
	}
	return test, why[:min(len(why), 120)]
}

// tail is the end of what a program printed.
func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }
