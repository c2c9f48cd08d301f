package vm

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// pack writes the machine's archive.
func (m Machine) pack(file string) error {
	t := maps.Clone(m.Files)
	if t == nil {
		t = Tree{}
	}
	modules, err := m.Kernel.load(m.Modules)
	if err != nil {
		return err
	}
	plan := Plan{Jobs: m.Jobs}
	for _, mod := range modules {
		path := "/modules/" + mod.name + ".ko"
		t[path] = Content{Data: mod.data}
		plan.Modules = append(plan.Modules, path)
	}
	data, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	t[PlanFile] = Content{Data: data}
	t["/init"] = Content{From: m.Guest, Mode: 0o755}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.write(f); err != nil {
		return err
	}
	return f.Close()
}

// library is a line of ldd: libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…),
// or the loader's, which has no arrow.
var library = regexp.MustCompile(`(?m)^\s+(?:\S+ => )?(/\S+) \(0x`)

// Command puts a program of this machine, with the libraries that it needs, into
// the tree, at /bin.
func (t Tree) Command(name string) error {
	file, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("command for the machine: %w", err)
	}
	t["/bin/"+name] = Content{From: file, Mode: 0o755}
	out, err := exec.Command("ldd", file).Output()
	if err != nil {
		return nil // linked statically
	}
	for _, l := range library.FindAllSubmatch(out, -1) {
		t[string(l[1])] = Content{From: string(l[1]), Mode: 0o755}
	}
	return nil
}

// Folder puts a folder's files, by the names that list gives below it, at a path
// of the tree.
func (t Tree) Folder(at, dir string, list []string) {
	for _, name := range list {
		t[filepath.Join(at, name)] = Content{From: filepath.Join(dir, name), Mode: 0o755}
	}
}
