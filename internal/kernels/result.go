package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"weir/internal/vm"
)

// Jobs besides the suites.
const (
	jobDoctor = "weir doctor"
	jobProbe  = "probe"
)

// A result is what a kernel was found to do.
type result struct {
	Kernel  string // 6.1, newest
	Release string // as the kernel calls itself
	Suites  map[string]*tally
	Doctor  []check
	Probe   []check
}

// A tally is what became of a suite's tests.
type tally struct {
	Passed  int
	Failed  []failure
	Skipped []skip
}

type skip struct{ Test, Why string }

type failure struct{ Test, Said string }

// A check is one thing that was tried: a line of probe, or of weir doctor.
type check struct {
	Area   string `json:"area"`
	Name   string `json:"name"`
	Status string `json:"status"` // ok, missing, unknown
	Detail string `json:"detail"`
}

// An event is a line of test2json (go doc test2json).
type event struct {
	Action, Package, Test, Output string
}

// run runs suites on a kernel and writes events of "go test -json" to out.
func (b *built) run(ctx context.Context, kernel string, suites []suite, out io.Writer) (*result, error) {
	m, err := b.machine(kernel, suites)
	if err != nil {
		return nil, err
	}
	r := &result{Kernel: kernel, Suites: map[string]*tally{}}
	lines := map[string]*bytes.Buffer{}
	var broken []error
	err = m.Run(ctx, func(e vm.Event) {
		switch e.Kind {
		case vm.Booted:
			r.Release = e.Text
		case vm.Module:
			broken = append(broken, errors.New(e.Text))
		case vm.Line:
			if lines[e.Job] == nil {
				lines[e.Job] = new(bytes.Buffer)
			}
			fmt.Fprintln(lines[e.Job], e.Text)
		case vm.Ended:
			if lines[e.Job] == nil {
				lines[e.Job] = new(bytes.Buffer)
			}
			if err := r.ended(e, lines[e.Job], out); err != nil {
				broken = append(broken, err)
			}
			delete(lines, e.Job)
		}
	})
	for job, said := range lines { // cut off
		r.ended(vm.Event{Kind: vm.Ended, Job: job, Code: 1, Text: "the machine was switched off"}, said, out)
	}
	if err != nil {
		console, _ := os.ReadFile(m.Console)
		err = fmt.Errorf("%w\n%s", err, console[max(0, len(console)-4000):])
	}
	return r, errors.Join(append(broken, err)...)
}

// ended takes what a job has written.
func (r *result) ended(e vm.Event, said *bytes.Buffer, out io.Writer) error {
	switch e.Job {
	case jobDoctor:
		var all struct{ Checks []check }
		if err := json.Unmarshal(said.Bytes(), &all); err != nil {
			return fmt.Errorf("weir doctor: %w: %s", err, said)
		}
		r.Doctor = all.Checks
		return nil
	case jobProbe:
		if err := json.Unmarshal(said.Bytes(), &r.Probe); err != nil {
			return fmt.Errorf("probe: %w: %s", err, said)
		}
		return nil
	}
	if e.Code != 0 && e.Text != "" {
		fmt.Fprintln(said, e.Text)
	}
	cmd := exec.Command("go", "tool", "test2json", "-p", fmt.Sprintf("linux-%s: %s", r.Kernel, e.Job))
	cmd.Stdin = said
	events, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("test2json: %w", err)
	}
	r.Suites[e.Job] = count(events, e.Code != 0)
	_, err = out.Write(events)
	return err
}

// count makes a tally of events; a binary that failed counts even if no test did.
func count(events []byte, failed bool) *tally {
	t := new(tally)
	said := map[string]string{}
	for line := range bytes.Lines(events) {
		var e event
		if json.Unmarshal(line, &e) != nil || e.Test == "" {
			continue
		}
		switch e.Action {
		case "output":
			if s := strings.TrimSpace(e.Output); !strings.HasPrefix(s, "=== ") && !strings.HasPrefix(s, "--- ") {
				said[e.Test] += e.Output
			}
		case "pass":
			t.Passed++
		case "fail":
			t.Failed = append(t.Failed, failure{e.Test, said[e.Test]})
		case "skip":
			t.Skipped = append(t.Skipped, skip{e.Test, reason(said[e.Test])})
		}
	}
	if failed && len(t.Failed) == 0 {
		t.Failed = []failure{{"(the binary)", string(events)}}
	}
	return t
}

// reason is what a skip said, without its place: "attach_test.go:221: tcx: not…".
func reason(said string) string {
	said = strings.TrimSpace(said)
	said = strings.TrimSpace(said[strings.LastIndexByte(said, '\n')+1:])
	if place, why, ok := strings.Cut(said, ": "); ok && strings.Contains(place, "_test.go:") {
		return why
	}
	return said
}
