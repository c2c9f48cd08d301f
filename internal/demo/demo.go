// Package demo shows weir at work on networks that it makes for it.
//
// A [Demo] has a name and runs for less than a minute. Everything in it is
// real: namespaces, kernel TCP, packets, a chain compiled and attached the way
// the commands do it. Numbers are measured, never made up; a machine on which
// an effect is small shows a small effect. On a terminal a demo draws, elsewhere
// it writes lines.
//
// A program that runs demos calls [MaybeServe] first in main, besides what
// packages lab and child ask for.
package demo

import (
	"context"

	"weir/internal/term"
)

// A Demo is something to look at.
type Demo struct {
	Name    string
	Summary string
	Run     func(ctx context.Context, t *term.Term) error
}

// Default is the name of the demo that is run when none is named.
const Default = "flood"

// All returns the demos.
func All() []Demo {
	return []Demo{
		{"flood", "a web server under a flood, without and with a chain (25 s)", runFlood},
	}
}
