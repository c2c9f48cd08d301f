// Package vm runs test binaries on another kernel: in a small virtual machine
// that lives in memory and is gone when its last job has ended.
//
// The model: a [Machine] is a kernel, the modules that it must load, the files
// that its memory starts with (a [Tree]) and its [Job]s, in order. [Machine.Run]
// packs all that into one archive (an initramfs), whose first program is the
// guest (folder guest, linked statically), and starts QEMU. There are two serial
// lines: the kernel's console, kept whole for the day when it does not come
// up, and the guest's, on which it tells one [Event] a line.
//
//	host                              guest, process 1
//	Tree, Plan ──► archive ──► QEMU ─► mount, load modules
//	                                   run job after job
//	Event ◄───── second serial line ◄─ its lines, its end
//	                                   power off
//
// QEMU translates the machine's code (TCG), so that it runs on every machine,
// also in one that is virtual itself; times in it mean nothing. Every machine is
// bounded in time, memory and processors.
//
// What it does not do: it knows neither tests nor kernels by name; see package
// kernels.
package vm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// QEMU is the program that makes machines.
const QEMU = "qemu-system-x86_64"

// ErrNoQEMU says that the machine at hand cannot make others.
var ErrNoQEMU = errors.New(QEMU + " is not installed: run scripts/kernels.sh as root, which installs it")

// A Machine is what is to run where.
type Machine struct {
	Kernel  Kernel
	Modules []string // to load, with what they need
	Guest   string   // path of the guest's binary
	Files   Tree     // what is in the file system besides
	Jobs    []Job

	Memory int           // in MiB
	Limit  time.Duration // for everything; then the machine is switched off

	Console string // file for the kernel's console
}

// Run makes the machine and calls told with each event as it comes. It returns
// when the machine is gone; it is an error if that was before the last job had
// ended.
func (m Machine) Run(ctx context.Context, told func(Event)) error {
	qemu, err := exec.LookPath(QEMU)
	if err != nil {
		return ErrNoQEMU
	}
	dir, err := os.MkdirTemp("", "weir-vm-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, "initramfs")
	if err := m.pack(archive); err != nil {
		return fmt.Errorf("pack machine: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.Limit, fmt.Errorf("not done after %s", m.Limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, qemu, m.args(archive)...)
	// It must not outlive us, whatever ends us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return m.follow(ctx, cmd, told)
}

func (m Machine) args(archive string) []string {
	return []string{
		// A processor without CMPXCHG16B: QEMU 7.2 loses the flags over it where its own
		// machine's compiler had none, and Linux 6.12 died of that (in slub, at once or
		// later: a general protection fault, a double fault).
		"-accel", "tcg,thread=multi", "-cpu", "max,-cx16", "-smp", "2", "-m", fmt.Sprint(m.Memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", m.Kernel.Image, "-initrd", archive,
		// A panic ends the machine, and so does a processor that hangs.
		"-append", "console=ttyS0 panic=-1 oops=panic random.trust_cpu=on mitigations=off",
		"-serial", "file:" + m.Console, "-serial", "stdio",
	}
}

// follow starts cmd and reads its standard output, which is the guest's line.
func (m Machine) follow(ctx context.Context, cmd *exec.Cmd, told func(Event)) error {
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start machine: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start machine: %w", err)
	}
	done, err := events(out, told)
	if wait := cmd.Wait(); err == nil {
		err = wait
	}
	switch cause := context.Cause(ctx); {
	case done:
		return nil
	case cause != nil:
		return fmt.Errorf("run machine: %w", cause)
	case err != nil:
		return fmt.Errorf("run machine: %w: %s", err, stderr.String())
	}
	return fmt.Errorf("run machine: it ended before its jobs: see %s", m.Console)
}

// events reads the guest's line to its end, and reports whether all jobs ended.
func events(r io.Reader, told func(Event)) (done bool, err error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return done, nil
		}
		if err != nil {
			return done, err
		}
		var e Event
		if json.Unmarshal(line, &e) != nil {
			continue // firmware may speak on every line before the kernel does
		}
		if e.Kind == Done {
			done = true
		}
		told(e)
	}
}
