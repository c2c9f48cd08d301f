// Weir makes the Linux kernel's data path programmable: chains, short scripts
// in a Python-like language, are compiled to eBPF, attached at hooks, swapped,
// tested and watched while traffic flows.
//
// One file a command, each thin: it reads flags, calls a package, and prints.
// An [app] holds what a command may touch, standard streams included, so that
// there is no global state. Exit codes: 0 done, 1 failed, 2 wrong usage.
// Errors go to standard error, the first line says it all.
//
// The binary has more faces, chosen by its name in os.Args[0]: the compiler in a
// child process (package child), the guardian of a lab (package lab), the server of a
// demo (package demo), and who opens sockets in a cgroup (package toll). weir test runs
// itself as a child of limited memory (child.Again).
package main

import (
	"context"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/internal/child"
	"weir/internal/demo"
	"weir/internal/term"
	"weir/internal/toll"
	"weir/lab"
)

// version is set by the Makefile.
var version = "devel"

// An app is the world of a command.
type app struct {
	in  io.Reader
	out *term.Term
	err *term.Term

	kernel datapath.Kernel // where attachments live
}

func main() {
	child.MaybeServe()
	lab.MaybeGuardian()
	demo.MaybeServe()
	toll.MaybeOpen()
	os.Exit(run())
}

// run runs the command line of this process. A first ^C, ^\, SIGTERM or SIGHUP
// ends the command's context; a second one ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	a := &app{in: os.Stdin, out: term.New(os.Stdout), err: term.New(os.Stderr)}
	a.kernel.Root = os.Getenv("WEIR_ROOT") // empty: the default
	return a.execute(ctx, os.Args[1:])
}
