package demo

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"weir/lab"
)

// serverArg0 is the name by which a web server process knows what it is.
const serverArg0 = "weir-demo-server"

// MaybeServe does not return if this process is the web server of a demo. In
// every other process it returns at once.
func MaybeServe() {
	if os.Args[0] != serverArg0 {
		return
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers on addr, on one CPU. It prints "ready", then every 100 ms how
// many requests it has answered.
//
// The process has an ordinary priority, and the flood, whose packets are
// received on this CPU in the sender's system call, the highest: on a machine of
// its own the kernel's receive path would come first, too, being in interrupts.
func serve(addr, cpu string) error {
	n, err := strconv.Atoi(cpu)
	if err != nil {
		return err
	}
	if err := confine(n); err != nil {
		return fmt.Errorf("stay on CPU %d: %w", n, err)
	}
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	var answered atomic.Uint64
	go func() {
		fmt.Println("ready")
		for range time.Tick(100 * time.Millisecond) {
			fmt.Println(answered.Load())
		}
	}()
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answered.Add(1)
		w.Write([]byte("hello\n"))
	}))
}

// confine keeps all threads of this process, and those to come, on one CPU at an
// ordinary priority.
func confine(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return eachThread(func(tid int) error {
		return errors.Join(unix.Setpriority(unix.PRIO_PROCESS, tid, -3), unix.SchedSetaffinity(tid, &set))
	})
}

// eachThread calls f with every thread of this process.
func eachThread(f func(tid int) error) error {
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(filepath.Base(t))
		if err != nil {
			return err
		}
		if err := f(tid); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// A server is the parent's side of the process.
type server struct {
	answered atomic.Uint64
}

// startServer starts the web server on h and waits until it listens.
func startServer(h *lab.Host, addr string, cpu int) (*server, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{serverArg0, addr, strconv.Itoa(cpu)}
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	wait, err := h.Start(cmd)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		return nil, fmt.Errorf("web server: %v: %s", wait(), strings.TrimSpace(stderr.String()))
	}
	s := new(server)
	go func() {
		for lines.Scan() {
			if n, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
				s.answered.Store(n)
			}
		}
	}()
	return s, nil
}
