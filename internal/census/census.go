// Package census lists all BPF programs of the machine: what each is attached to,
// who keeps it, and what it costs.
//
// The model: the kernel numbers its programs, and [Take] goes through them all. It
// knows a program's name and tag, but not where it is attached. That is found from
// the other side, by asking every place that can be asked, a file for each kind:
// links of all types (links.go), interfaces of all network namespaces that can be
// reached (nets.go), cgroups (cgroups.go), and maps that call programs (maps.go).
// Who keeps a program is seen from pins and from what processes have open (package
// holder), what it costs from the kernel's run statistics (package cost).
//
// A question that this kernel or user has no answer to leaves a note, and is no
// error: the rest is listed.
//
// What nobody can see from outside: which socket has a filter, which action of
// traffic control or which route has a program, which perf event of the hardware one
// that came without a link. Of these it is only known who keeps them. Of netfilter
// links the kernel does not tell the namespace.
package census

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/internal/cost"
	"weir/internal/holder"
)

// A Census is what was found.
type Census struct {
	Programs []Program // the costliest first, then the latest
	Notes    []string  // what could not be asked, and why
}

// A Program is one of the kernel's programs.
type Program struct {
	ID     cost.Program
	Type   string // as bpftool has it: xdp, sched_cls
	Name   string // whole, where its types have it; else at most 15 octets
	Tag    string
	UID    uint32 // of who loaded it
	Loaded time.Time
	On     []Attachment
	By     holder.Holders // of it, or of links that attach it
	Use    cost.Use       // in the time of the measurement; zero: not measured
}

// An Attachment is a place that a program is attached to.
type Attachment struct {
	Where    string  // blue/eth0:tc-ingress, or in words: raw tracepoint sched_switch
	How      string  // native, tcx, priority 10; may be empty
	Link     link.ID // 0: attached without one
	Position int     // among those at the place, from 1; 0: not known, or no matter
	Of       int
}

// String returns blue/eth0:tc-ingress 2/3 (tcx).
func (a Attachment) String() string {
	s := a.Where
	if a.Of > 1 {
		s += fmt.Sprintf(" %d/%d", a.Position, a.Of)
	}
	if a.How != "" {
		s += " (" + a.How + ")"
	}
	return s
}

// A taker is a census that is being taken.
type taker struct {
	held     holder.Table
	spaces   []attach.Namespace
	programs map[cost.Program]*Program
	links    map[link.ID]linked
	notes    []string
}

// Take lists all programs. Costs are measured for span; not at all if it is 0.
func Take(ctx context.Context, span time.Duration) (Census, error) {
	var m *cost.Meter
	t := &taker{programs: map[cost.Program]*Program{}}
	if span > 0 {
		var err error
		if m, err = cost.Start(); err != nil {
			t.note(err)
		} else {
			defer m.Close()
		}
	}
	c, before, err := t.list(m)
	if err != nil || m == nil {
		return c, err
	}
	select {
	case <-ctx.Done():
		return c, ctx.Err()
	case <-time.After(time.Until(before.At.Add(span))):
	}
	c.Measure(m.Read(c.IDs()).Since(before))
	return c, nil
}

// List is Take without a measurement, for who measures by a meter of his own.
func List() (Census, error) {
	t := &taker{programs: map[cost.Program]*Program{}}
	c, _, err := t.list(nil)
	return c, err
}

// list lists all programs and reads their statistics first.
func (t *taker) list(m *cost.Meter) (c Census, r cost.Reading, err error) {
	if err := t.all(); err != nil {
		return c, r, err
	}
	if m != nil {
		ids := make([]cost.Program, 0, len(t.programs))
		for id := range t.programs {
			ids = append(ids, id)
		}
		r = m.Read(ids)
	}
	t.held = holder.Find()
	t.spaces = attach.Namespaces(t.held)
	for id, by := range t.held.Programs {
		if p := t.programs[id]; p != nil {
			p.By = by
		}
	}
	t.linksOfAll()
	t.nets()
	t.cgroups()
	t.maps()
	t.restOfLinks()
	t.perfEvents()
	for _, p := range t.programs {
		c.Programs = append(c.Programs, *p)
	}
	c.Notes = t.notes
	c.sort()
	return c, r, nil
}

// IDs returns the numbers of all programs.
func (c Census) IDs() []cost.Program {
	ids := make([]cost.Program, len(c.Programs))
	for i, p := range c.Programs {
		ids[i] = p.ID
	}
	return ids
}

// Measure puts costs to programs, and sorts them by these.
func (c Census) Measure(use map[cost.Program]cost.Use) {
	for i, p := range c.Programs {
		c.Programs[i].Use = use[p.ID]
	}
	c.sort()
}

func (c Census) sort() {
	slices.SortFunc(c.Programs, func(a, b Program) int {
		return cmp.Or(-cmp.Compare(a.Use.CPU(), b.Use.CPU()), -cmp.Compare(a.ID, b.ID))
	})
}

// note notes what could not be asked, once.
func (t *taker) note(err error) {
	if s := err.Error(); !slices.Contains(t.notes, s) {
		t.notes = append(t.notes, s)
	}
}

// all lists the programs of the kernel.
func (t *taker) all() error {
	booted, err := bootTime()
	if err != nil {
		return err
	}
	var id cost.Program
	for {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if errors.Is(err, os.ErrPermission) {
			return &attach.Denied{Needs: "CAP_SYS_ADMIN", Err: fmt.Errorf("list programs: %w", err)}
		}
		if err != nil {
			return fmt.Errorf("list programs: %w", err)
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if errors.Is(err, os.ErrNotExist) {
			continue // gone since
		}
		if err != nil {
			return fmt.Errorf("open program %d: %w", id, err)
		}
		if info, err := p.Info(); err == nil {
			t.programs[id] = program(id, info, booted)
		}
		p.Close()
	}
}

func program(id cost.Program, info *ebpf.ProgramInfo, booted time.Time) *Program {
	p := &Program{ID: id, Type: typeName(info.Type), Name: info.Name, Tag: info.Tag}
	p.UID, _ = info.CreatedByUID()
	if at, ok := info.LoadTime(); ok {
		p.Loaded = booted.Add(at).Round(time.Second)
	}
	return p
}

// bootTime returns when the clock began that load times are told by.
func bootTime() (time.Time, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return time.Time{}, fmt.Errorf("read boot time: %w", err)
	}
	return time.Now().Add(-time.Duration(now.Nano())), nil
}

// add notes that a program is attached.
func (t *taker) add(id cost.Program, a Attachment) {
	p := t.programs[id]
	if p == nil {
		return // loaded since, or none
	}
	p.On = append(p.On, a)
	if l, ok := t.links[a.Link]; ok && a.Link != 0 {
		t.links[a.Link] = linked{l.info, l.text, true}
	}
}

// typeNames are the names of types that are not those of the library in small
// letters.
var typeNames = map[ebpf.ProgramType]string{
	ebpf.SocketFilter: "socket_filter", ebpf.SchedCLS: "sched_cls", ebpf.SchedACT: "sched_act",
	ebpf.PerfEvent: "perf_event", ebpf.CGroupSKB: "cgroup_skb", ebpf.CGroupSock: "cgroup_sock",
	ebpf.LWTIn: "lwt_in", ebpf.LWTOut: "lwt_out", ebpf.LWTXmit: "lwt_xmit", ebpf.SockOps: "sock_ops",
	ebpf.SkSKB: "sk_skb", ebpf.CGroupDevice: "cgroup_device", ebpf.SkMsg: "sk_msg",
	ebpf.RawTracepoint: "raw_tracepoint", ebpf.CGroupSockAddr: "cgroup_sock_addr",
	ebpf.LWTSeg6Local: "lwt_seg6local", ebpf.LircMode2: "lirc_mode2", ebpf.SkReuseport: "sk_reuseport",
	ebpf.FlowDissector: "flow_dissector", ebpf.CGroupSysctl: "cgroup_sysctl",
	ebpf.RawTracepointWritable: "raw_tracepoint_writable", ebpf.CGroupSockopt: "cgroup_sockopt",
	ebpf.StructOps: "struct_ops", ebpf.Extension: "ext", ebpf.SkLookup: "sk_lookup",
}

func typeName(t ebpf.ProgramType) string {
	return cmp.Or(typeNames[t], strings.ToLower(t.String()))
}
