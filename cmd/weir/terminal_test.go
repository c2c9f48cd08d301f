package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A terminal is a command that runs in one.
type terminal struct {
	cmd  *exec.Cmd
	keys *os.File // what is written here was typed
	tty  string
	done chan struct{}

	mu  sync.Mutex
	out strings.Builder
}

// inTerminal starts a command with a pseudo-terminal as its standard streams
// (pty(7)), in the world's folder and on its host.
func (w *world) inTerminal(t *testing.T, env []string, name string, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command(filepath.Join(w.dir, name), args...)
	cmd.Env = env
	return w.atTerminal(t, cmd)
}

// inShell starts a shell with jobs, whose terminal a pseudo-terminal is: the keys
// for signals work.
func (w *world) inShell(t *testing.T, script string) *terminal {
	t.Helper()
	cmd := exec.Command("bash", "-c", "set -m; "+script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return w.atTerminal(t, cmd)
}

func (w *world) atTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	check(t, err)
	t.Cleanup(func() { ptmx.Close() })
	check(t, unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	check(t, err)
	check(t, unix.IoctlSetWinsize(int(ptmx.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 60}))
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	check(t, err)
	defer tty.Close()

	x := &terminal{cmd: cmd, keys: ptmx, tty: tty.Name(), done: make(chan struct{})}
	x.cmd.Dir, x.cmd.Env = w.dir, append(append(w.env, "TERM=xterm"), x.cmd.Env...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = tty, tty, tty
	check(t, w.host.Do(x.cmd.Start))
	go func() {
		defer close(x.done)
		b := make([]byte, 4096)
		for {
			n, err := ptmx.Read(b) // EIO when the last writer is gone
			x.mu.Lock()
			x.out.Write(b[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return x
}

// hangUp ends the connection to the terminal.
func (x *terminal) hangUp() error {
	f, err := os.OpenFile(x.tty, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.IoctlSetInt(int(f.Fd()), unix.TIOCVHANGUP, 0)
}

func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.String()
}

// waitFor waits until the output matches.
func (x *terminal) waitFor(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for range 1000 {
		if re.MatchString(x.text()) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %q in ten seconds of\n%q", pattern, x.text())
}

func TestTerminal(t *testing.T) {
	w := newWorld(t)
	check(t, os.WriteFile(filepath.Join(w.dir, "bad.weir"), []byte("def main(pkt):\n    return nosuch\n"), 0o600))

	t.Run("diagnostics have colours", func(t *testing.T) {
		x := w.inTerminal(t, nil, "weir", "check", "bad.weir")
		x.waitFor(t, `\x1b\[1mbad.weir:2:12\x1b\[0m\x1b\[31m: error: \x1b\[0m`)
		if err := x.cmd.Wait(); err == nil {
			t.Error("weir check of a bad chain: exit code 0")
		}
	})
	t.Run("NO_COLOR", func(t *testing.T) {
		x := w.inTerminal(t, []string{"NO_COLOR=1"}, "weir", "check", "bad.weir")
		x.cmd.Wait()
		<-x.done
		if s := x.text(); strings.Contains(s, "\x1b") || !strings.HasPrefix(s, "bad.weir:2:12: error: ") {
			t.Errorf("output %q", s)
		}
	})
	t.Run("run draws in place", func(t *testing.T) {
		x := w.inTerminal(t, nil, "weir", "run", "edge.weir", "--name", "drawn", "--on", "eth0")
		// Hides the cursor, draws, goes up as many lines, and draws again.
		x.waitFor(t, `^\x1b\[\?25l.*drawn(?s:.*)\x1b\[\d+A\r.*drawn`)
		check(t, x.cmd.Process.Signal(os.Interrupt))
		if err := x.cmd.Wait(); err != nil {
			t.Errorf("weir run: %v", err)
		}
		<-x.done
		s := x.text()
		if !strings.HasSuffix(s, "\x1b[?25h") {
			t.Errorf("the cursor is not shown at the end of %q", s)
		}
		for _, l := range strings.Split(s, "\n") {
			if n := len([]rune(regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\r`).ReplaceAllString(l, ""))); n > 60 {
				t.Errorf("a line of %d columns on a terminal of 60: %q", n, l)
			}
		}
	})
	t.Run("a bar while a map is loaded", func(t *testing.T) {
		w.attach(t)
		var list strings.Builder
		for i := range 300_000 {
			fmt.Fprintf(&list, "10.%d.%d.%d/32\n", i>>16, i>>8&255, i&255)
		}
		check(t, os.WriteFile(filepath.Join(w.dir, "long.txt"), []byte(list.String()), 0o600))
		x := w.inTerminal(t, nil, "weir", "maps", "load", "edge", "big", "long.txt")
		x.waitFor(t, `300,000 lines loaded into big`)
		if err := x.cmd.Wait(); err != nil {
			t.Errorf("weir maps load: %v", err)
		}
		if !regexp.MustCompile(`\r(reading|loading) \x1b\[32m[▏▎▍▌▋▊▉█]`).MatchString(x.text()) {
			t.Errorf("no bar in %q", x.text())
		}
		if out, err := w.run("weir detach --all"); err != nil {
			t.Errorf("detach: %v: %s", err, out)
		}
	})
}
