// Package audit keeps a log of all changes that an agent makes: who, when, what, and
// what came of it.
//
// The model: a [Log] appends to STATE/audit.jsonl, one [Record] a line, in JSON. When
// the file is too large it becomes audit.jsonl.1, in the place of the one before. [Read]
// returns the last records. A line that was cut short, as by a crash, is skipped.
//
// What it does not do: it decides nothing, and knows nothing of what is changed. A change
// that cannot be logged was made nevertheless: who writes tells that.
package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Name is the name of the file in its folder.
const Name = "audit.jsonl"

// maxSize is from how many octets on a file is put away.
const maxSize = 16 << 20

// A Record is a change, or one that failed.
type Record struct {
	Time       time.Time       `json:"time"`
	Who        string          `json:"who"`                  // a user, a certificate's name, file PATH, or expiry
	What       string          `json:"what"`                 // apply, confirm, take back, roll back, put, remove, set, expire
	Why        string          `json:"why,omitempty"`        // what has made the agent do it
	Config     string          `json:"config,omitempty"`     // its name, if there is one
	Difference json.RawMessage `json:"difference,omitempty"` // the plan, as of weir diff --json
	Outcome    string          `json:"outcome"`              // done, or why not
}

// Done is the Outcome of what was done.
const Done = "done"

// A Log writes records.
type Log struct {
	path string
	max  int64
}

// New returns the log of a folder. It touches nothing.
func New(dir string) *Log { return &Log{path: filepath.Join(dir, Name), max: maxSize} }

// Write adds a record, and returns when it is on the disk. If it fails the file is as it
// was before.
func (l *Log) Write(r Record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := l.write(append(text, '\n')); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

func (l *Log) write(line []byte) error {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return err
	}
	if s, err := os.Stat(l.path); err == nil && s.Size() > 0 && s.Size()+int64(len(line)) > l.max {
		if err := os.Rename(l.path, l.path+".1"); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := f.Stat()
	if err != nil {
		return err
	}
	last := []byte{'\n'}
	if s.Size() > 0 {
		if _, err := f.ReadAt(last, s.Size()-1); err != nil {
			return err
		}
	}
	if last[0] != '\n' { // it was cut short
		line = append([]byte{'\n'}, line...)
	}
	if _, err = f.Write(line); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Truncate(s.Size()))
	}
	return nil
}

// Read returns the last records of the log of a folder, the oldest first; all if last is
// 0. The error wraps [fs.ErrNotExist] if there is no log.
func Read(dir string, last int) ([]Record, error) {
	var out []Record
	path := filepath.Join(dir, Name)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	out = records(text)
	if last == 0 || len(out) < last {
		before, err := os.ReadFile(path + ".1")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("audit: %w", err)
		}
		out = append(records(before), out...)
	}
	if last > 0 && len(out) > last {
		out = out[len(out)-last:]
	}
	return out, nil
}

// records reads lines.
func records(text []byte) (out []Record) {
	for line := range bytes.Lines(text) {
		var r Record
		if json.Unmarshal(line, &r) == nil {
			out = append(out, r)
		}
	}
	return out
}
