package child

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/lang"
)

// MaybeServe does not return if this process is a child that compiles: it
// answers one request and exits. In every other process it returns at once.
func MaybeServe() {
	if os.Args[0] != arg0 {
		serving.Store(true)
		return
	}
	// A terminal tells all processes of ^C. It is the parent that ends this one: it
	// says why, or compiles to the end.
	signal.Ignore(unix.SIGINT, unix.SIGQUIT, unix.SIGHUP)
	if err := serve(os.NewFile(3, "request"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(in io.Reader, out io.Writer) error {
	var o order
	if err := gob.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	go func() {
		io.Copy(io.Discard, in) // ends with the parent
		os.Exit(1)
	}()
	if err := confine(o.Memory); err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	return gob.NewEncoder(out).Encode(o.answer())
}

// GCPercent is how much a compile may add to the heap before the collector runs
// (see runtime/debug.SetGCPercent). Most compiles end before that.
const GCPercent = 400

// CollectFrom is the memory at which the collector begins to work harder.
const CollectFrom = 128 << 20

// confine limits the memory of this process. RLIMIT_DATA counts private
// writable mappings (Linux 4.7), which is what the Go runtime takes its heap
// from; RLIMIT_AS would count the address space that it only reserves. The
// collector works harder when the limit comes near.
func confine(bytes uint64) error {
	debug.SetGCPercent(GCPercent)
	debug.SetMemoryLimit(int64(min(CollectFrom, bytes/4*3)))
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes})
}

// answer answers o.
func (o order) answer() *answer {
	if o.Inspect {
		opts := lang.Options{File: o.File, Load: os.ReadFile}
		return &answer{Inspection: lang.Inspect(o.Source, opts)}
	}
	return compile(o.Request)
}

// read reads a file.
func (r *Request) read(name string) ([]byte, error) {
	if text, ok := r.Embedded[name]; ok {
		return text, nil
	}
	if r.Files == nil {
		return os.ReadFile(name)
	}
	text, ok := r.Files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return text, nil
}

// readAll reads the files whose text is not given.
func (r *Request) readAll(parts []lang.Part) (err error) {
	for i := range parts {
		if p := &parts[i]; p.Source == nil {
			if p.Source, err = r.read(p.File); err != nil {
				return err
			}
		}
	}
	return nil
}

// compile answers r.
func compile(r Request) *answer {
	a := new(answer)
	parts := append([]lang.Part{{File: r.File, Func: r.Func, Source: r.Source}}, r.Then...)
	if err := errors.Join(r.readAll(parts), r.readAll(r.Among)); err != nil {
		a.Err = err.Error()
		return a
	}
	if r.Default {
		h := lang.DefaultHook(parts[0].Source, lang.Options{File: r.File, Func: r.Func, Line: r.Line, Then: parts[1:], Load: r.read})
		for i := range r.Forms {
			r.Forms[i].Hook = h
			r.Forms[i].Frags = r.Forms[i].Frags && h == hook.XDP
		}
	}
	for _, f := range r.Forms {
		opts := lang.Options{
			File: r.File, Func: r.Func, Line: r.Line, Then: parts[1:], Among: r.Among, Observe: r.Observe, Load: r.read,
			Hook: f.Hook, Frags: f.Frags, Trace: f.Trace, Clock: f.Clock, Capture: f.Capture, Steps: f.Steps, Lines: f.Lines, Times: f.Times, Shared: f.Shared,
		}
		if r.Stages {
			opts.Dump = func(stage, text string) { a.Stages = append(a.Stages, Stage{stage, text}) }
		}
		p, err := lang.Compile(parts[0].Source, opts)
		if err == nil {
			a.Programs = append(a.Programs, p)
			continue
		}
		if !errors.As(err, &a.Diags) {
			a.Err = err.Error()
		}
		break
	}
	return a
}
