package census

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"weir/internal/cost"
)

// What a perf event runs is known without a link only to the one who asks for the
// descriptor of its process: struct task_fd_query in union bpf_attr of
// linux/bpf.h.
type taskFDQuery struct {
	pid, fd, flags, nameSize uint32
	name                     uint64
	program, kind            uint32
	offset, address          uint64
}

const taskFDQueryCommand = 20 // BPF_TASK_FD_QUERY

// anyPerfEvent is what is known of a perf event that has no name.
const anyPerfEvent = "perf event"

// BPF_FD_TYPE_*
var perfKinds = []string{"raw tracepoint", "tracepoint", "kprobe", "kretprobe", "uprobe", "uretprobe"}

// perfEvents notes programs of perf events that have no link.
func (t *taker) perfEvents() {
	for _, path := range t.held.Perf {
		parts := strings.Split(path, "/") // /proc/PID/fd/FD
		pid, _ := strconv.Atoi(parts[2])
		fd, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			continue
		}
		name := make([]byte, 256)
		q := &taskFDQuery{pid: uint32(pid), fd: uint32(fd), nameSize: uint32(len(name)), name: uint64(uintptr(unsafe.Pointer(&name[0])))}
		_, _, errno := unix.Syscall(unix.SYS_BPF, taskFDQueryCommand, uintptr(unsafe.Pointer(q)), unsafe.Sizeof(*q))
		runtime.KeepAlive(name)
		if errno != 0 {
			continue // an event that runs no program, or one of another namespace
		}
		kind := anyPerfEvent
		if int(q.kind) < len(perfKinds) {
			kind = perfKinds[q.kind]
		}
		p := t.programs[cost.Program(q.program)]
		if p == nil {
			continue
		}
		where := strings.TrimSpace(fmt.Sprintf("%s %s", kind, unix.ByteSliceToString(name)))
		switch {
		case p.at(where) != nil: // by a link, or on another CPU
		case p.at(anyPerfEvent) != nil: // by a link of a kernel before 6.6, which says no more
			p.at(anyPerfEvent).Where = where
		default:
			t.add(p.ID, Attachment{Where: where})
		}
	}
}

// at returns the attachment to a place, or nil.
func (p *Program) at(where string) *Attachment {
	i := slices.IndexFunc(p.On, func(a Attachment) bool { return a.Where == where })
	if i < 0 {
		return nil
	}
	return &p.On[i]
}
