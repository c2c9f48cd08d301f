package docs

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/examples/modules"
	"weir/internal/golden"
	"weir/lang/check"
)

//go:generate go test -run ^(TestErrorsPage|TestHowItWorks|TestHooksPage|TestStdPage)$ -update .

var update = flag.Bool("update", false, "write the generated pages anew")

// A mistake is a program that somebody who knows Python writes, and what he
// should have written.
type mistake struct {
	title        string
	wrong, right string
}

// A chapter is a file of mistakes of one kind.
type chapter struct {
	title    string
	mistakes []mistake
}

const mistakesDir = "../lang/check/testdata/mistakes"

// chapters reads the mistakes. A file begins with a line "# TITLE"; a mistake is
// a line "=== TITLE", the wrong program, a line "--- right" and the right one.
func chapters(t *testing.T) []chapter {
	t.Helper()
	files, err := filepath.Glob(mistakesDir + "/*.weir")
	if err != nil || len(files) == 0 {
		t.Fatalf("no mistakes: %v", err)
	}
	var out []chapter
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(text), "\n=== ")
		c := chapter{title: strings.TrimPrefix(strings.TrimSpace(parts[0]), "# ")}
		for _, p := range parts[1:] {
			title, body, _ := strings.Cut(p, "\n")
			wrong, right, ok := strings.Cut(body, "--- right\n")
			if !ok {
				t.Fatalf("%s: %s: no right program", f, title)
			}
			c.mistakes = append(c.mistakes, mistake{title, wrong, strings.TrimSuffix(right, "\n") + "\n"})
		}
		out = append(out, c)
	}
	return out
}

// load reads what the manual's programs load: the examples' modules, and for errors.md
// objects that are there to be wrong.
func load(name string) ([]byte, error) {
	b, err := modules.Load(name)
	if errors.Is(err, fs.ErrNotExist) {
		return os.ReadFile(filepath.Join("../object/testdata", name))
	}
	return b, err
}

// said returns what weir says about a program, for XDP.
func said(text string) (string, error) {
	p, list := check.Check("edge.weir", []byte(text), check.Options{Load: load})
	for _, d := range list {
		if d.Hint == "" {
			return "", fmt.Errorf("%s: there is no hint", d.Message)
		}
	}
	if len(list) == 0 {
		return "", fmt.Errorf("nothing is said about it, though %v is wrong", p.Chains[0].Main)
	}
	return list.Error(), nil
}

const errorsHead = `# What weir says, and what to write

Mistakes that people make who come from Python, from C, or from another packet tool, or who bring C along: the wrong program, what weir says about it, and the right program. A test writes this page: it runs the compiler on every wrong program and compiles every right one for every hook. The list is in ` + "`lang/check/testdata/mistakes`" + `; ` + "`go generate ./docs`" + ` writes the page anew.

`

// TestErrorsPage compares errors.md with what weir says today. That the right
// programs of the page compile, without a warning, is [TestPrograms]'s.
func TestErrorsPage(t *testing.T) {
	var page strings.Builder
	page.WriteString(errorsHead)
	all := chapters(t)
	for _, c := range all {
		fmt.Fprintf(&page, "- [%s](#%s)\n", c.title, anchor(c.title))
	}
	total := 0
	for _, c := range all {
		fmt.Fprintf(&page, "\n## %s\n", c.title)
		for _, m := range c.mistakes {
			total++
			text, err := said(m.wrong)
			if err != nil {
				t.Errorf("%s: %v", m.title, err)
			}
			fmt.Fprintf(&page, "\n### %s\n\n```python wrong\n%s```\n\n```\n%s\n```\n\nRight:\n\n```python\n%s```\n", m.title, m.wrong, text, m.right)
		}
	}
	if total < 100 {
		t.Errorf("%d mistakes are too few", total)
	}
	wantPage(t, "errors.md", page.String())
}

// anchor returns the name under which the page's readers link to a title.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return -1
	}, strings.ToLower(title))
}

// wantPage compares a generated page with the one in the tree.
func wantPage(t *testing.T, file, got string) {
	t.Helper()
	golden.Compare(t, file, got, *update, "go generate ./docs")
}
