// Package child compiles chains in a child process, under limits.
//
// A chain's build time is the whole of Starlark, where one line can ask for
// 2 GiB, and a Go program that runs out of memory cannot go on. So the compiler
// runs in a second process of the same binary (/proc/self/exe) that has set
// itself a limit of memory; the source is read there, too. When it dies of
// memory or time, [Compile] turns that into a diagnostic that names the limit.
//
// The wire between the two is one gob value each way: a [Request] on the
// child's descriptor 3, an answer on its standard output. Descriptor 3 stays
// open as long as the parent lives, so that a child never outlives it.
//
// A command that compiles and keeps what came of it runs as a whole in such a child:
// see [Again].
//
// A program that calls Compile calls [MaybeServe] first in main or TestMain.
package child

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"weir/hook"
	"weir/lang"
	"weir/lang/diag"
)

// arg0 is the name by which the child knows what it is.
const arg0 = "weir-compile"

// Defaults of Limits.
const (
	DefaultMemory = 512 << 20
	DefaultTime   = 60 * time.Second
)

// Limits of the child; the zero value takes the defaults.
type Limits struct {
	Memory uint64 // bytes of data (RLIMIT_DATA)
	Time   time.Duration
}

func (l Limits) orDefault() Limits {
	if l.Memory == 0 {
		l.Memory = DefaultMemory
	}
	if l.Time == 0 {
		l.Time = DefaultTime
	}
	return l
}

// A Request says what to compile. Its fields are those of lang.Options.
type Request struct {
	File    string // read by the child, relative to the working folder
	Source  []byte // the text of File, if it is not to be read
	Func    string
	Line    bool        // Source is a one-liner
	Observe bool        // as in lang.Options
	Then    []lang.Part // chains that follow; those without a Source are read by the child
	Among   []lang.Part // as in lang.Options, read by the child likewise
	Forms   []Form      // to compile, in order; none is the zero Form
	Stages  bool        // return the text of the stages, of all forms

	// Files are what there is to read, by their paths; nil: the disk.
	Files map[string][]byte

	// Embedded are files that are in the binary: they are found before those.
	Embedded map[string][]byte

	// Default compiles for lang.DefaultHook in the place of the hooks of Forms.
	Default bool

	inspect bool // for Inspect
}

// A Form is a way to compile a chain. The zero Form is for XDP.
type Form struct {
	Hook                hook.Hook
	Frags, Trace, Clock bool
	Capture             bool
	Steps               bool
	Lines               bool
	Times               int // as in lang.Options
	Shared              bool
}

// order is what the child is sent.
type order struct {
	Request
	Memory  uint64
	Inspect bool
}

// A Stage is the text of a stage of the compiler, as of lang.Options.Dump.
type Stage struct{ Name, Text string }

// answer is what the child sends back.
type answer struct {
	Programs []*lang.Program
	Diags    diag.List
	Err      string // an error that is no diagnostic: the file cannot be read
	Stages   []Stage

	Inspection lang.Inspection
}

// serving is a fact of the process: MaybeServe was called.
var serving atomic.Bool

// ErrNotServing says that the program compiles in children without having
// called MaybeServe: its child would run the program's main a second time.
var ErrNotServing = errors.New("child.MaybeServe was not called first in main or TestMain")

// Compile compiles a chain in a child process and returns a program for each
// form. The stages are those that were reached, also if the error is not nil. An
// error of the chain is a [diag.List], of the first form that has one.
func Compile(ctx context.Context, r Request, l Limits) ([]*lang.Program, []Stage, error) {
	if !serving.Load() {
		return nil, nil, ErrNotServing
	}
	if len(r.Forms) == 0 {
		r.Forms = []Form{{}}
	}
	a, err := run(ctx, r, l)
	switch {
	case err != nil:
		return nil, nil, err
	case len(a.Diags) > 0:
		return nil, a.Stages, a.Diags
	case a.Err != "":
		return nil, a.Stages, errors.New(a.Err)
	}
	return a.Programs, a.Stages, nil
}

// Inspect reads a text for an editor in a child process; of r only File and
// Source count. A limit that was hit is one of the diagnostics.
func Inspect(ctx context.Context, r Request, l Limits) (lang.Inspection, error) {
	if !serving.Load() {
		return lang.Inspection{}, ErrNotServing
	}
	r.inspect = true
	a, err := run(ctx, r, l)
	var hit diag.List
	switch {
	case errors.As(err, &hit):
		return lang.Inspection{Diags: hit}, nil
	case err != nil:
		return lang.Inspection{}, err
	case a.Err != "":
		return lang.Inspection{}, errors.New(a.Err)
	}
	return a.Inspection, nil
}

// run runs the child under its limits; one that was hit is a diag.List.
func run(ctx context.Context, r Request, l Limits) (*answer, error) {
	l = l.orDefault()
	ctx, cancel := context.WithTimeoutCause(ctx, l.Time, errTime)
	defer cancel()
	a, err := ask(ctx, order{r, l.Memory, r.inspect})
	switch {
	case errors.Is(err, ErrMemory):
		return nil, limit(r.File, fmt.Sprintf("build time needs more than %d MiB of memory", l.Memory>>20),
			"make smaller lists, or load large content with weir maps load")
	case errors.Is(err, errTime):
		return nil, limit(r.File, fmt.Sprintf("the compile takes more than %v", l.Time),
			"look for a loop at build time that does not end")
	case err != nil:
		return nil, fmt.Errorf("compile %s: %w", r.File, err)
	}
	return a, nil
}

func limit(file, message, hint string) error {
	return diag.List{{Pos: diag.Pos{File: file}, Code: "limit", Message: message, Hint: hint}}
}

// ErrMemory says that a child needed more memory than it may have.
var ErrMemory = errors.New("the child ran out of memory")

var errTime = errors.New("the child ran out of time")

// ask runs the child and returns its answer.
func ask(ctx context.Context, o order) (*answer, error) {
	request, parent, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	defer request.Close()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{arg0}
	cmd.Env = append(os.Environ(), "GOTRACEBACK=none")
	// Standard input is handed on for sources like /dev/stdin.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, &stdout, &stderr
	if o.Inspect {
		cmd.Stdin = nil // it belongs to the editor
	}
	cmd.ExtraFiles = []*os.File{request}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	sent := gob.NewEncoder(parent).Encode(o)
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && outOfMemory(stderr.String()):
		return nil, ErrMemory
	case err != nil:
		if said := firstLine(stderr.String()); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return nil, err
	case sent != nil:
		return nil, sent
	}
	a := new(answer)
	if err := gob.NewDecoder(&stdout).Decode(a); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return a, nil
}

// lastWords are what a Go program says that could not map more memory:
// runtime.sysMapOS, runtime.newosproc, and x_cgo_thread_start where threads are
// made by the C library.
var lastWords = []string{
	"out of memory", "cannot allocate memory", "failed to create new OS thread", "pthread_create failed",
}

func outOfMemory(stderr string) bool {
	return slices.ContainsFunc(lastWords, func(w string) bool { return strings.Contains(stderr, w) })
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
