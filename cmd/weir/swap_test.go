package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What waits on a terminal is confirmed by Enter, and by nothing else.
func TestConfirmOnTerminal(t *testing.T) {
	w := newWorld(t)
	for _, x := range []struct {
		name string
		do   func(*terminal) error
		runs string // the generation that runs then
	}{
		{"Enter", func(x *terminal) error { _, err := x.keys.WriteString("\n"); return err }, "generation 2,"},
		{"the end of the input", func(x *terminal) error { _, err := x.keys.WriteString("\x04"); return err }, "generation 1,"},
		{"an interrupt", func(x *terminal) error { return x.cmd.Process.Signal(os.Interrupt) }, "generation 1,"},
		{"a hang-up", (*terminal).hangUp, "generation 1,"},
	} {
		t.Run(x.name, func(t *testing.T) {
			w.attach(t)
			term := w.inTerminal(t, nil, "weir", "attach", "edge.weir", "--replace", "--confirm", "1m")
			term.waitFor(t, `press Enter, or give the command weir confirm edge within 1m0s`)
			if out, err := w.run("weir show edge"); err != nil || !strings.Contains(out, "generation 2,") {
				t.Errorf("weir show, meanwhile: %v\n%s", err, out)
			}
			check(t, x.do(term))
			err := term.cmd.Wait()
			if confirmed := err == nil; confirmed != (x.name == "Enter") {
				t.Errorf("weir attach: %v\n%s", err, term.text())
			}
			if _, failed := err.(*exec.ExitError); err != nil && !failed {
				t.Error(err)
			}
			if out, err := w.run("weir show edge"); err != nil || !strings.Contains(out, x.runs) || strings.Contains(out, "to be confirmed") {
				t.Errorf("weir show: %v\n%s", err, out)
			}
		})
	}
	if out, err := w.run("weir detach --all"); err != nil {
		t.Errorf("detach: %v: %s", err, out)
	}
}
