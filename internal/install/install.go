// Package install puts weir's agent on a machine as a service of systemd.
//
// The model: [New] lists what belongs there, files and folders ([Item]). [Plan.Write]
// writes it: the unit anew each time, the config only where there is none.
// [Plan.Remove] takes it away again, but for what people have changed. Both
// say what they have done ([Done]).
//
// What it does not do: it starts and stops nothing, copies no binary, and calls no
// program.
package install

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

//go:embed weir.service
var unit string

//go:embed weir.yaml
var config []byte

// ErrChanged says that a unit is there that Write has not written.
var ErrChanged = errors.New("it was not written by weir install")

// An Item is what belongs on a machine.
type Item struct {
	Path string // on the machine
	Text []byte // nil: it is a folder
	own  bool   // written anew: changes of people belong elsewhere
}

// A Plan is all that belongs on a machine.
type Plan struct {
	root  string
	items []Item
}

// Done is what became of an Item.
type Done struct {
	Path string // with the root before it
	What string // "written", "removed", "kept"
}

// New returns what belongs on the machine whose files are below root, with the binary
// at that path of it.
func New(root, binary string) (*Plan, error) {
	if !filepath.IsAbs(binary) || strings.ContainsAny(binary, " \t\n\"'\\%$") {
		return nil, fmt.Errorf("%q cannot be named in a unit: give its whole path, without spaces and quotes", binary)
	}
	return &Plan{root: root, items: []Item{
		{Path: "/etc/weir"},
		{Path: "/etc/weir/conf.d"},
		{Path: "/etc/weir/weir.yaml", Text: config},
		{Path: "/etc/systemd/system/weir.service", Text: []byte(strings.ReplaceAll(unit, "BINARY", binary)), own: true},
	}}, nil
}

// marker begins a unit that Write has written.
func marker() []byte {
	line, _, _ := strings.Cut(unit, "\n")
	return []byte(line)
}

// Write writes what is not there, and the unit anew. Its error wraps [ErrChanged] if
// another unit is in its place; then nothing is written.
func (p *Plan) Write() (done []Done, err error) {
	for _, x := range p.items {
		if there, err := os.ReadFile(p.path(x)); x.own && err == nil && !bytes.HasPrefix(there, marker()) {
			return nil, fmt.Errorf("write %s: %w: move it away first", p.path(x), ErrChanged)
		}
	}
	for _, x := range p.items {
		d := Done{p.path(x), "written"}
		if _, err := os.Lstat(d.Path); err == nil && !x.own {
			d.What = "kept"
		} else if err := p.write(x); err != nil {
			return done, fmt.Errorf("install: %w", err)
		}
		done = append(done, d)
	}
	return done, nil
}

func (p *Plan) path(x Item) string { return filepath.Join(p.root, x.Path) }

// write makes a folder, or a file: whole or not at all.
func (p *Plan) write(x Item) error {
	path := p.path(x)
	if x.Text == nil {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".weir-*")
	if err != nil {
		return err
	}
	_, err = f.Write(x.Text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// Remove removes what Write has written: the unit, the config if nobody has changed
// it, and folders if nothing is in them.
func (p *Plan) Remove() (done []Done, err error) {
	for _, x := range slices.Backward(p.items) {
		path := p.path(x)
		what, err := remove(path, x)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return done, fmt.Errorf("uninstall: %w", err)
		}
		done = append(done, Done{path, what})
	}
	return done, nil
}

func remove(path string, x Item) (what string, err error) {
	if x.Text == nil {
		err := unix.Rmdir(path)
		if errors.Is(err, unix.ENOTEMPTY) {
			return "kept", nil
		}
		if err != nil {
			return "", &os.PathError{Op: "remove", Path: path, Err: err}
		}
		return "removed", nil
	}
	there, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if x.own && !bytes.HasPrefix(there, marker()) || !x.own && !bytes.Equal(there, x.Text) {
		return "kept", nil
	}
	return "removed", os.Remove(path)
}
