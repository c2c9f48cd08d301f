package datapath

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const recordName = "record"

// A record says which generation of a NAME runs. It is the text of a symbolic
// link in the NAME's folder, since that is what the BPF file system replaces in
// one step: whoever is killed leaves the old one or the new one.
//
//	generation=3,previous=2,last=4,until=86400000000000,trial,before=1,busy
type record struct {
	Generation int
	Previous   int // to roll back to; 0: none

	// Last is the highest number that was given to a generation; 0: that of
	// Generation. A number is never given twice.
	Last int

	// Until is when the generation is taken back unless it was confirmed, since
	// the start of the machine ([uptime]); 0: it stays.
	Until time.Duration

	// Trial says that the generation is taken back for sure, by whoever attached it. Before
	// is then what Previous can be rolled back to; 0: nothing.
	Trial  bool
	Before int

	// Busy is set while links may not agree with Generation. Whoever finds it
	// set, and nobody at work, makes them agree.
	Busy bool
}

func (r record) String() string {
	s := fmt.Sprintf("generation=%d", r.Generation)
	if r.Previous != 0 {
		s += fmt.Sprintf(",previous=%d", r.Previous)
	}
	if r.Last > r.Generation {
		s += fmt.Sprintf(",last=%d", r.Last)
	}
	if r.Until != 0 {
		s += fmt.Sprintf(",until=%d", r.Until)
	}
	if r.Trial {
		s += ",trial"
	}
	if r.Before != 0 {
		s += fmt.Sprintf(",before=%d", r.Before)
	}
	if r.Busy {
		s += ",busy"
	}
	return s
}

func parseRecord(text string) (record, error) {
	var r record
	for field := range strings.SplitSeq(text, ",") {
		key, val, _ := strings.Cut(field, "=")
		n, err := strconv.ParseInt(val, 10, 64)
		switch key {
		case "generation":
			r.Generation = int(n)
		case "previous":
			r.Previous = int(n)
		case "last":
			r.Last = int(n)
		case "until":
			r.Until = time.Duration(n)
		case "before":
			r.Before = int(n)
		case "trial":
			r.Trial, err = true, nil
		case "busy":
			r.Busy, err = true, nil
		default:
			err = errors.New("unknown field")
		}
		if err != nil || n < 0 {
			return record{}, fmt.Errorf("record %q: not one of weir's", text)
		}
	}
	if r.Generation == 0 {
		return record{}, fmt.Errorf("record %q: no generation", text)
	}
	return r, nil
}

// readRecord reads the record in the folder of a NAME. The error wraps
// [os.ErrNotExist] if there is none.
func readRecord(dir string) (record, error) {
	text, err := os.Readlink(filepath.Join(dir, recordName))
	if err != nil {
		return record{}, err
	}
	return parseRecord(text)
}

// next returns the number of the next generation.
func (r record) next() int { return max(r.Last, r.Generation) + 1 }

// write puts r in the place of the record in the folder of a NAME.
func (r record) write(dir string) error {
	next := filepath.Join(dir, recordName+nextSuffix)
	if err := vacate(next); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if err := os.Symlink(r.String(), next); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return wrap(os.Rename(next, filepath.Join(dir, recordName)), "write record")
}

// nextSuffix is what the name ends in under which something is made that is to take
// the place of another.
const nextSuffix = "-next"

// vacate removes what a killed process may have left at the path.
func vacate(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// overdue reports whether the generation should have been confirmed by now.
func (r record) overdue() bool { return r.Until != 0 && uptime() >= r.Until }

// uptime returns how long the machine runs, sleep included: a clock that nobody
// sets, and that ends when pins do.
func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // cannot fail with a valid clock
	}
	return time.Duration(ts.Nano())
}

// generations returns the numbers of the generations in the folder of a NAME,
// whole or not.
func generations(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, n)
		}
	}
	return out, nil
}
