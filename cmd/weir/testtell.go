package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"weir/internal/term"
	"weir/lang/diag"
	"weir/wtest"
)

// tellMemory says which test needs too much memory. None is run after it.
func (t *tester) tellMemory(doing string) error {
	var r wtest.Result
	fmt.Sscanf(doing, "%q %q %d", &r.File, &r.Name, &r.Line) // as file writes it
	r.Status, r.Message = wtest.Broken, tooBig()
	r.Hint = "make smaller values; what comes behind it was not run"
	switch {
	case r.Name == "" && !t.json:
		t.tellFile(r.File, fmt.Errorf("%s: %s: %s", r.File, r.Message, r.Hint))
	case t.json:
		term.JSON(t.out).Encode(r)
	default:
		t.tellFailure(r)
	}
	return errBroken
}

// tellCoverage shows how much of each file packets have reached, and writes the page
// that was asked for.
func (t *tester) tellCoverage(c *wtest.Coverage) error {
	if c == nil {
		return nil
	}
	if t.json {
		enc := term.JSON(t.out)
		for _, f := range c.Files() {
			enc.Encode(f)
		}
	} else {
		tab := &term.Table{Head: []string{"FILE", "STATEMENTS", "REACHED", "MISSED LINES"}}
		for _, f := range c.Files() {
			tab.Add(term.Clean(f.File), fmt.Sprint(f.Statements), fmt.Sprintf("%.1f%%", f.Percent()), f.Missed())
		}
		tab.Write(t.out)
	}
	if t.cover == "-" {
		return nil
	}
	write := c.WriteText
	if filepath.Ext(t.cover) == ".html" {
		write = c.WriteHTML
	}
	f, err := os.Create(t.cover)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// tellShared tells of a file of a folder that has no test: it may hold what tests share.
func (t *tester) tellShared(file string) error {
	if t.json {
		return nil
	}
	_, err := fmt.Fprintf(t.out, "%s%s  no test\n", t.out.Paint(term.Faint, "none  "), term.Clean(file))
	return err
}

// tellFile says why a file cannot be run.
func (t *tester) tellFile(file string, err error) error {
	if t.json {
		return term.JSON(t.out).Encode(wtest.Result{File: file, Status: wtest.Broken, Message: err.Error()})
	}
	var ds diag.List
	if errors.As(err, &ds) {
		t.printDiags(ds)
	} else {
		fmt.Fprintf(t.err, "weir: %s\n", cleanLines(err.Error()))
	}
	_, err = fmt.Fprintf(t.out, "%s%s\n", t.out.Paint(term.Red, "BROKEN  "), term.Clean(file))
	return err
}

// tell shows the result of a test.
func (t *tester) tell(r wtest.Result) error {
	switch {
	case t.json:
		return term.JSON(t.out).Encode(r)
	case r.Status == wtest.Passed && !t.all:
		return nil
	case r.Status == wtest.Passed:
		fmt.Fprintf(t.out, "%s%s  %.1f ms\n", t.out.Paint(term.Green, "ok    "), term.Clean(r.Name), r.Seconds*1e3)
	default:
		t.tellFailure(r)
	}
	for _, l := range r.Output {
		fmt.Fprintln(t.out, "      "+t.out.Paint(term.Faint, term.Clean(l)))
	}
	return nil
}

func (t *tester) tellFailure(r wtest.Result) {
	word, at := "FAIL  ", r.File
	if r.Status == wtest.Broken {
		word = "BROKEN  "
	}
	if r.At != "" {
		at = r.At
	}
	fmt.Fprintf(t.out, "%s%s  %s: %s\n", t.out.Paint(term.Red, word), t.out.Paint(term.Cyan, fmt.Sprintf("%s:%d", term.Clean(at), r.Line)),
		term.Clean(r.Name), term.Clean(r.Message))
	if r.Source != "" {
		fmt.Fprintln(t.out, "        "+term.Clean(r.Source))
	}
	for _, l := range r.Details {
		color := term.Faint
		switch {
		case strings.HasPrefix(l, "got"):
			color = term.Red
		case strings.HasPrefix(l, "want"):
			color = term.Green
		}
		fmt.Fprintln(t.out, "    "+t.out.Paint(color, term.Clean(l)))
	}
	if r.Hint != "" {
		fmt.Fprintln(t.out, "        "+term.Clean(r.Hint))
	}
}
