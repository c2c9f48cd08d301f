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

// What waits under a shell is taken back in time also if its terminal belongs to
// another job, and nothing that is typed stops it.
func TestConfirmUnderShell(t *testing.T) {
	w := newWorld(t)
	type event struct{ after, keys string } // typed when the terminal shows that
	const waits = `press Enter, or give the command weir confirm edge`
	for _, x := range []struct {
		name, script string
		keys         []event
		shows, runs  string
	}{
		{"in the background", "weir attach edge.weir --replace --confirm 2s & read", nil, "generation 1 runs again", "generation 1,"},
		{"from a background that may not write", "stty tostop; weir attach edge.weir --replace --confirm 2s & read", nil, "generation 1 runs again", "generation 1,"},
		{"brought to the foreground", "weir attach edge.weir --replace --confirm 1m & read; fg; echo ended $?; read",
			[]event{{waits, "\n"}, {`\r\nweir attach`, "\n"}}, "ended 0", "generation 2,"},
		{"^Z", "weir attach edge.weir --replace --confirm 2s; read", []event{{waits, "\x1a"}}, "generation 1 runs again", "generation 1,"},
		{"^\\", "weir attach edge.weir --replace --confirm 1m; read", []event{{waits, "\x1c"}}, "generation 1 runs again", "generation 1,"},
	} {
		t.Run(x.name, func(t *testing.T) {
			w.attach(t)
			term := w.inShell(t, x.script)
			for _, e := range x.keys {
				term.waitFor(t, e.after)
				_, err := term.keys.WriteString(e.keys)
				check(t, err)
			}
			term.waitFor(t, x.shows)
			_, err := term.keys.WriteString("\n") // which the shell reads
			check(t, err)
			term.cmd.Wait()
			if s := term.text(); strings.Contains(s, "goroutine") {
				t.Errorf("weir attach: %s", s)
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
