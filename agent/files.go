package agent

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// files watches what a config is made of. Folders are watched, not files: an editor
// writes a new file and renames it, and what is not there yet may come. What it means
// is found by comparing a print of all files, so that also a change behind a symbolic
// link is seen, and what else happens in a folder is not.
type files struct {
	w *fsnotify.Watcher

	mu    sync.Mutex
	names map[string]string // files, and folders with all in them: what they were when they were read
}

func newFiles(wake func(string)) (*files, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	go func() {
		for {
			select {
			case e, ok := <-w.Events:
				if !ok {
					return
				}
				if e.Op != fsnotify.Chmod {
					wake(changedFiles)
				}
			case _, ok := <-w.Errors: // events were lost
				if !ok {
					return
				}
				wake(changedFiles)
			}
		}
	}()
	return &files{w: w, names: map[string]string{}}, nil
}

func (f *files) close() { f.w.Close() }

// add watches more, as they are now, and reports whether some were not watched before.
func (f *files) add(names ...string) (more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range names {
		if _, ok := f.names[n]; !ok {
			more = true
			f.watch(n)
			f.names[n] = print(n)
		}
	}
	return more
}

// only watches those of names that are watched, and no others.
func (f *files) only(names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.names)
	maps.DeleteFunc(f.names, func(n, _ string) bool { return !slices.Contains(names, n) })
	if len(f.names) == before {
		return
	}
	var dirs []string
	for n := range f.names {
		dirs = append(dirs, f.watch(n)...)
	}
	for _, d := range f.w.WatchList() {
		if !slices.Contains(dirs, d) {
			f.w.Remove(d)
		}
	}
}

// watch watches the folders in which it shows that a file is another: its own and,
// as that may be exchanged whole, the one above; and those of what it is a link to. Of
// what is not there the next folder above is watched.
// It returns the folders.
func (f *files) watch(name string) (dirs []string) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil // no working folder: nothing can be read either
	}
	all := []string{abs, filepath.Dir(abs), filepath.Dir(filepath.Dir(abs))}
	if to, err := filepath.EvalSymlinks(abs); err == nil && to != abs {
		all = append(all, to, filepath.Dir(to))
	}
	for _, dir := range all {
		for dir = folder(dir); f.w.Add(dir) != nil && dir != "/"; { // it is gone meanwhile
			dir = folder(filepath.Dir(dir))
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// folder returns path if it is a folder, or the next one above.
func folder(path string) string {
	for path != "/" {
		if s, err := os.Stat(path); err == nil && s.IsDir() {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}

// look notes what the files are now. Folders that are new are watched.
func (f *files) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range f.names {
		f.watch(n)
		f.names[n] = print(n)
	}
}

// changed reports whether files are other than they were at look.
func (f *files) changed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n, was := range f.names {
		if print(n) != was {
			return true
		}
	}
	return false
}

// print describes a file, or all in a folder: one that was written or exchanged is
// described otherwise.
func print(name string) string {
	var b strings.Builder
	describe(&b, name)
	in, _ := os.ReadDir(name) // none in a file
	for _, e := range in {
		describe(&b, filepath.Join(name, e.Name()))
	}
	return b.String()
}

func describe(b *strings.Builder, name string) {
	s, err := os.Stat(name)
	switch {
	case err != nil:
		fmt.Fprintf(b, "%s -\n", name)
	case s.IsDir():
		fmt.Fprintf(b, "%s /\n", name) // what is in it tells
	default:
		fmt.Fprintf(b, "%s %d %d %d\n", name, s.Size(), s.ModTime().UnixNano(), inode(s))
	}
}
