package vm

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Kernel is a kernel's package as it was unpacked.
type Kernel struct {
	Image   string            // the file that boots
	modules map[string]string // files by the module's name
}

// OpenKernel finds the kernel below dir, where a package of Debian's was
// unpacked: boot/vmlinuz-RELEASE, or vmlinuz beside the modules.
func OpenKernel(dir string) (Kernel, error) {
	k := Kernel{modules: make(map[string]string)}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		base := filepath.Base(file)
		if strings.HasPrefix(base, "vmlinuz") {
			k.Image = file
		}
		if name, _, ok := strings.Cut(base, ".ko"); ok {
			k.modules[moduleName(name)] = file
		}
		return nil
	})
	if err == nil && (k.Image == "" || len(k.modules) == 0) {
		err = fmt.Errorf("no kernel with modules in it")
	}
	if err != nil {
		return Kernel{}, fmt.Errorf("open kernel %s: %w", dir, err)
	}
	return k, nil
}

// moduleName: files may be called with dashes, the kernel never does.
func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// A module is one that was read.
type module struct {
	name string
	data []byte
}

// load reads modules and all that they need, each after what it needs. One that
// has no file is taken to be built in: if it is not, what needs it will say so.
func (k Kernel) load(names []string) ([]module, error) {
	var out []module
	seen := make(map[string]bool)
	var visit func(name string) error
	visit = func(name string) error {
		name = moduleName(name)
		file, ok := k.modules[name]
		if seen[name] || !ok {
			return nil
		}
		seen[name] = true
		data, err := readModule(file)
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		needs, err := moduleNeeds(data)
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		for _, n := range needs {
			if err := visit(n); err != nil {
				return err
			}
		}
		out = append(out, module{name, data})
		return nil
	}
	for _, n := range names {
		if err := visit(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readModule returns the module as the kernel takes it: not every kernel unpacks
// them itself.
func readModule(file string) ([]byte, error) {
	if !strings.HasSuffix(file, ".xz") {
		return os.ReadFile(file)
	}
	out, err := exec.Command("xz", "-dc", file).Output()
	if err != nil {
		return nil, fmt.Errorf("xz -dc %s: %w", file, err)
	}
	return out, nil
}

// moduleNeeds returns the modules that a module says it needs. (depmod, which
// collects that for a whole kernel, runs when a package is installed, and this
// one is only unpacked.)
func moduleNeeds(data []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(string(info), "\x00") {
		if needs, ok := strings.CutPrefix(line, "depends="); ok {
			return strings.FieldsFunc(needs, func(r rune) bool { return r == ',' }), nil
		}
	}
	return nil, nil
}
