// Package docs holds the manual. It has no code but this test, which compiles
// the whole programs of the manual for every hook: what is shown works, and without a warning.
package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/hook"
	"weir/lang"
	"weir/wtest"
)

// A block is a fenced block of a manual page.
type block struct {
	file string
	line int    // of its first line of text
	info string // what stands behind the fence: "python", "python wrong"
	text string
}

// String returns the place of the block: language.md:12.
func (b block) String() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

// program reports whether b is a whole program.
func (b block) program() bool {
	lang, _, _ := strings.Cut(b.info, " ")
	return lang == "python" && b.info != "python wrong" && !b.test() && strings.Contains("\n"+b.text, "\ndef main(")
}

// test reports whether b is a file of tests, of the program before it.
func (b block) test() bool { return b.info == "python test" }

// hooks returns the hooks that a program is for: those that stand behind the fence,
// or all where frames may be changed.
func (b block) hooks(t *testing.T) []hook.Hook {
	t.Helper()
	if _, name, ok := strings.Cut(b.info, " "); ok {
		h, err := hook.Parse(name)
		if err != nil {
			t.Errorf("%s: %v", b, err)
		}
		return []hook.Hook{h}
	}
	return hook.Frames()
}

// blocks returns the fenced blocks of a page.
func blocks(file, page string) ([]block, error) {
	const fence = "```"
	var out []block
	open := false
	for i, line := range strings.Split(page, "\n") {
		switch info, isFence := strings.CutPrefix(line, fence); {
		case isFence && !open:
			open = true
			out = append(out, block{file: file, line: i + 2, info: strings.TrimSpace(info)})
		case isFence:
			if info != "" {
				return nil, fmt.Errorf("%s:%d: a block begins inside of the block of line %d", file, i+1, out[len(out)-1].line-1)
			}
			open = false
		case open:
			out[len(out)-1].text += line + "\n"
		}
	}
	if open {
		return nil, fmt.Errorf("%s:%d: the block has no end", file, out[len(out)-1].line-1)
	}
	return out, nil
}

// pages returns the blocks of the manual and of the README.
func pages(t *testing.T) []block {
	t.Helper()
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	lessons, err := filepath.Glob("tutorial/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(append(files, lessons...), "../README.md") {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		bs, err := blocks(f, string(text))
		if err != nil {
			t.Error(err)
		}
		all = append(all, bs...)
	}
	return all
}

// TestPrograms compiles every whole program of the manual for every hook.
func TestPrograms(t *testing.T) {
	programs := map[string]int{}
	for _, b := range pages(t) {
		if !b.program() {
			continue
		}
		programs[b.file]++
		for _, h := range b.hooks(t) {
			t.Run(fmt.Sprintf("%s/%s", b, h), func(t *testing.T) {
				p, err := lang.Compile([]byte(b.text), lang.Options{File: b.String(), Hook: h, Load: load})
				if err != nil {
					t.Fatalf("the program of %s does not compile for %s (lines count from the beginning of the block):\n%v", b, h, err)
				}
				for _, w := range p.Warnings {
					t.Errorf("the program of %s is no example, since it has a warning:\n%v", b, w)
				}
			})
		}
	}
	for _, f := range []string{"language.md", "tour.md", "../README.md"} {
		if programs[f] == 0 {
			t.Errorf("%s shows no whole program", f)
		}
	}
}

// TestBlocks holds that what is shown as a program is one, or says that it is
// wrong: errors.md has its own test.
func TestBlocks(t *testing.T) {
	for _, b := range pages(t) {
		if strings.HasPrefix(b.info, "python") && !b.program() && !b.test() && b.info != "python wrong" {
			t.Errorf("%s: the block has no main", b)
		}
	}
}

// TestTests runs the tests that the manual shows, on the program that stands before
// them.
func TestTests(t *testing.T) {
	n := 0
	var program string
	for _, b := range pages(t) {
		if b.program() {
			program = b.text
		}
		if !b.test() {
			continue
		}
		ran, err := wtest.Run(t.Context(), "manual_test.weir", wtest.Options{
			Load: func(path string) ([]byte, error) {
				if path == "manual_test.weir" {
					return []byte(b.text), nil
				}
				return []byte(program), nil
			},
			Each: func(r wtest.Result) error {
				if r.Status != wtest.Passed {
					t.Errorf("%s: line %d: %s: %s %q", b, r.Line, r.Name, r.Message, r.Details)
				}
				return nil
			},
		})
		if err != nil || ran == 0 {
			t.Errorf("%s: %d tests: %v", b, ran, err)
		}
		n += ran
	}
	if n < 5 {
		t.Errorf("%d tests in the manual", n)
	}
}
