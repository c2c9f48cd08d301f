package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"weir/internal/child"
	"weir/internal/term"
	"weir/lang/diag"
	"weir/wtest"
)

// isTest reports whether what is to be compiled is a file of tests.
func isTest(r child.Request) bool { return !r.Line && strings.HasSuffix(r.File, wtest.Suffix) }

// run checks all arguments, in a child of limited memory if tests are among them, which
// are read by this process.
func (k *checker) run(ctx context.Context, args []string) error {
	if !slices.ContainsFunc(args, func(arg string) bool {
		r := k.chain.request(arg)
		if r.File == "-" {
			r.File = k.name
		}
		return isTest(r)
	}) {
		return k.all(ctx, args, func(string) {})
	}
	return k.confined(ctx, func(doing func(string)) error { return k.all(ctx, args, doing) }, func(file string) error {
		k.tell(diag.List{{Pos: diag.Pos{File: file}, Code: "limit", Message: tooBig(), Hint: "make smaller values"}})
		return errSilent
	})
}

// tests checks a file of tests without running them, and says how many there are.
func (k *checker) tests(ctx context.Context, r child.Request) (said string, err error) {
	if r.Func != "" {
		return "", usage("%s holds tests, and no chain: write weir check %s, or weir test %s --run %s", r.File, r.File, r.File, r.Func)
	}
	load := func(name string) ([]byte, error) {
		if name == r.File && r.Source != nil {
			return r.Source, nil
		}
		return os.ReadFile(name)
	}
	n, err := wtest.Check(ctx, r.File, wtest.Options{Load: load})
	var ds diag.List
	switch {
	case errors.As(err, &ds):
		return "", ds
	case err != nil:
		return "", diag.List{{Pos: diag.Pos{File: r.File}, Code: "file", Message: err.Error()}}
	case n == 0:
		return ", with no test in it: the names of tests begin with test_", nil
	}
	return fmt.Sprintf(", %s: weir test %s runs them", term.Plural(uint64(n), "test"), term.Clean(r.File)), nil
}
