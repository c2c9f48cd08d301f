package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"weir/internal/vm"
)

// source is where the repository lies in a machine.
const source = "/src"

// usual is the limit of a suite that has none of its own: ten times what an idle machine
// needs.
const usual = 15 * time.Minute

// built is what machines are made of.
type built struct {
	root, dir string // the repository; the binaries
	files     []string
}

// build compiles the guest, weir, and the test binaries of suites.
func build(ctx context.Context, suites []suite) (*built, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	b := &built{root: filepath.Dir(strings.TrimSpace(string(out)))}
	if b.dir, err = os.MkdirTemp("", "weir-kernels-"); err != nil {
		return nil, err
	}
	if err := b.compile(ctx, suites); err != nil {
		b.remove()
		return nil, err
	}
	return b, nil
}

func (b *built) remove() { os.RemoveAll(b.dir) }

func (b *built) compile(ctx context.Context, suites []suite) error {
	list := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = b.root
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("list files of the repository: %w", err)
	}
	for name := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		if info, err := os.Stat(filepath.Join(b.root, name)); err == nil && info.Mode().IsRegular() {
			b.files = append(b.files, name) // else it was deleted
		}
	}
	if err := b.compiler(ctx, "build", "-o", b.dir, "./internal/vm/guest", "./internal/kernels/probe", "./cmd/weir"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, s := range suites {
		if seen[s.pkg] {
			continue
		}
		seen[s.pkg] = true
		if err := b.compiler(ctx, "test", "-c", "-o", b.binary(s), "./"+s.pkg); err != nil {
			return err
		}
	}
	return nil
}

// binary returns the file of a suite's test binary.
func (b *built) binary(s suite) string {
	return filepath.Join(b.dir, strings.ReplaceAll(s.pkg, "/", "-")+".test")
}

// compiler runs the Go command for programs that need no library.
func (b *built) compiler(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = b.root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w: %s", args[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// folder returns where scripts/kernels.sh puts kernels.
func folder(kernel string) (string, error) {
	cache, err := os.UserCacheDir() // $XDG_CACHE_HOME or ~/.cache
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "weir/kernels", kernel)
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("it is not there: run scripts/kernels.sh %s, which fetches it: %w", kernel, err)
	}
	return dir, nil
}

// machine makes the machine that runs suites on a kernel.
func (b *built) machine(kernel string, suites []suite) (*vm.Machine, error) {
	dir, err := folder(kernel)
	if err != nil {
		return nil, err
	}
	k, err := vm.OpenKernel(dir)
	if err != nil {
		return nil, err
	}
	m := &vm.Machine{
		Kernel: k, Modules: modules, Guest: filepath.Join(b.dir, "guest"), Files: vm.Tree{},
		Memory: 2048, Limit: 2 * time.Minute, // to come up and go down
		Console: filepath.Join(b.dir, "console-"+kernel),
	}
	m.Files.Folder(source, b.root, b.files)
	for _, c := range commands {
		if err := m.Files.Command(c); err != nil {
			return nil, err
		}
	}
	objects, err := filepath.Glob("/usr/lib/*/bpf/*.o") // libxdp's dispatcher
	if err != nil {
		return nil, err
	}
	m.Files.Folder("/", "/", objects)
	for _, name := range []string{"weir", "probe"} {
		m.Files["/bin/"+name] = vm.Content{From: filepath.Join(b.dir, name), Mode: 0o755}
	}
	m.Jobs = []vm.Job{
		{Name: jobDoctor, Dir: "/", Args: []string{"/bin/weir", "doctor", "--json"}, Limit: usual},
		{Name: jobProbe, Dir: "/", Args: []string{"/bin/probe"}, Limit: usual},
	}
	for _, s := range suites {
		j := b.job(s)
		m.Files[j.Args[0]] = vm.Content{From: b.binary(s), Mode: 0o755}
		m.Jobs = append(m.Jobs, j)
		m.Limit += j.Limit
	}
	return m, nil
}

// job is a suite for the guest.
func (b *built) job(s suite) vm.Job {
	bin := filepath.Join(source, s.pkg, filepath.Base(b.binary(s)))
	j := vm.Job{
		Name: s.name, Dir: filepath.Join(source, s.pkg), Limit: s.limit,
		Env:  []string{"GOGC=400"}, // there is memory, and little time
		Args: append([]string{bin, "-test.v=test2json", "-test.run", s.tests, "-test.timeout", "0"}, s.args...),
	}
	if j.Limit == 0 {
		j.Limit = usual
	}
	return j
}
