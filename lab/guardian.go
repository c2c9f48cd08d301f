package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	guardianEnv  = "WEIR_LAB_GUARDIAN"
	guardianArg0 = "weir-lab-guardian"
)

// ErrNoGuardian says that the program makes labs without having called
// MaybeGuardian: its guardian would run the program's main a second time.
var ErrNoGuardian = errors.New("lab.MaybeGuardian was not called first in main or TestMain")

// guardianReady is a fact of the process: MaybeGuardian was called.
var guardianReady atomic.Bool

// MaybeGuardian does not return if this process is the guardian of a lab: it
// waits for the lab's owner to end, removes what the owner left, and exits.
// In every other process it returns at once. It must be called first in main
// and in TestMain.
func MaybeGuardian() {
	id := os.Getenv(guardianEnv)
	if id == "" || os.Args[0] != guardianArg0 {
		guardianReady.Store(true)
		return
	}
	if err := guard(id, os.Stdin, os.Stdout); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// guard reads lines "PID START" (processes to kill) until the owner's end of
// the pipe closes, then removes the lab.
func guard(id string, in io.Reader, out io.WriteCloser) error {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE)
	fmt.Fprintln(out, "ready")
	out.Close()

	type proc struct {
		pid   int
		start uint64
	}
	var procs []proc
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var p proc
		if _, err := fmt.Sscan(lines.Text(), &p.pid, &p.start); err == nil {
			procs = append(procs, p)
		}
	}
	for _, p := range procs {
		if p.pid > 1 && alive(p.pid, p.start) {
			unix.Kill(p.pid, unix.SIGKILL)
		}
	}
	// The pipe closes when the last thread of the owner is gone, so nobody makes
	// another namespace; what was busy is tried again.
	var err error
	for range 20 {
		_, err = removeWhere(func(name string) bool {
			return strings.HasPrefix(name, namePrefix+id+"-")
		})
		if err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// guardian is the owner's side of the guardian process.
type guardian struct {
	cmd  *exec.Cmd
	pipe *os.File // write end; closing it is the signal
}

// startGuardian re-executes this binary as the guardian of the lab id and
// waits until it is ready.
func startGuardian(ctx context.Context, id string) (*guardian, error) {
	if !guardianReady.Load() {
		return nil, ErrNoGuardian
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// Not CommandContext: the guardian outlives whatever ctx is about.
	cmd := &exec.Cmd{
		Path: "/proc/self/exe",
		Args: []string{guardianArg0, id},
		// A binary built with -race sleeps for a second when it exits.
		Env:   []string{guardianEnv + "=" + id, "GOMAXPROCS=1", "GORACE=atexit_sleep_ms=0"},
		Dir:   "/",
		Stdin: r,
		// A session of its own: ^C in the owner's terminal does not reach it.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.Close()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	g := &guardian{cmd: cmd, pipe: w}
	ready := make(chan error, 1)
	go func() {
		_, err := bufio.NewReader(out).ReadString('\n')
		ready <- err
	}()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		cmd.Process.Kill()
		return nil, errors.Join(fmt.Errorf("wait for guardian: %w", err), g.stop())
	}
	return g, nil
}

// watch tells the guardian to kill a process if the owner dies.
func (g *guardian) watch(pid int) error {
	start, _, err := startTime(pid)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(g.pipe, "%d %d\n", pid, start)
	return err
}

// stop closes the pipe and waits for the guardian to have cleaned up.
func (g *guardian) stop() error {
	g.pipe.Close()
	if err := g.cmd.Wait(); err != nil {
		return fmt.Errorf("guardian: %w", err)
	}
	return nil
}
