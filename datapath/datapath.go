// Package datapath holds what runs in the kernel: it loads compiled chains,
// attaches them, and reads and changes their state while packets flow.
//
// The model: a [Generation] is what runs under one NAME. It has an
// [Attachment] for each place, with a program of the kernel (a chain at connect has
// one for each of the kernel's points there), which places at interfaces share if they
// run the same chain, and a [State]: the maps, parameters and counters, shared by all
// attachments of the generation but for the counters of exits, of which each has its
// own. [Load] makes a State with a program that is attached nowhere, for
// replay and tests.
//
// Generations of a NAME follow each other. The next one is loaded beside the one
// that runs, takes over the maps that fit (kept, converted or emptied: see
// [Change]) and the parameters, is tried, and then takes the places: each link's
// program is exchanged in one step, by a turn. A program that would be the same is
// adopted, and its links stay. The one before stays pinned, to be rolled back to; it
// costs memory and no packet.
//
//	Attach  load ─► carry over ─► try ─► swap, place by place ─► record ─► take away
//	                                     ▲ busy: gone back on      ▲ busy: gone on with
//
// The kernel is the only record. A pinned generation lies in the BPF file
// system ([Kernel] says where), so that it outlives its process and is found by
// the next one:
//
//	ROOT/NAME/record                 a symbolic link: which generation runs, which
//	                                 was before, until when it is to be confirmed
//	ROOT/NAME/GENERATION/prog/WHERE  programs, each by the first place that it is at
//	ROOT/NAME/GENERATION/map/MAP     maps; those that were kept in two generations
//	ROOT/NAME/GENERATION/manifest    a frozen map: how to read the others
//	ROOT/NAME/link/GENERATION:WHERE  links, by which the programs run, and which
//	                                 generation made them
//
// The record is written last and removed first, and exchanged in one step. A
// folder without one, a generation that it does not name, links that do not
// agree with it while it says busy, and a deadline that has passed were left by
// a process that was killed: every command settles them first, also one that
// only reads. Characters that the BPF file system refuses in names are written
// %2E.
//
// A generation that is not pinned belongs to its process, and several may have
// one NAME: each has its own state. Only clsact filters are told apart by NAME,
// so that of two at one place the second is refused.
//
// An operation that fails leaves nothing behind: no map, pin, link or folder.
// Changes are made under a lock between processes; reading takes none unless
// there is something to settle. A Generation and a State may be used by several
// goroutines at once.
//
// What it does not do: it compiles nothing, and it does not know what chains
// are for.
package datapath

import (
	"errors"
	"fmt"
)

// Errors that callers branch on.
var (
	ErrExists    = errors.New("there already")
	ErrNotFound  = errors.New("not found")
	ErrNoSuchKey = errors.New("no such key")
	ErrFull      = errors.New("full")
)

// wrap says at which object an operation failed, if it did.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
