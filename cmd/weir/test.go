package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/hook"
	"weir/internal/term"
	"weir/wtest"
)

// A tester is one run of weir test.
type tester struct {
	*app
	run, hook string
	set       []string
	json, all bool
	cover     string // "-": the table alone

	named []string     // files and folders
	doing func(string) // tells the parent which test runs

	sum testSum
}

// A testSum is what became of all tests. Its JSON form is fixed.
type testSum struct {
	Files   int     `json:"files"`
	Tests   int     `json:"tests"`
	Passed  int     `json:"passed"`
	Failed  int     `json:"failed"`
	Broken  int     `json:"broken"`
	Seconds float64 `json:"seconds"`
}

func (a *app) test() *cobra.Command {
	t := &tester{app: a}
	c := &cobra.Command{
		Use:   "test [FILE|FOLDER]...",
		Short: "Run the tests of chains: NAME_test.weir",
		Long: `Runs the functions test_… of files NAME_test.weir, which build packets and give
them to chains in the kernel, at no hook. Of a folder all such files below it are
run; without an argument those of this folder. See docs/testing.md.

Every test starts with the first content of maps and at the same time, which goes
on with advance() alone. A chain runs at the first hook that takes it, where the
test does not say another.

The exit code is 0 if all passed, 1 if a test failed, 2 if a test or a file is
broken: it cannot be run as it stands.`,
		Example: `  weir test
  weir test edge_test.weir --run 'limit|source' -v
  weir test edge_test.weir --hook tc-ingress --set limit=10
  weir test examples --json`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"weir"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.confined(ctx, func(doing func(string)) error {
				t.doing = doing
				return t.files(ctx, args)
			}, t.tellMemory)
		}),
	}
	f := c.Flags()
	f.StringVar(&t.run, "run", "", "run the tests whose names match this regular expression")
	f.StringVar(&t.hook, "hook", "", "the hook at which chains run whose test does not say (default: the first that takes them)")
	f.StringArrayVar(&t.set, "set", nil, "set a param in all tests: PARAM=VALUE; may be repeated")
	f.BoolVarP(&t.all, "verbose", "v", false, "tell of tests that passed, too, and what they print")
	f.StringVar(&t.cover, "coverage", "", "tell which statements packets reached; =FILE.html or =FILE.txt writes the sources, line by line")
	f.Lookup("coverage").NoOptDefVal = "-"
	c.RegisterFlagCompletionFunc("hook", cobra.FixedCompletions(hook.Names(), cobra.ShellCompDirectiveNoFileComp))
	jsonFlag(c, &t.json)
	f.Lookup("json").Usage = "print an object for each test, and a summary"
	return c
}

func (t *tester) files(ctx context.Context, args []string) error {
	o, err := t.options()
	if err != nil {
		return err
	}
	t.named = args
	files, err := testFiles(args)
	if err != nil {
		return err
	}
	if err := t.haveParams(ctx, files, o); err != nil {
		return err
	}
	if err := t.mayCover(); err != nil {
		return err
	}
	start := time.Now()
	for _, f := range files {
		if err := t.file(ctx, f, o); err != nil {
			return err
		}
	}
	t.sum.Files, t.sum.Seconds = len(files), time.Since(start).Seconds()
	if err := t.tellCoverage(o.Cover); err != nil {
		return err
	}
	if t.json {
		term.JSON(t.out).Encode(t.sum)
	} else if len(files) > 1 || t.sum.Tests != t.sum.Passed {
		fmt.Fprintln(t.out, t.sum.text())
	}
	switch {
	case t.sum.Tests == 0 && t.sum.Broken == 0:
		return usage("no test has a name that matches %q", t.run)
	case t.sum.Broken > 0:
		return errBroken
	case t.sum.Failed > 0:
		return errSilent
	}
	return nil
}

func (t *tester) options() (o wtest.Options, err error) {
	if t.run != "" {
		if o.Only, err = regexp.Compile(t.run); err != nil {
			return o, usage("--run: %v", err)
		}
	}
	if t.hook != "" {
		h, err := parseHook(t.hook)
		if err != nil {
			return o, err
		}
		if h.Info().Conn {
			return o, usage("a chain at %s sees no packets, which is what tests give it", h)
		}
	}
	if t.cover != "" {
		if ext := filepath.Ext(t.cover); t.cover != "-" && ext != ".html" && ext != ".txt" {
			return o, usage("--coverage=%s: the name ends in .html or .txt", t.cover)
		}
		o.Cover = wtest.NewCoverage()
	}
	o.Hook, o.Load = t.hook, os.ReadFile
	o.Set, err = settings(t.set)
	return o, err
}

// testFiles returns the test files that arguments name.
func testFiles(args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	var out []string
	for _, a := range args {
		n := len(out)
		err := filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			hidden := strings.HasPrefix(d.Name(), ".") && path != a
			switch {
			case d.IsDir() && hidden:
				return fs.SkipDir
			case !d.IsDir() && (path == a || strings.HasSuffix(path, wtest.Suffix)):
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, usage("%v", err)
		}
		if len(out) == n {
			return nil, usage("there is no file NAME%s in %s", wtest.Suffix, a)
		}
		if f := out[n]; f == a && !strings.HasSuffix(f, wtest.Suffix) {
			return nil, usage("%s is no test: their names end in %s", f, wtest.Suffix)
		}
	}
	return out, nil
}

// mayCover refuses a file for --coverage that cannot be written, before tests are run.
func (t *tester) mayCover() error {
	if t.cover == "" || t.cover == "-" {
		return nil
	}
	f, err := os.OpenFile(t.cover, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return usage("--coverage=%s: %w", t.cover, errors.Unwrap(err))
	}
	return f.Close()
}

// haveParams refuses a --set of a param that no chain under test has. What cannot be
// run may have it: that is told when it is its turn.
func (t *tester) haveParams(ctx context.Context, files []string, o wtest.Options) error {
	if len(o.Set) == 0 {
		return nil
	}
	var there []string
	for _, f := range files {
		names, err := wtest.Params(ctx, f, o)
		if err != nil {
			return ctx.Err()
		}
		there = append(there, names...)
	}
	slices.Sort(there)
	there = slices.Compact(there)
	for _, name := range slices.Sorted(maps.Keys(o.Set)) {
		if slices.Contains(there, name) {
			continue
		}
		if len(there) == 0 {
			return usage("--set %s: no chain under test has a param", name)
		}
		return usage("--set %s: no chain under test has a param of that name (there are %s)%s", name, strings.Join(there, ", "), didYouMean(name, there))
	}
	return nil
}

// file runs the tests of a file. Its error is one that ends them all.
func (t *tester) file(ctx context.Context, file string, o wtest.Options) error {
	before, start := t.sum, time.Now()
	o.Start = func(test string, line int) { t.doing(fmt.Sprintf("%q %q %d", file, test, line)) }
	o.Start("", 0)
	o.Each = func(r wtest.Result) error {
		t.sum.add(r)
		return t.tell(r)
	}
	n, err := wtest.Run(ctx, file, o)
	if err == nil && n == 0 && o.Only == nil {
		if !slices.Contains(t.named, file) {
			return t.tellShared(file)
		}
		err = fmt.Errorf("%s: there is no function test_… in it", file)
	}
	if ctx.Err() != nil || errors.Is(err, os.ErrPermission) && !privileged() {
		return err
	}
	if err != nil {
		t.sum.Broken++
		if err := t.tellFile(file, err); err != nil {
			return err
		}
	}
	if t.json || err != nil {
		return nil
	}
	word := t.out.Paint(term.Green, "ok    ")
	if t.sum.Passed-before.Passed < n {
		word = t.out.Paint(term.Red, "FAIL  ")
	}
	_, err = fmt.Fprintf(t.out, "%s%s  %s, %.0f ms\n", word, term.Clean(file), term.Plural(uint64(n), "test"), time.Since(start).Seconds()*1e3)
	return err
}

func (s *testSum) add(r wtest.Result) {
	s.Tests++
	switch r.Status {
	case wtest.Passed:
		s.Passed++
	case wtest.Failed:
		s.Failed++
	default:
		s.Broken++
	}
}

func (s *testSum) text() string {
	parts := []string{fmt.Sprintf("%d passed", s.Passed)}
	if s.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", s.Failed))
	}
	if s.Broken > 0 {
		parts = append(parts, fmt.Sprintf("%d broken", s.Broken))
	}
	return fmt.Sprintf("%s in %s: %s", term.Plural(uint64(s.Tests), "test"), term.Plural(uint64(s.Files), "file"), strings.Join(parts, ", "))
}
