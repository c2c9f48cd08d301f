package wtest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"weir/lang/check"
	"weir/trace"
)

// Suffix is how the names of test files end.
const Suffix = check.ScriptSuffix

// A Status is how a test ended.
type Status string

// How tests end.
const (
	Passed Status = "passed"
	Failed Status = "failed" // an assertion does not hold
	Broken Status = "broken" // the test is wrong, or the machine
)

// A Result is how a test ended. Its JSON form is fixed.
type Result struct {
	File    string   `json:"file"`
	Name    string   `json:"name"` // with the name of the case behind a slash
	Status  Status   `json:"status"`
	Line    int      `json:"line"`              // of the test, or where it ended
	At      string   `json:"at,omitempty"`      // the file of Line, if it is another one
	Source  string   `json:"source,omitempty"`  // the text of the line where it ended
	Message string   `json:"message,omitempty"` // why it did not pass
	Details []string `json:"details,omitempty"` // what was found and what was wanted
	Hint    string   `json:"hint,omitempty"`
	Output  []string `json:"output,omitempty"` // of print()
	Seconds float64  `json:"seconds"`
}

// Options of [Run].
type Options struct {
	Load func(path string) ([]byte, error) // reads tests, chain files and captures

	Hook string            // at which chains run where a test does not say; "" is the first that takes them
	Set  map[string]string // parameters, by name, in all tests of chains that have them
	Only *regexp.Regexp    // which tests run, by their names; nil: all

	Cover *Coverage // is told what packets reach; nil: nobody wants to know

	Start func(test string, line int) // is called before each test, if it is not nil
	Each  func(Result) error          // is given every result, in order
}

// Run runs the tests of a file. An error is of the file or the machine: no test of the
// file, or no further one, could run. There is none in the file if n is 0.
func Run(ctx context.Context, file string, o Options) (n int, err error) {
	err = trace.OnOneCPU(func() (err error) {
		s, err := open(ctx, file, o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.beds.close()) }()
		n, err = s.all(o)
		return err
	})
	if err != nil {
		return n, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

// Check reads a test file without running its tests, and returns how many there are.
func Check(ctx context.Context, file string, o Options) (n int, err error) {
	s, err := open(ctx, file, o)
	if err != nil {
		return 0, err
	}
	tests, err := s.tests()
	return len(tests), errors.Join(err, s.beds.close())
}

// Params returns the names of the params that the chains have which a test file loads:
// those that Options.Set may name. No program is loaded.
func Params(ctx context.Context, file string, o Options) ([]string, error) {
	s, err := open(ctx, file, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var out []string
	for file, chains := range s.chains {
		names, err := s.beds.of(file).params(chains)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, names...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (s *suite) all(o Options) (n int, err error) {
	tests, err := s.tests()
	if err != nil {
		return 0, err
	}
	for _, t := range tests {
		if o.Only != nil && !o.Only.MatchString(t.name) {
			continue
		}
		if err := s.ctx.Err(); err != nil {
			return n, err
		}
		n++
		if o.Start != nil {
			o.Start(t.name, t.line)
		}
		r, err := s.run1(t)
		if s.ctx.Err() != nil {
			return n, s.ctx.Err()
		}
		if err == nil {
			err = o.Each(r)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
