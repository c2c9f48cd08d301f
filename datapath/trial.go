package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// A trial is a generation that whoever attached it takes back, see [Options].Trial. He
// has a lock on its folder as long as he lives: what nobody has a lock on is taken back
// by the next command, however long it could have stayed.

// hold takes the lock of a trial whose pins are in dir, until g is closed.
func (g *Generation) hold(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	for {
		// Who looks whether it is held has it for a moment.
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	g.held = f
	return nil
}

// abandoned reports whether r, of the folder of a NAME, is of a trial that nobody holds
// any more. What cannot be told is left to its time.
func (r record) abandoned(dir string) bool {
	if !r.Trial {
		return false
	}
	f, err := os.Open(filepath.Join(dir, strconv.Itoa(r.Generation)))
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil
}

// Current reports whether g is the generation that runs under its name, as far as can be
// told.
func (k Kernel) Current(g *Generation) bool {
	r, err := readRecord(k.dir(g.Name))
	return err == nil && r.Generation == g.Number || err != nil && !errors.Is(err, os.ErrNotExist)
}

// Withdraw takes a generation back that was attached with Options.Trial, with the values
// that its params have been set to. The error wraps [ErrNotFound] if it does not run any
// more.
func (k Kernel) Withdraw(ctx context.Context, g *Generation) error {
	unlock, err := k.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := readRecord(k.dir(g.Name))
	if errors.Is(err, os.ErrNotExist) || err == nil && r.Generation != g.Number {
		return fmt.Errorf("%s: generation %d: %w", g.Name, g.Number, ErrNotFound)
	}
	if err != nil {
		return err
	}
	_, err = k.rollback(g.Name, r)
	return wrap(err, "take back %s", g.Name)
}

// handBack sets the params of an earlier generation to what they are in a trial, from.
func (from *Generation) handBack(to *Generation) error {
	now, err := from.Params()
	for _, p := range now {
		err = errors.Join(err, to.setWord(p.Name, p.Word))
	}
	return err
}
