// Guest is the first and only program of a test machine: it mounts what programs
// expect, loads the modules and runs the jobs of its plan, tells the host about
// them, and switches the machine off. See package vm, which makes the machine.
//
// Output of jobs goes to the host line by line as it comes: what a machine that
// hung had said is known.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weir/internal/vm"
)

// line is the serial line to the host.
const line = "/dev/ttyS1"

func main() {
	// Process 1 must not end: the kernel would panic before the host has read why.
	defer func() {
		unix.Sync()
		unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}()
	if err := prepare(); err != nil {
		fmt.Println("guest:", err)
		return
	}
	h, err := openHost()
	if err != nil {
		fmt.Println("guest:", err)
		return
	}
	if err := h.work(); err != nil {
		h.tell(vm.Event{Kind: vm.Module, Text: err.Error()})
		return
	}
	h.tell(vm.Event{Kind: vm.Done})
}

// A host is whom the guest tells.
type host struct {
	mu sync.Mutex
	w  io.Writer
}

func openHost() (*host, error) {
	f, err := os.OpenFile(line, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open line to the host: %w", err)
	}
	return &host{w: f}, nil
}

func (h *host) tell(e vm.Event) {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err) // plain strings and numbers
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.w.Write(append(data, '\n'))
}

func (h *host) work() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("uname: %w", err)
	}
	h.tell(vm.Event{Kind: vm.Booted, Text: unix.ByteSliceToString(u.Release[:])})
	data, err := os.ReadFile(vm.PlanFile)
	if err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	var p vm.Plan
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	for _, m := range p.Modules {
		if err := loadModule(m); err != nil {
			h.tell(vm.Event{Kind: vm.Module, Text: fmt.Sprintf("%s: %v", m, err)})
		}
	}
	for _, j := range p.Jobs {
		h.run(j)
	}
	return nil
}

func loadModule(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// run runs a job and tells its lines and its end.
func (h *host) run(j vm.Job) {
	start := time.Now()
	end := vm.Event{Kind: vm.Ended, Job: j.Name}
	if err := h.start(j); err != nil {
		end.Text, end.Code = err.Error(), 1
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			end.Code = exit.ExitCode()
		}
	}
	end.Took = time.Since(start)
	reap()
	h.tell(end)
}

func (h *host) start(j vm.Job) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(j.Args[0], j.Args[1:]...)
	cmd.Dir, cmd.Env = j.Dir, append(os.Environ(), j.Env...)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	stop := time.AfterFunc(j.Limit, func() {
		unix.Kill(-cmd.Process.Pid, unix.SIGQUIT) // where does it hang?
		time.Sleep(5 * time.Second)
		unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	})
	defer stop.Stop()
	read := make(chan struct{})
	go func() {
		defer close(read)
		h.copy(j.Name, r)
	}()
	err = cmd.Wait()
	// What it left behind may hold the pipe: do not wait for it for ever.
	r.SetReadDeadline(time.Now().Add(2 * time.Second))
	<-read
	return err
}

func (h *host) copy(job string, r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		s, err := lines.ReadString('\n')
		if n := len(s); n > 0 && s[n-1] == '\n' {
			s = s[:n-1]
		}
		if s != "" || err == nil {
			h.tell(vm.Event{Kind: vm.Line, Job: job, Text: s})
		}
		if err != nil {
			return
		}
	}
}

// reap takes the ends of processes whose parents are gone.
func reap() {
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}
