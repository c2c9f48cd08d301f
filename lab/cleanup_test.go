package lab

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDoPanicAndGoexit(t *testing.T) {
	l := testLab(t)
	h := testHost(t, l, "a")
	func() {
		defer func() {
			if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "boom") {
				t.Errorf("recovered %v, want boom", r)
			}
		}()
		h.Do(func() error { panic("boom") })
	}()
	after := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Do(func() error { runtime.Goexit(); return nil })
		after = true
	}()
	<-done
	if after {
		t.Error("runtime.Goexit in Do did not end the caller")
	}
	if err := threadsAtHome(); err != nil {
		t.Error(err)
	}
}

// threadsAtHome checks that no thread of the process is in a foreign namespace.
func threadsAtHome() error {
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		ns, err := os.Readlink(task)
		if err == nil && ns != home {
			return fmt.Errorf("thread %s is in %s, not in %s", task, ns, home)
		}
	}
	return nil
}

// TestNothingLeft makes and closes labs and looks for what is left.
func TestNothingLeft(t *testing.T) {
	count := func(dir string) int {
		e, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(e)
	}
	var fds, threads int
	for round := range 5 {
		l, err := New(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, b := testHost(t, l, "a"), testHost(t, l, "b")
		if _, _, err := l.Link(a, "eth0", b, "eth0", LinkOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.ServeHTTP(t.Context(), netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sleep", "60")
		if _, err := b.Start(cmd); err != nil {
			t.Fatal(err)
		}
		guardian := l.guard.cmd.Process.Pid
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if left := namesOf(namePrefix + l.ID()); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		for _, pid := range []int{guardian, cmd.Process.Pid} {
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("process %d is still there: %v", pid, err)
			}
		}
		if err := threadsAtHome(); err != nil {
			t.Error(err)
		}
		if round == 1 { // what is made once is there now
			fds, threads = count("/proc/self/fd"), count("/proc/self/task")
		}
	}
	if n := count("/proc/self/fd"); n > fds {
		t.Errorf("%d descriptors, before %d", n, fds)
	}
	if n := count("/proc/self/task"); n > threads+3 { // the runtime may want some
		t.Errorf("%d threads, before %d", n, threads)
	}
}

// TestKilled kills the owner of a lab, with and without a guardian.
func TestKilled(t *testing.T) {
	for _, mode := range []string{"guarded", "unguarded"} {
		t.Run(mode, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), childEnv+"="+mode)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			in, err1 := cmd.StdinPipe()
			out, err2 := cmd.StdoutPipe()
			if err := errors.Join(err1, err2, cmd.Start()); err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			var id string
			var sleeper, guardian int
			_, err := fmt.Fscan(out, &id, &sleeper, &guardian)
			if err == nil && len(namesOf(namePrefix+id)) != 2 {
				err = fmt.Errorf("namespaces %v, want 2", namesOf(namePrefix+id))
			}
			if err == nil && guardian != 0 { // ^C and hang-ups do not reach it
				err = errors.Join(syscall.Kill(guardian, unix.SIGINT), syscall.Kill(guardian, unix.SIGTERM))
			}
			cmd.Process.Kill()
			cmd.Wait()
			if err != nil {
				t.Fatalf("child: %v %s", err, &stderr)
			}
			if mode == "unguarded" {
				syscall.Kill(sleeper, unix.SIGKILL)
				if _, err := Sweep(); err != nil {
					t.Error(err)
				}
			}
			gone := func() bool {
				g := guardian == 0 || !running(guardian)
				return len(namesOf(namePrefix+id)) == 0 && !running(sleeper) && g
			}
			for end := time.Now().Add(5 * time.Second); !gone() && time.Now().Before(end); {
				time.Sleep(5 * time.Millisecond)
			}
			if !gone() {
				t.Errorf("namespaces %v left, sleeper runs: %t, guardian runs: %t",
					namesOf(namePrefix+id), running(sleeper), running(guardian))
			}
		})
	}
}

// running reports whether a process runs (and is no zombie).
func running(pid int) bool {
	_, state, err := startTime(pid)
	return err == nil && state != 'Z' && state != 'X'
}

func TestOwnerOf(t *testing.T) {
	for _, tc := range []struct {
		name string
		pid  int
		ok   bool
	}{
		{"weir-12.zz.abcd-a-b", 12, true},
		{"weir-12.zz-a", 0, false},
		{"weir-test", 0, false},
		{"weir-x.zz.abcd-a", 0, false},
		{"other-12.zz.abcd-a", 0, false},
		{"weir-12.zz.abcd", 0, false},
	} {
		pid, _, ok := ownerOf(tc.name)
		if ok != tc.ok || ok && pid != tc.pid {
			t.Errorf("ownerOf(%q) = %d, %t, want %d, %t", tc.name, pid, ok, tc.pid, tc.ok)
		}
	}
}
