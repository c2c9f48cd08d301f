package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// A taker is who takes the packets that are received: it is started when they begin to
// come, with how to end that, and closed when no more come.
type taker interface {
	start(cancel func()) error
	io.Closer
}

// A writing takes packets by writing them.
type writing struct{ io.WriteCloser }

func (writing) start(func()) error { return nil }

// A fed is a program that reads packets from its standard input. It has the standard
// output and error of this process, so that it knows a terminal where there is one.
type fed struct {
	cmd   *exec.Cmd
	out   *os.File // of the pipe, until the program has it
	in    *os.File
	ended chan error // nil: it was not started
}

var (
	_ taker = writing{}
	_ taker = (*fed)(nil)
)

// newFed returns a program that is yet to be started. What is written to it until then
// waits in the pipe.
func newFed(args []string) (*fed, error) {
	f := &fed{cmd: exec.Command(args[0], args[1:]...)}
	if f.cmd.Err != nil {
		return nil, fmt.Errorf("%v", f.cmd.Err) // of the program: not a lack of rights for the kernel
	}
	var err error
	if f.out, f.in, err = os.Pipe(); err != nil {
		return nil, err
	}
	f.cmd.Stdin, f.cmd.Stdout, f.cmd.Stderr = f.out, os.Stdout, os.Stderr
	return f, nil
}

// start starts the program; its end ends the receiving.
func (f *fed) start(cancel func()) error {
	if err := f.cmd.Start(); err != nil {
		return fmt.Errorf("%v", err)
	}
	f.ended = make(chan error, 1)
	go func() {
		f.ended <- f.cmd.Wait()
		cancel()
	}()
	return f.out.Close()
}

// Close tells the program that no more will come, and waits for its end. A ^C is the
// program's, too: it is no failure that it ended by that, or since who reads its output
// has enough.
func (f *fed) Close() error {
	err := f.in.Close()
	if f.ended == nil {
		return errors.Join(err, f.out.Close())
	}
	ended := <-f.ended
	var exit *exec.ExitError
	if errors.As(ended, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() && (s.Signal() == syscall.SIGINT || s.Signal() == syscall.SIGPIPE) {
			return err
		}
		ended = fmt.Errorf("%s: %w", f.cmd.Args[0], ended)
	}
	return errors.Join(err, ended)
}
