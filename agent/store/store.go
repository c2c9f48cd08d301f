// Package store is what an agent knows beside its file, kept across reboots.
//
// The model: an agent holds a [Content] in memory, which is what counts. A [Store]
// makes the file STATE/weir.db equal to it ([Store.Save]): only what differs is
// written, in one transaction of bbolt, so after a crash the file is as it was before or
// after. If that fails, as on a full disk, nothing is lost but what a reboot would need,
// and the next Save tries again.
//
//	versions  the configs that were applied: who, when, names of their files
//	blobs     the contents of these files by their SHA-256, each once
//	entries   of maps, beside the configs
//	params    likewise
//
// Every value carries a sum over it and its key. A file that is corrupt is set aside and
// a new one begins: the error is [*Aside], and says where it is. To find that out the
// file is gone through before bbolt, which trusts it, opens it (see checker).
//
// A file that is spoilt while it is open may end the process. The next one sets it aside.
//
// What it does not do: it knows neither what runs nor what a config means.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Name is the name of the file in its folder.
const Name = "weir.db"

// An Aside is the error of a corrupt file. A new one has taken its place.
type Aside struct {
	Path string // where it is now
	Why  error
}

// Error says where the file is now, and what was wrong with it.
func (a *Aside) Error() string {
	return fmt.Sprintf("the store was corrupt and is set aside as %s: %v", a.Path, a.Why)
}

// Unwrap returns what was wrong with it.
func (a *Aside) Unwrap() error { return a.Why }

// ErrInUse says that another process has the file.
var ErrInUse = errors.New("another agent uses it")

// A Store is a file. Its methods are called one at a time.
type Store struct {
	dir string
	db  *bbolt.DB // nil: not open
	has saved     // what is in the file
}

// saved is what a file holds.
type saved struct {
	versions [][]byte
	blobs    map[string]bool
	entries  map[Key]Dynamic
	params   map[string]Dynamic
}

// New returns the store of a folder. It touches nothing.
func New(dir string) *Store { return &Store{dir: dir} }

// Close lets go of the file.
func (s *Store) Close() error {
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	return guard(db.Close)
}

// Load returns what the file holds. A new one holds nothing, also one that takes the
// place of a corrupt one: then the error is an [*Aside]. now is for that one's name.
func (s *Store) Load(now time.Time) (c Content, err error) {
	err = s.load(&c)
	if errors.Is(err, errCorrupt) {
		return Content{}, s.setAside(err, now)
	}
	if err != nil {
		return Content{}, fmt.Errorf("read %s: %w", s.path(), err)
	}
	return c, nil
}

func (s *Store) load(c *Content) error {
	if err := s.open(); err != nil {
		return err
	}
	return guard(func() error { return s.db.View(func(tx *bbolt.Tx) error { return s.read(tx, c) }) })
}

// Save makes the file hold c. If it was found corrupt a new one holds c, and the error is
// an [*Aside]; other errors leave it as it was.
func (s *Store) Save(c *Content, now time.Time) error {
	err := s.save(c)
	if err == nil || !errors.Is(err, errCorrupt) {
		return err
	}
	aside := s.setAside(err, now)
	var a *Aside
	if !errors.As(aside, &a) {
		return aside
	}
	if err := s.save(c); err != nil {
		return errors.Join(err, aside)
	}
	return aside
}

func (s *Store) save(c *Content) error {
	if s.db == nil { // what it holds is to be known
		if err := s.load(new(Content)); err != nil {
			return fmt.Errorf("read %s: %w", s.path(), err)
		}
	}
	has := saved{blobs: map[string]bool{}, entries: maps.Clone(c.Entries), params: maps.Clone(c.Params)}
	err := guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error { return s.write(tx, c, &has) })
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path(), err)
	}
	s.has = has
	return nil
}

func (s *Store) path() string { return filepath.Join(s.dir, Name) }

// lockWait is how long an agent waits for the file, which another may just let go.
const lockWait = time.Second

// open opens the file, or begins one.
func (s *Store) open() error {
	if s.db != nil {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	s.has = saved{}
	begins := false
	switch err := checkFile(s.path()); {
	case errors.Is(err, fs.ErrNotExist):
		begins = true
	case err != nil:
		return err
	}
	return guard(func() error {
		db, err := bbolt.Open(s.path(), 0o600, &bbolt.Options{Timeout: lockWait, NoFreelistSync: true})
		switch {
		case errors.Is(err, berrors.ErrTimeout):
			return ErrInUse
		case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
			return corrupt("%v", err)
		case err != nil:
			return err
		}
		if begins {
			if err := db.Update(buckets); err != nil {
				return errors.Join(err, db.Close(), os.Remove(s.path()))
			}
		}
		s.db = db
		return nil
	})
}

// errBroke says that bbolt did not come to its end. It may hold its own locks for good.
var errBroke = errors.New("bbolt broke")

// guard runs f, which trusts what is in a file: where that breaks it the error wraps
// errCorrupt. It does so also where a page cannot be read from the disk.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %w: %v", errCorrupt, errBroke, r)
		}
	}()
	return f()
}

// setAside renames the file, and begins a new one. Its error is an Aside if that is done.
func (s *Store) setAside(why error, now time.Time) error {
	if !errors.Is(why, errBroke) {
		s.Close() // what it says is known
	}
	s.db = nil
	to := s.path() + ".broken-" + now.UTC().Format("20060102T150405Z")
	for name, i := to, 2; exists(to); i++ {
		to = fmt.Sprintf("%s-%d", name, i)
	}
	if err := os.Rename(s.path(), to); err != nil {
		return fmt.Errorf("set a corrupt store aside: %w (%v)", err, why)
	}
	if err := s.open(); err != nil {
		return fmt.Errorf("begin a store: %w (the one before is set aside as %s: %v)", err, to, why)
	}
	return &Aside{to, why}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// encode is the JSON form of what can be encoded always.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of this package that has no JSON form
	}
	return b
}
