// Tally reads the output of "go test -json" on standard input, prints a line a
// package, everything that failed with its output, every skip with its reason,
// and a sum. It fails if a test or a build failed, and if nothing ran.
//
// The model: events come in the order in which they happen, for packages in
// parallel; the output of a test is kept until the test ends, and thrown away
// if it passed. Output of a failed package that belongs to no test (a panic, a
// data race, a failed build) is shown whole.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// An event is a line of test2json (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build events
	Test       string
	Output     string
	Elapsed    float64 // seconds
}

// A sum is what was counted over all packages.
type sum struct {
	passed, failed, skipped int
	broken                  int // packages that failed without a failed test of theirs
}

func main() {
	s, err := tally(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", s.passed, s.failed+s.broken, s.skipped)
	switch {
	case s.failed+s.broken > 0:
		os.Exit(1)
	case s.passed == 0:
		fmt.Fprintln(os.Stderr, "tally: nothing ran")
		os.Exit(1)
	}
}

// A run keeps what was not yet shown.
type run struct {
	out    io.Writer
	sum    sum
	output map[string][]string // by package and test
	failed map[string]int      // tests by package
}

func tally(in io.Reader, out io.Writer) (sum, error) {
	r := &run{out: out, output: make(map[string][]string), failed: make(map[string]int)}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line)
		}
		if err == io.EOF {
			return r.sum, nil
		}
		if err != nil {
			return r.sum, err
		}
	}
}

// line takes one line of input; what is not an event is shown as it is.
func (r *run) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		r.out.Write(line)
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.output[key] = append(r.output[key], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e, key)
		} else {
			r.endTest(e, key)
		}
		delete(r.output, key)
	}
}

// endTest counts a test; of a failed or skipped one it shows the output.
func (r *run) endTest(e event, key string) {
	switch e.Action {
	case "pass":
		r.sum.passed++
	case "fail":
		r.sum.failed++
		r.failed[e.Package]++
		fmt.Fprintf(r.out, "FAIL  %s %s\n", e.Package, e.Test)
		r.show(key)
	case "skip":
		r.sum.skipped++
		fmt.Fprintf(r.out, "skip  %s %s\n", e.Package, e.Test)
		r.show(key)
	}
}

// endPackage prints the line of a package.
func (r *run) endPackage(e event, key string) {
	word := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "none"}[e.Action]
	took := time.Duration(e.Elapsed * float64(time.Second)).Round(10 * time.Millisecond)
	fmt.Fprintf(r.out, "%s  %s  %s\n", word, e.Package, took)
	if e.Action == "fail" && r.failed[e.Package] == 0 {
		r.sum.broken++
		r.show(key)
	}
}

// show prints what was kept of a test, without the lines that go test frames
// every test with.
func (r *run) show(key string) {
	for _, s := range r.output[key] {
		if f := strings.TrimSpace(s); strings.HasPrefix(f, "=== ") || strings.HasPrefix(f, "--- ") {
			continue
		}
		fmt.Fprint(r.out, "      ", s)
	}
}
