// Package opt makes functions of the middle form faster without changing what
// they do.
//
// It is a list of named passes over one function; each is correct alone and in
// any order, and reports whether it changed anything. [Run] repeats the list
// while it does.
//
// What the kernel's verifier must be able to follow limits what a pass may do.
// Pointers are only ever moved by constants: sums of pointers and variables are
// left as they were written, since the verifier has seen bounds of just that
// variable. Checks against the packet's end keep the form "pointer plus constant
// compared with end". Start and end of the packet are never shared or moved.
package opt

import (
	"slices"

	"weir/lang/ir"
)

// A Pass is a transformation of a function. Run reports whether it changed it.
type Pass struct {
	Name string
	Run  func(f *ir.Func) bool
}

// Passes are all passes in the order in which they run.
var Passes = []Pass{
	{"fold", fold},
	{"cse", cse},
	{"loads", loads},
	{"slots", slots},
	{"bounds", bounds},
	{"hoist", hoist},
	{"thread", thread},
	{"branch", branch},
	{"dce", dce},
}

// Options say how to run the passes. The zero value runs all of them until
// nothing changes.
type Options struct {
	// Stop ends the work after the first run of the pass of that name.
	Stop string
	// Dump is called after each pass over all functions that changed something,
	// and after the one that Stop names.
	Dump func(pass string)
	// Skip names passes that are left out.
	Skip map[string]bool
}

// maxRounds bounds the repetitions. A round that changes something makes the
// function smaller or simpler; what is left after this many is not worth more.
const maxRounds = 12

// Run optimises the functions of p in place.
func Run(p *ir.Program, opts Options) {
	todo := p.Funcs
	for range maxRounds {
		var again []*ir.Func
		for _, pass := range Passes {
			if opts.Skip[pass.Name] {
				continue
			}
			changed := false
			for _, f := range todo {
				if pass.Run(f) {
					changed = true
					if !slices.Contains(again, f) {
						again = append(again, f)
					}
				}
			}
			if opts.Dump != nil && (changed || pass.Name == opts.Stop) {
				opts.Dump(pass.Name)
			}
			if pass.Name == opts.Stop {
				return
			}
		}
		if todo = again; len(todo) == 0 {
			return
		}
	}
}
