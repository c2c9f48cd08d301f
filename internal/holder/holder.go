// Package holder finds out who keeps BPF programs and links in the kernel: which
// pins there are, and which processes have them open.
//
// The model: the kernel counts references and does not say whose they are. What
// can be seen of them is the BPF file systems that this process sees, and the
// descriptors of the processes in /proc. [Find] looks at both once and gives a
// [Table] by the kernel's numbers; what attaches a program, a link or an
// interface, is not in it (see packages attach and internal/census).
//
// What it does not see: pins of other mount namespaces, processes of other PID
// namespaces, and descriptors that are on their way through a socket.
package holder

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/pin"
	"golang.org/x/sys/unix"
)

// A Process has an object open.
type Process struct {
	PID  int
	Comm string // its name, at most 15 octets
}

// String returns 77 (xdp-filter).
func (p Process) String() string { return fmt.Sprintf("%d (%s)", p.PID, p.Comm) }

// Holders are what keeps one object. The zero value: nobody who can be seen.
type Holders struct {
	Pins      []string  // paths
	Processes []Process // each once
}

// String names the first that there is to name: pinned at PATH, or held by process
// 77 (xdp-filter). It is empty for nobody.
func (h Holders) String() string {
	switch {
	case len(h.Pins) > 0:
		return "pinned at " + h.Pins[0]
	case len(h.Processes) > 0:
		return "held by process " + h.Processes[0].String()
	}
	return ""
}

// Add adds processes that are not in h.
func (h *Holders) Add(ps ...Process) {
	for _, p := range ps {
		if !slices.Contains(h.Processes, p) {
			h.Processes = append(h.Processes, p)
		}
	}
}

// A Table says who holds what.
type Table struct {
	Programs map[ebpf.ProgramID]Holders
	Links    map[link.ID]Holders

	// Netns are descriptors and pins of network namespaces, by inode number, each
	// as a path to open it by.
	Netns map[uint64]string

	// Perf are the paths of descriptors of perf events.
	Perf []string
}

// Find looks at all pins and all descriptors. What it may not see it leaves out.
func Find() Table {
	t := Table{Programs: map[ebpf.ProgramID]Holders{}, Links: map[link.ID]Holders{}, Netns: map[uint64]string{}}
	for _, dir := range Mounts("bpf") {
		t.pins(dir)
	}
	for _, path := range Mounts("nsfs") {
		t.netns(path)
	}
	procs, _ := os.ReadDir("/proc")
	for _, d := range procs {
		if pid, err := strconv.Atoi(d.Name()); err == nil {
			t.process(pid)
		}
	}
	return t
}

// Mounts returns where file systems of a type are mounted, as this process sees it.
func Mounts(fstype string) []string {
	b, _ := os.ReadFile("/proc/self/mountinfo")
	var out []string
	seen := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		// 36 35 98:0 /root /mount/point opts - type source opts: proc_pid_mountinfo(5).
		before, after, ok := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if !ok || len(f) < 5 || !strings.HasPrefix(after, fstype+" ") {
			continue
		}
		path := unescape(f[4])
		if !seen[path] {
			seen[path] = true
			out = append(out, path)
		}
	}
	return out
}

// unescape undoes what the kernel writes for blanks in paths.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// pins notes what is pinned below dir.
func (t *Table) pins(dir string) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // a folder that may not be read
		}
		obj, err := pin.Load(path, &ebpf.LoadPinOptions{ReadOnly: true})
		if errors.Is(err, unix.EINVAL) {
			obj, err = pin.Load(path, nil) // the kernel opens links no other way: bpf_obj_get_user
		}
		if err != nil {
			return nil
		}
		defer obj.Close()
		switch obj := obj.(type) {
		case *ebpf.Program:
			if info, err := obj.Info(); err == nil {
				id, _ := info.ID()
				h := t.Programs[id]
				h.Pins = append(h.Pins, path)
				t.Programs[id] = h
			}
		case link.Link:
			if info, err := obj.Info(); err == nil {
				h := t.Links[info.ID]
				h.Pins = append(h.Pins, path)
				t.Links[info.ID] = h
			}
		}
		return nil
	})
}

// process notes what a process has open, and its own network namespace.
func (t *Table) process(pid int) {
	dir := fmt.Sprintf("/proc/%d", pid)
	p := Process{PID: pid}
	if b, err := os.ReadFile(dir + "/comm"); err == nil {
		p.Comm = strings.TrimSpace(string(b))
	}
	if pid != os.Getpid() { // whose first thread may be elsewhere for a moment
		t.netns(dir + "/ns/net")
	}
	fds, _ := os.ReadDir(dir + "/fd")
	for _, fd := range fds {
		path := dir + "/fd/" + fd.Name()
		to, err := os.Readlink(path)
		switch {
		case err != nil: // closed meanwhile
		case to == "anon_inode:bpf-prog", to == "anon_inode:bpf_link", to == "anon_inode:bpf-link":
			t.descriptor(dir+"/fdinfo/"+fd.Name(), p)
		case to == "anon_inode:[perf_event]":
			t.Perf = append(t.Perf, path)
		case strings.HasPrefix(to, "net:["):
			t.netns(path)
		}
	}
}

// netns notes a network namespace, if that is what can be opened at path. Of
// several paths the first is kept: one that is mounted, since it lasts.
func (t *Table) netns(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	typ, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || typ != unix.CLONE_NEWNET {
		return
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) == nil && t.Netns[st.Ino] == "" {
		t.Netns[st.Ino] = path
	}
}

// descriptor notes the object of a descriptor of p.
func (t *Table) descriptor(fdinfo string, p Process) {
	b, err := os.ReadFile(fdinfo)
	if err != nil {
		return
	}
	if id, ok := field(b, "link_id:"); ok {
		h := t.Links[link.ID(id)]
		h.Add(p)
		t.Links[link.ID(id)] = h
	} else if id, ok := field(b, "prog_id:"); ok {
		h := t.Programs[ebpf.ProgramID(id)]
		h.Add(p)
		t.Programs[ebpf.ProgramID(id)] = h
	}
}

// field returns the number of a line of a descriptor's information.
func field(b []byte, name string) (uint32, bool) {
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(rest)), 10, 32)
			return uint32(n), err == nil
		}
	}
	return 0, false
}
