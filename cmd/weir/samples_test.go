package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/examples"
)

// command is a line of an example's docstring: a word or two, then what to type.
var command = regexp.MustCompile(`(?m)^[A-Z][a-z ]+? {2,}(weir .*)$|^ {10}(weir .*)$`)

// TestSamples runs what the examples say of themselves, on a host with the
// interface that they speak of and with their captures.
func TestSamples(t *testing.T) {
	w := newWorld(t)
	captures, err := filepath.Abs("../../examples/testdata")
	check(t, err)
	check(t, os.Symlink(captures, filepath.Join(w.dir, "testdata")))
	for _, file := range examples.Names() {
		text, name := string(examples.MustRead(file)), strings.TrimSuffix(file, ".weir")
		lines := command.FindAllStringSubmatch(text, -1)
		if len(lines) == 0 {
			t.Errorf("%s does not say how to run it", file)
		}
		for _, m := range lines {
			line := m[1] + m[2]
			if strings.HasPrefix(line, "weir demo") {
				continue // TestScripts/demo runs it
			}
			t.Run(name+"/"+line, func(t *testing.T) {
				if !strings.Contains(line, file) { // it speaks of one that runs
					line = "weir detach --all && weir attach " + file + " --on lo && " + line
				}
				if out, err := w.run(line); err != nil {
					t.Errorf("%s: %s: %v\n%s", file, line, err, out)
				}
			})
		}
	}
}
