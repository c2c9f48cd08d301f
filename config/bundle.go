package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Bundle is a config and all files that it is made of: what it includes, chains and
// the modules that they load, entries of maps. It is read in their place, so it can
// travel to another machine and be kept. It is not changed once it is complete.
type Bundle struct {
	Name  string            `json:"name"`  // of the config
	Files map[string][]byte `json:"files"` // by absolute path; one that ends in / is a folder

	// Missing is why what the config asks for could not be read.
	Missing map[string]string `json:"missing,omitempty"`

	open bool // what is asked for is read from the disk, and becomes a part
}

// Gather returns a bundle of a config to which belongs what is read through it, until
// [Bundle.Seal].
func Gather(name string) (*Bundle, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", name, err)
	}
	return &Bundle{Name: abs, Files: map[string][]byte{}, Missing: map[string]string{}, open: true}, nil
}

// Seal ends the gathering: the disk is no longer looked at.
func (b *Bundle) Seal() { b.open = false }

// Check returns an error if b, which came from elsewhere, cannot be a bundle.
func (b *Bundle) Check() error {
	if _, ok := b.Files[b.Name]; !ok {
		return fmt.Errorf("bundle: the config %q is not among its files", b.Name)
	}
	for name := range b.Files {
		p := strings.TrimSuffix(name, "/")
		if name != "/" && (!filepath.IsAbs(p) || filepath.Clean(p) != p) || !utf8.ValidString(name) {
			return fmt.Errorf("bundle: %q is no absolute path of a file", name)
		}
	}
	return nil
}

// ReadFile returns the content of a file. The error is an [fs.PathError].
func (b *Bundle) ReadFile(name string) ([]byte, error) {
	text, ok := b.Files[name]
	if ok || !b.open {
		return text, b.absent(ok, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		b.miss(name, err)
		return nil, err
	}
	b.Files[name] = text
	return text, nil
}

// miss notes what could not be read.
func (b *Bundle) miss(name string, err error) {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	b.Missing[name] = err.Error()
}

// absent is the error of what is not there.
func (b *Bundle) absent(there bool, name string) error {
	if there {
		return nil
	}
	err := fs.ErrNotExist
	if why := b.Missing[name]; why != "" {
		err = errors.New(why)
	}
	return &fs.PathError{Op: "open", Path: name, Err: err}
}

// ReadDir returns what is in a folder, in the order of the names. The error is an
// [fs.PathError].
func (b *Bundle) ReadDir(name string) ([]fs.DirEntry, error) {
	if b.open {
		ds, err := os.ReadDir(name)
		if err != nil {
			b.miss(name, err)
			return nil, err
		}
		b.Files[folder(name)] = nil
		return ds, nil
	}
	if _, ok := b.Files[folder(name)]; !ok {
		return nil, b.absent(false, name)
	}
	in := map[string]fs.DirEntry{}
	for path := range b.all() {
		rest, ok := strings.CutPrefix(path, folder(name))
		if first, _, deep := strings.Cut(rest, "/"); ok && first != "" {
			in[first] = entry{first, deep}
		}
	}
	return slices.SortedFunc(maps.Values(in), func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) }), nil
}

// folder is how a folder is called in a bundle.
func folder(name string) string { return strings.TrimSuffix(name, "/") + "/" }

// Names returns what b is made of, and what it asks for that could not be read.
func (b *Bundle) Names() []string {
	var names []string
	for name := range b.all() {
		names = append(names, filepath.Clean(name))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// all goes over the paths of what is there, and of what is missing.
func (b *Bundle) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, names := range []iter.Seq[string]{maps.Keys(b.Missing), maps.Keys(b.Files)} {
			for name := range names {
				if !yield(name) {
					return
				}
			}
		}
	}
}

// Sources returns the files of b that a compiler may ask for.
func (b *Bundle) Sources() map[string][]byte {
	out := map[string][]byte{}
	for name, text := range b.Files {
		if e := filepath.Ext(name); e == ".weir" || e == ".o" {
			out[name] = text
		}
	}
	return out
}

// Digest tells bundles apart: those of one digest say the same.
func (b *Bundle) Digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", b.Name)
	for _, name := range slices.Sorted(maps.Keys(b.Files)) {
		fmt.Fprintf(h, "%q %x\n", name, sha256.Sum256(b.Files[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(b.Missing)) {
		if _, there := b.Files[name]; !there {
			fmt.Fprintf(h, "%q %q\n", name, b.Missing[name])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// An entry is what is in a folder of a bundle.
type entry struct {
	name string
	dir  bool
}

var _ fs.DirEntry = entry{}

func (e entry) Name() string { return e.name }
func (e entry) IsDir() bool  { return e.dir }
func (e entry) Type() fs.FileMode {
	if e.dir {
		return fs.ModeDir
	}
	return 0
}

// Info is what a bundle does not keep.
func (e entry) Info() (fs.FileInfo, error) {
	return nil, &fs.PathError{Op: "stat", Path: e.name, Err: errors.ErrUnsupported}
}
