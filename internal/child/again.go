package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// again is the variable that tells a child of [Again] from its parent.
const again = "WEIR_AGAIN"

// A Self is this process as a child of [Again].
type Self struct {
	Stderr *os.File // where the parent's standard error goes: that of the child is read by the parent
	doing  *os.File
}

// Doing tells the parent what the child is about to do: a line.
func (s *Self) Doing(what string) {
	fmt.Fprintln(s.doing, strings.ReplaceAll(what, "\n", " ")) // a parent that is gone ends the child
}

// Confined returns the child that this process is, after its memory was limited. It is
// nil, and the process as it was, in one that [Again] did not start.
func Confined() (*Self, error) {
	if os.Getenv(again) == "" {
		return nil, nil
	}
	if err := os.Unsetenv(again); err != nil {
		return nil, err
	}
	parent := os.NewFile(5, "parent")
	go func() {
		io.Copy(io.Discard, parent) // ends with the parent
		os.Exit(1)
	}()
	if err := confine(AgainMemory); err != nil {
		return nil, fmt.Errorf("limit memory: %w", err)
	}
	return &Self{Stderr: os.NewFile(3, "stderr"), doing: os.NewFile(4, "doing")}, nil
}

// AgainMemory is how many bytes of data a child of [Again] may have: twice what a
// compile may, since it compiles, too.
const AgainMemory = 2 * DefaultMemory

// Again runs the command line of this process once more, in a child whose memory is
// limited, and returns its exit code and what it did last. The error wraps [ErrMemory]
// if the limit was hit. When ctx is done the child gets a SIGTERM; it has no part in
// signals that a terminal sends.
func Again(ctx context.Context) (code int, doing string, err error) {
	alive, parent, err := os.Pipe()
	if err != nil {
		return 0, "", err
	}
	defer parent.Close()
	defer alive.Close()
	var said, steps bytes.Buffer
	stepsRead, stepsWrite, err := os.Pipe()
	if err != nil {
		return 0, "", err
	}
	defer stepsRead.Close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), again+"=1", "GOTRACEBACK=none")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, &said
	cmd.ExtraFiles = []*os.File{os.Stderr, stepsWrite, alive}
	err = cmd.Start()
	stepsWrite.Close()
	if err != nil {
		return 0, "", err
	}
	steps.ReadFrom(stepsRead) // ends with the child
	err = cmd.Wait()
	lines := strings.Split(strings.TrimSpace(steps.String()), "\n")
	doing = lines[len(lines)-1]
	var exit *exec.ExitError
	switch {
	case err != nil && outOfMemory(said.String()):
		return 0, doing, ErrMemory
	case errors.As(err, &exit) && exit.Exited() && said.Len() == 0:
		return exit.ExitCode(), doing, nil
	case err != nil && ctx.Err() == nil:
		return 0, doing, fmt.Errorf("%w: %s", err, firstLine(said.String()))
	case err != nil:
		return 0, doing, ctx.Err()
	}
	return 0, doing, nil
}
