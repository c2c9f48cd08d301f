// Package datapath holds what runs in the kernel: it loads compiled chains,
// attaches them, and reads and changes their state while packets flow.
//
// The model: a [Generation] is all that runs under one NAME. It has an
// [Attachment] for each place, each with a program object of its own, and a
// [State]: the maps, parameters and counters, shared by all attachments of the
// generation but for the counters of exits, of which each attachment has its
// own. [Load] makes a State with a program that is attached nowhere, for
// replay and tests.
//
// The kernel is the only record. A pinned generation lies in the BPF file
// system ([Kernel] says where), so that it outlives its process and is found by
// the next one:
//
//	ROOT/NAME/GENERATION/prog/WHERE  programs
//	ROOT/NAME/GENERATION/map/MAP     maps
//	ROOT/NAME/GENERATION/manifest    a frozen map: how to read the others
//	ROOT/NAME/link/WHERE             links, by which the programs run
//
// The manifest is pinned last: what has none was left by a process that was
// killed, and is removed by the next that changes something. Characters that
// the BPF file system refuses in names are written %2E.
//
// A generation that is not pinned belongs to its process, and several may have
// one NAME: each has its own state. Only clsact filters are told apart by NAME,
// so that of two at one place the second is refused.
//
// An operation that fails leaves nothing behind: no map, pin, link or folder.
// Changes are made under a lock between processes; reading takes none. A
// Generation and a State may be used by several goroutines at once.
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
