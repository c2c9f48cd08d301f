package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrUnconfirmed says that a generation was taken back, since nobody confirmed it.
var ErrUnconfirmed = errors.New("not confirmed")

// Rollback puts the previous generation of a NAME back in the place of the one
// that runs, which becomes the previous one, and returns the number of what now
// runs. One that waits to be confirmed is not kept; if it is the first, it is
// detached, and the number is 0. The error wraps [ErrNotFound] if there is
// nothing of that name, or nothing to go back to.
func (k Kernel) Rollback(ctx context.Context, name string) (number int, err error) {
	unlock, r, err := k.waiting(ctx, "roll back", name)
	if err != nil {
		return 0, err
	}
	defer unlock()
	return k.rollback(name, r)
}

// Confirm lets a generation stay that was attached with Options.Confirm. The
// error wraps [ErrNotFound] if there is nothing of that name that waits.
func (k Kernel) Confirm(ctx context.Context, name string) error {
	unlock, r, err := k.waiting(ctx, "confirm", name)
	if err != nil {
		return err
	}
	defer unlock()
	if r.Until == 0 {
		return fmt.Errorf("confirm %s: generation %d does not wait for it: %w", name, r.Generation, ErrNotFound)
	}
	if r.Trial {
		return fmt.Errorf("confirm %s: generation %d is there to be measured, and goes by itself", name, r.Generation)
	}
	r.Until = 0
	return wrap(r.write(k.dir(name)), "confirm %s", name)
}

// waiting takes the lock, settles the NAME, and reads the record of a NAME.
func (k Kernel) waiting(ctx context.Context, op, name string) (unlock func(), r record, err error) {
	if err := k.readable(); err != nil {
		return nil, r, fmt.Errorf("%s %s: %w", op, name, err)
	}
	unlock, err = k.lock(ctx)
	if err != nil {
		return nil, r, err
	}
	if err = k.settleFor(name); err == nil {
		r, err = readRecord(k.dir(name))
		if errors.Is(err, os.ErrNotExist) {
			err = k.instead(fmt.Errorf("%s: %w", name, ErrNotFound))
		}
	}
	if err != nil {
		unlock()
		return nil, r, wrap(err, "%s", op)
	}
	return unlock, r, nil
}

// confirmLook is how often [Kernel.Await] looks whether it was confirmed.
const confirmLook = 50 * time.Millisecond

// Await waits until somebody confirms a generation that was attached with
// Options.Confirm. If its time is over before, or ctx ends, it is taken back:
// the error wraps [ErrUnconfirmed], as it does if somebody else did that.
func (k Kernel) Await(ctx context.Context, g *Generation) error {
	for {
		r, err := readRecord(k.dir(g.Name))
		switch {
		case errors.Is(err, os.ErrNotExist) || err == nil && r.Generation != g.Number:
			return fmt.Errorf("%s: generation %d was taken back: %w", g.Name, g.Number, ErrUnconfirmed)
		case err != nil:
			return err
		case r.Until == 0:
			return nil
		case r.overdue() || ctx.Err() != nil:
			return k.takeBack(context.WithoutCancel(ctx), g)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(confirmLook, r.Until-uptime())):
		}
	}
}

// takeBack rolls g back unless it was confirmed at the last moment.
func (k Kernel) takeBack(ctx context.Context, g *Generation) error {
	unlock, err := k.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	now := 0
	r, err := readRecord(k.dir(g.Name))
	if err == nil && r.Generation == g.Number {
		if r.Until == 0 {
			return nil
		}
		if now, err = k.rollback(g.Name, r); err != nil {
			return err
		}
	} else if err == nil {
		now = r.Generation
	}
	if now == 0 {
		return fmt.Errorf("%s: %w, and detached", g.Name, ErrUnconfirmed)
	}
	return fmt.Errorf("%s: generation %d %w: generation %d runs again", g.Name, g.Number, ErrUnconfirmed, now)
}
