// Mutate asks whether the tests would find a fault of the compiler: it plants
// faults in it, one at a time, and runs the tests that compare what the compiler
// makes with something that knows nothing of it, the reference in the kernel's
// place (internal/differ) or the interpreter of the middle form (lang/opt,
// lang/gen).
//
//	go run ./internal/mutate            all faults: make mutate
//	go run ./internal/mutate NAME…      these
//
// The model: a [fault] is a text of a source file, there exactly once, and what
// stands there instead. The file with the fault goes over the right one by
// go build's -overlay, so that the tree is never changed. A [probe] is some of the
// tests: each fault names the quickest that ought to find it; where that passes,
// the wide ones are asked, too. The first failure ends it. A fault that does not
// compile, and tests that fail without any fault, are errors of ours.
//
// It needs what the tests need: root, and the kernel's BPF.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// needed is how many of the faults must be found.
const needed = 40

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(names []string) error {
	list, least, err := choose(names)
	if err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{root: root, dir: dir, right: map[string]string{}, good: map[string]bool{}}
	if err := b.baseline(list); err != nil {
		return err
	}
	var results []result
	for i, f := range list {
		r := b.try(f)
		fmt.Printf("%2d of %d  %s: %s\n", i+1, len(list), f.name, r.said())
		results = append(results, r)
	}
	return sum(results, least)
}

// choose returns the faults of these names, all without any, and how many of
// them must be found.
func choose(names []string) (list []fault, least int, err error) {
	if len(names) == 0 {
		return faults, needed, nil
	}
	for _, n := range names {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.name == n })
		if i < 0 {
			return nil, 0, fmt.Errorf("no fault %q", n)
		}
		list = append(list, faults[i])
	}
	return list, len(list), nil
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// A result is what became of a fault.
type result struct {
	fault fault
	test  string // that found it, "" for none
	why   string // the first line that it said
	took  time.Duration
	err   error // of the fault itself: it does not compile, its text is not there
}

func (r result) said() string {
	switch {
	case r.err != nil:
		return "BROKEN: " + r.err.Error()
	case r.test == "":
		return "NOT FOUND"
	}
	return r.test + ": " + r.why
}

// sum prints a table, and fails if fewer than least were found.
func sum(results []result, least int) error {
	found, broken := 0, 0
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nfault\tin\tfound by\tseconds")
	for _, r := range results {
		by := r.test
		switch {
		case r.err != nil:
			by = "BROKEN"
			broken++
		case by == "":
			by = "NOT FOUND"
		default:
			found++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f\n", r.fault.name, r.fault.file, by, r.took.Seconds())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("%d of %d faults found\n", found, len(results))
	if broken > 0 {
		return fmt.Errorf("%d faults cannot be tried: bring the list up to date", broken)
	}
	if found < least {
		return fmt.Errorf("at least %d must be found: add the case of the corpus that finds the others", least)
	}
	return nil
}
