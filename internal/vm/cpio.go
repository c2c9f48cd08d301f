package vm

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// A Tree is what a machine's file system starts with: contents by absolute path.
// Folders are made as they are needed.
type Tree map[string]Content

// A Content is a file of a [Tree].
type Content struct {
	From string      // the file of this machine to take, or
	Data []byte      // what is in it
	Link string      // or, of a symbolic link, where it leads
	Mode os.FileMode // permissions; 0 is 0o644
}

// write writes the tree as a cpio archive of the form "newc", the one that the
// kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst):
//
//	070701 ino mode uid gid nlink mtime filesize maj min rmaj rmin namesize check
//	name NUL, padded to 4 bytes; contents, padded to 4 bytes
//
// with every number as eight hexadecimal digits.
func (t Tree) write(w io.Writer) error {
	a := &archive{w: bufio.NewWriterSize(w, 1<<20), folders: map[string]bool{"/": true}}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if err := a.parents(name); err != nil {
			return err
		}
		if err := a.content(name, t[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := a.entry("TRAILER!!!", 0, 0, strings.NewReader("")); err != nil {
		return err
	}
	return a.w.Flush()
}

const (
	cpioFolder = 0o040000
	cpioFile   = 0o100000
	cpioLink   = 0o120000
)

type archive struct {
	w       *bufio.Writer
	folders map[string]bool
	ino     int
}

func (a *archive) parents(name string) error {
	dir := path.Dir(name)
	if a.folders[dir] {
		return nil
	}
	if err := a.parents(dir); err != nil {
		return err
	}
	a.folders[dir] = true
	return a.entry(dir, cpioFolder|0o755, 0, strings.NewReader(""))
}

func (a *archive) content(name string, c Content) error {
	mode := c.Mode.Perm()
	if mode == 0 {
		mode = 0o644
	}
	switch {
	case c.Link != "":
		return a.entry(name, cpioLink|0o777, int64(len(c.Link)), strings.NewReader(c.Link))
	case c.From == "":
		return a.entry(name, cpioFile|mode, int64(len(c.Data)), strings.NewReader(string(c.Data)))
	}
	f, err := os.Open(c.From)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return a.entry(name, cpioFile|mode, info.Size(), f)
}

func (a *archive) entry(name string, mode os.FileMode, size int64, r io.Reader) error {
	if size > 1<<32-1 {
		return fmt.Errorf("%d bytes are too many for the archive", size)
	}
	name = strings.TrimPrefix(name, "/")
	a.ino++
	fmt.Fprintf(a.w, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.ino, uint32(mode), 0, 0, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0, name)
	a.pad(110 + int64(len(name)) + 1)
	n, err := io.Copy(a.w, r)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes became %d while they were read", size, n)
	}
	a.pad(size)
	return err
}

func (a *archive) pad(n int64) {
	a.w.WriteString("\x00\x00\x00"[:(4-n%4)%4])
}
