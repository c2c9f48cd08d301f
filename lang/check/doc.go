// Package check is the first stage of the compiler: it reads a chain file and
// gives a typed tree.
//
// A file is read at two times. At build time its top level runs once in the
// interpreter of go.starlark.net, with the declarations of the language as
// builtins ([Check] parses, resolves and runs; predeclared.go lists them). What is
// left are values: constants, lists, maps, params and functions. At packet time
// nothing of that runs again: the attached function and all that it calls are
// typed here, statement by statement, from the same syntax trees.
//
// The parts:
//
//   - a builder runs the file and its modules and keeps their trees;
//   - a checker types one chain. It holds the specialisations, one for each
//     function, types of its arguments and build-time values among them;
//   - a pass types the body of one specialisation. Types of locals are a
//     fixpoint: the pass is repeated until no local's type changes;
//   - a flow holds what is known at one point of a body: which locals are set,
//     which headers were tested, between which bounds integers lie.
//
// An expression gives an operand, either known at build time (a Starlark value)
// or a run-time [Expr]. Scalars turn from the first into the second where they
// meet; lists, maps, functions, strings and types never do.
//
// Everything that can be found wrong is reported with a hint; an operand that is
// neither silences what would follow from it. The package does not know how bytes
// are reached nor which map the kernel will use: that is lower's.
package check

import (
	"fmt"
	"strings"
	"time"

	"weir/hook"
	"weir/lang/diag"
)

// Options are what a check depends on beside the text.
type Options struct {
	Func string // the attached function; "" is main

	Observe bool   // see [Part]
	Then    []Part // the chains that PASS goes on to, in order

	// Among, if not nil, is all files whose chains run under one name, wherever: what they
	// share is named alike in each program, and all names begin with the chain's.
	Among []Part
	Line  bool // the text is a one-liner: the body of main
	Mark  bool // the tree says where each statement of the text begins

	Match string // an expression over the packet and the values of the first file: see Program.Match
	Hook  hook.Hook
	// Load reads a module that is no part of the standard library. Its name is a
	// path, already joined with the folder of the file that loads it. Without Load
	// there are only std/NAME.weir.
	Load     func(name string) ([]byte, error)
	MaxSteps uint64        // of build time; 0 is DefaultMaxSteps
	MaxTime  time.Duration // of build time; 0 is DefaultMaxTime
}

// Limits. Each is named in the message of the error that it causes.
const (
	DefaultMaxSteps = 50_000_000
	DefaultMaxTime  = 10 * time.Second

	maxSource      = 4 << 20 // octets of one file
	maxModules     = 256     // files of one compile
	maxNesting     = 200     // brackets, blocks, operators in one another
	maxSpecial     = 512     // specialised functions
	maxStatements  = 50_000  // statements of one specialised function, loops unrolled
	maxTurns       = 4096    // of one loop
	maxUnrolled    = 64      // scalars that a loop is unrolled over
	maxEntries     = 1 << 27 // of one map
	maxMapBytes    = 1 << 32 // keys and values of one map
	maxRing        = 1 << 30 // octets of one ring
	maxLog         = 1024    // octets of the values of one log()
	maxValueBytes  = 4096    // of one key or value
	maxListEntries = 65536   // of a list or dict that packet-time code reads
	maxDiagnostics = 100
)

// Check runs the build time of a file and types its attached function, and those
// of the files that follow it. The program is nil if the list has errors; the list may have warnings all the same.
// Check does not touch the kernel or the file system, and never panics.
func Check(file string, src []byte, opts Options) (p *Program, list diag.List) {
	sources := diag.Source{}
	defer func() {
		if r := recover(); r != nil {
			p, list = nil, append(list, internal(file, "check", r))
		}
		list = finish(list, sources)
		if list.Err() != nil {
			p = nil
		}
	}()
	b := newBuilder(opts, sources)
	if strings.HasSuffix(file, ScriptSuffix) {
		b.errorf(diag.Pos{File: file}, "name", "run them: weir test "+file, "the file holds tests, not a chain")
		return nil, b.diags
	}
	among := b.among(opts.Among)
	roots := b.roots(append([]Part{{file, opts.Func, src, opts.Observe}}, opts.Then...))
	list = b.diags
	if roots == nil || len(b.diags.Errors()) > b.unknown {
		return nil, b.diags
	}
	p, ds := b.program(roots, among)
	return p, append(b.diags, ds...)
}

func internal(file, stage string, r any) diag.Diagnostic {
	return diag.Diagnostic{
		Pos: diag.Pos{File: file}, Code: "internal",
		Message: fmt.Sprintf("stage %s of the compiler broke on %s: %s", stage, file, firstLine(fmt.Sprint(r))),
		Hint:    "this is a fault of weir, not of the file: please report it with the file",
	}
}

func finish(l diag.List, s diag.Source) diag.List {
	l = l.Sort()
	if n := len(l.Errors()); n > maxDiagnostics {
		var out diag.List
		for _, d := range l {
			if !d.Warning && len(out) < maxDiagnostics {
				out = append(out, d)
			}
		}
		out = append(out, diag.Diagnostic{
			Pos: diag.Pos{File: out[len(out)-1].Pos.File}, Code: "limit",
			Message: fmt.Sprintf("%d more errors are not shown", n-maxDiagnostics),
			Hint:    "mend the first ones and check again",
		})
		l = out
	}
	s.Fill(l)
	for i := range l {
		if r := []rune(l[i].Text); len(r) > maxLine {
			from := max(0, min(l[i].Pos.Col-maxLine/2, len(r)-maxLine))
			l[i].Text, l[i].Skipped = string(r[from:from+maxLine]), from
		}
	}
	return l
}

func firstLine(s string) string {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[:i]
	}
	return s
}
