package main

import (
	"context"
	"errors"
	"fmt"

	"weir/internal/child"
	"weir/internal/term"
)

// confined runs f, which tells what it is doing, in a child of limited memory. Where that
// is not enough big is called with what f did last.
func (a *app) confined(ctx context.Context, f func(doing func(string)) error, big func(doing string) error) error {
	self, err := child.Confined()
	if err != nil {
		return err
	}
	if self != nil {
		a.err = term.New(self.Stderr)
		return f(self.Doing)
	}
	code, doing, err := child.Again(ctx)
	switch {
	case errors.Is(err, child.ErrMemory):
		return big(doing)
	case err != nil:
		return err
	case code == 0:
		return nil
	case code == 1:
		return errSilent
	}
	return errBroken
}

// tooBig says that more memory is needed than confined gives.
func tooBig() string {
	return fmt.Sprintf("it needs more than %d MiB of memory", child.AgainMemory>>20)
}
