package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/examples"
	"weir/internal/nstest"
)

// command is a line of an example's docstring: a word or two, then what to type.
var command = regexp.MustCompile(`(?m)^[A-Z][a-z ]+? {2,}(weir .*)$|^ {10}(weir .*)$`)

// place is where an example says that it is run.
var place = regexp.MustCompile(`--on (\S+)`)

// serve lets a server listen where an example looks for one.
func serve(t *testing.T, w *world) {
	t.Helper()
	check(t, w.host.Do(func() error {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:8080")
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	}))
}

// TestSamples runs what the examples say of themselves, on a host with the
// interface that they speak of and with their captures.
func TestSamples(t *testing.T) {
	w := newWorld(t)
	serve(t, w)
	cgroup := nstest.NewCgroup(t)
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
					on := place.FindStringSubmatch(text)[1]
					line = "weir detach --all && weir attach " + file + " --on " + strings.Replace(on, "eth0", "lo", 1) + " && " + line
				}
				line = strings.ReplaceAll(line, "=/web", "="+cgroup.Path)
				if out, err := w.run(line); err != nil {
					t.Errorf("%s: %s: %v\n%s", file, line, err, out)
				}
			})
		}
	}
}
