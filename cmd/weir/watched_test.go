package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A watched command asks before each system call by which it could change the
// kernel, and is killed there if it is to be. The asking is seccomp's user
// notification (seccomp_unotify(2)): the test binary, called by this name, gives
// itself the filter, hands its listener to the test, and becomes weir.
const watchedName = "watched"

// changes are the system calls that ask: of BPF, of the BPF file system, and of
// netlink.
var changes = []uint32{
	unix.SYS_BPF, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT,
	unix.SYS_SYMLINKAT, unix.SYS_SENDTO, unix.SYS_SENDMSG,
}

// A callKind says of a system call that asked whether it counts.
type callKind func(nr uint32, first uint64) bool

// every counts all that ask.
func every(uint32, uint64) bool { return true }

// lasting counts the calls whose effect may outlast the process: not those that
// read, nor those that make what ends with it unless something else follows.
func lasting(nr uint32, first uint64) bool {
	if nr != unix.SYS_BPF {
		return nr != unix.SYS_SENDTO && nr != unix.SYS_SENDMSG // with tcx netlink only tells
	}
	switch first {
	case unix.BPF_MAP_UPDATE_ELEM, unix.BPF_MAP_UPDATE_BATCH, unix.BPF_OBJ_PIN,
		unix.BPF_LINK_CREATE, unix.BPF_LINK_UPDATE, unix.BPF_LINK_DETACH:
		return true
	}
	return false
}

// maybeWatched does not return if this process is to be a watched command.
// Descriptor 3 takes the number of the listener, 4 ends when the test has it.
func maybeWatched() {
	if filepath.Base(os.Args[0]) != watchedName {
		return
	}
	runtime.LockOSThread() // the filter is the thread's, which lives on in execve
	fd, err := listen()
	if err == nil {
		fmt.Fprintln(os.NewFile(3, "number"), fd)
		io.Copy(io.Discard, os.NewFile(4, "taken"))
		os.Args[0] = "weir"
		err = syscall.Exec(filepath.Join(filepath.Dir(os.Args[1]), "weir"), append([]string{"weir"}, os.Args[2:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "watched:", err)
	os.Exit(3)
}

// listen makes the calls of the thread ask, and returns the descriptor by which
// they are answered.
func listen() (int, error) {
	// ld [nr]; jeq each of changes: ask; allow
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
	for i, nr := range changes {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jt: uint8(len(changes) - i)})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// Signals that do not kill, as Go's scheduler sends them, do not ask again.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return 0, fmt.Errorf("seccomp: %w", errno)
	}
	return int(fd), nil
}

// watched runs weir until it asks for the call after the first n of a kind, and kills it
// there; the call is not made. It reports whether the command came to its end
// before that.
func (w *world) watched(t *testing.T, which callKind, n int, args ...string) (ended bool, err error) {
	t.Helper()
	exe := filepath.Join(w.dir, watchedName)
	if _, err := os.Lstat(exe); err != nil {
		check(t, os.Symlink(filepath.Join(w.dir, "weir"), exe))
	}
	number, fromChild, err := os.Pipe()
	check(t, err)
	defer number.Close()
	toChild, taken, err := os.Pipe()
	check(t, err)
	var out strings.Builder
	cmd := exec.Command(exe, append([]string{exe}, args...)...)
	cmd.Dir, cmd.Env = w.dir, w.env
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &out, &out, []*os.File{fromChild, toChild}
	cmd.WaitDelay = 10 * time.Second
	check(t, w.host.Do(cmd.Start))
	fromChild.Close()
	toChild.Close()
	listener := takeListener(t, cmd.Process.Pid, number)
	defer unix.Close(listener)
	taken.Close()
	killed := answer(t, listener, cmd.Process.Pid, which, n)
	if err := cmd.Wait(); err != nil {
		return !killed, fmt.Errorf("weir %s: %w\n%s", strings.Join(args, " "), err, out.String())
	}
	return !killed, nil
}

// takeListener copies the listener out of the command.
func takeListener(t *testing.T, pid int, number io.Reader) int {
	t.Helper()
	text, err := bufio.NewReader(number).ReadString('\n')
	check(t, err)
	fd, err := strconv.Atoi(strings.TrimSpace(string(text)))
	check(t, err)
	p, err := unix.PidfdOpen(pid, 0)
	check(t, err)
	defer unix.Close(p)
	listener, err := unix.PidfdGetfd(p, fd, 0)
	check(t, err)
	return listener
}

// answer lets n calls of a kind of a process go, and all of its children, and kills it
// at the next. It reports false if the process ended before.
func answer(t *testing.T, listener, pid int, which callKind, n int) (killed bool) {
	t.Helper()
	for {
		p := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, -1); err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
		if p[0].Revents&unix.POLLIN == 0 {
			if p[0].Revents != 0 {
				return killed // nobody asks any more
			}
			continue
		}
		var ask [80]byte // struct seccomp_notif: id, pid, flags, data: nr, arch, ip, args
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&ask))); errno != 0 {
			if errno == unix.ENOENT || errno == unix.EINTR {
				continue // who asked is dead
			}
			t.Fatal(errno)
		}
		id, tid := binary.NativeEndian.Uint64(ask[:]), binary.NativeEndian.Uint32(ask[8:])
		nr, first := binary.NativeEndian.Uint32(ask[16:]), binary.NativeEndian.Uint64(ask[32:])
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", pid, tid)); err == nil && !killed && which(nr, first) {
			if n == 0 {
				check(t, unix.Kill(pid, unix.SIGKILL))
				killed = true
				continue
			}
			n--
		}
		var reply [24]byte // struct seccomp_notif_resp: id, val, error, flags
		binary.NativeEndian.PutUint64(reply[:], id)
		binary.NativeEndian.PutUint32(reply[20:], 1) // SECCOMP_USER_NOTIF_FLAG_CONTINUE
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&reply))); errno != 0 && errno != unix.ENOENT {
			t.Fatal(errno)
		}
	}
}
