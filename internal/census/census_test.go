package census

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/hook"
	"weir/internal/cost"
	"weir/internal/nstest"
)

// Every kind of place is told, whoever attached the program, and how.
func TestTake(t *testing.T) {
	tests := []struct {
		name, typ string
		attach    func(*world) *ebpf.Program
		on        []string // NET, CGROUP and ID stand for those of the test
	}{
		{"xdp link", "xdp", xdpLink, []string{"NET/wa:xdp (native) link"}},
		{"xdp by netlink", "xdp", xdpNetlink, []string{"NET/wa:xdp (generic)"}},
		{"tcx", "sched_cls", tcx, []string{"NET/wa:tc-egress 1/2 (tcx) link"}},
		{"clsact", "sched_cls", clsact, []string{"NET/wa:tc-ingress (clsact)"}},
		{"classifier", "sched_cls", classifier, []string{"NET/wa:tc-egress (filter of htb 1:0, priority 7)"}},
		{"netfilter", "netfilter", netfilter, []string{"@netfilter-input of a network namespace (ipv4, priority 5) link"}},
		{"cgroup link", "cgroup_skb", cgroupLink, []string{"@cgroup-ingress=CGROUP link"}},
		{"cgroup without link", "cgroup_skb", cgroupNoLink, []string{"@cgroup-egress=CGROUP 1/2"}},
		{"sk_lookup", "sk_lookup", skLookup, []string{"NET/@sk-lookup link"}},
		{"flow dissector", "flow_dissector", flowDissector, []string{"NET/flow-dissector"}},
		{"raw tracepoint", "raw_tracepoint", rawTracepoint, []string{"raw tracepoint sys_enter link"}},
		{"tp_btf", "tracing", tpBTF, []string{"raw tracepoint sys_enter link"}},
		{"iterator", "tracing", iterator, []string{"iterator of bpf_map link"}},
		{"perf event", "perf_event", byLink(ebpf.PerfEvent, clockEvent), []string{"perf event link"}},
		{"perf event without link", "perf_event", noLink(ebpf.PerfEvent, clockEvent), nil},
		{"tracepoint", "tracepoint", byLink(ebpf.TracePoint, switchEvent), []string{"tracepoint sched_switch link"}},
		{"tracepoint without link", "tracepoint", noLink(ebpf.TracePoint, switchEvent), []string{"tracepoint sched_switch"}},
		{"tail call", "xdp", tailCall, []string{`tail call of map ID "jumps" (slot 1, 3)`}},
		{"cpumap", "xdp", cpuMap, []string{`entry of map ID "cpus" (key 0)`}},
		{"sockmap", "sk_msg", sockMap, []string{`sockets of map ID "socks" (msg-verdict)`}},
		{"socket filter", "socket_filter", socketFilter, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			p := tt.attach(w)
			info, err := p.Info()
			w.must(err)
			id, _ := info.ID()
			got := find(t, id)
			if got.Type != tt.typ || got.Name != "counted" || got.Tag != info.Tag || got.UID != 0 || time.Since(got.Loaded) > time.Minute {
				t.Errorf("program %+v", got)
			}
			if want := fmt.Sprint(os.Getpid()); !strings.Contains(fmt.Sprint(got.By.Processes), want) {
				t.Errorf("kept by %v, not by %s", got.By, want)
			}
			var on []string
			for _, a := range got.On {
				s := strings.NewReplacer(w.net.Path, "NET", "/"+filepath.Base(w.cgroup), "CGROUP").Replace(a.String())
				if a.Link != 0 {
					s += " link"
				}
				on = append(on, regexp.MustCompile(`map \d+`).ReplaceAllString(s, "map ID"))
			}
			if strings.Join(on, "\n") != strings.Join(tt.on, "\n") {
				t.Errorf("on %q, want %q", on, tt.on)
			}
		})
	}
}

func find(t *testing.T, id cost.Program) Program {
	t.Helper()
	c, err := List()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Notes) > 0 {
		t.Errorf("notes %q", c.Notes)
	}
	for _, p := range c.Programs {
		if p.ID == id {
			return p
		}
	}
	t.Fatalf("program %d is not among %d", id, len(c.Programs))
	return Program{}
}

func xdpLink(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.XDP}, 2)
	i := w.index()
	w.linked(func() (link.Link, error) { return link.AttachXDP(link.XDPOptions{Program: p, Interface: i}) })
	return p
}

func xdpNetlink(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.XDP}, 2)
	w.net.Do(func() error {
		dev, err := netlink.LinkByName("wa")
		if err != nil {
			return err
		}
		return netlink.LinkSetXdpFdWithFlags(dev, p.FD(), unix.XDP_FLAGS_SKB_MODE)
	})
	return p
}

func tcx(w *world) *ebpf.Program {
	p, other := w.load(ebpf.ProgramSpec{Type: ebpf.SchedCLS}, -1), w.load(ebpf.ProgramSpec{Type: ebpf.SchedCLS}, 0)
	i := w.index()
	for _, p := range []*ebpf.Program{p, other} {
		w.linked(func() (link.Link, error) {
			return link.AttachTCX(link.TCXOptions{Program: p, Interface: i, Attach: ebpf.AttachTCXEgress})
		})
	}
	return p
}

func clsact(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.SchedCLS}, -1)
	_, err := attach.Attach(attach.Where{Netns: w.net.Path, Interface: "wa", Hook: hook.TCIngress}, attach.Options{
		Chain: "counted", Mode: attach.Clsact, Linear: func() (*ebpf.Program, error) { return p, nil },
	})
	w.must(err)
	return p
}

func classifier(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.SchedCLS}, 0)
	at := netlink.QdiscAttrs{LinkIndex: w.index(), Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT}
	w.net.Do(func() error {
		if err := netlink.QdiscAdd(netlink.NewHtb(at)); err != nil {
			return err
		}
		return netlink.FilterAdd(&netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{LinkIndex: at.LinkIndex, Parent: at.Handle, Protocol: unix.ETH_P_ALL, Priority: 7},
			Fd:          p.FD(), Name: "counted",
		})
	})
	return p
}

func netfilter(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.Netfilter, AttachType: ebpf.AttachNetfilter}, 1)
	w.linked(func() (link.Link, error) {
		return link.AttachNetfilter(link.NetfilterOptions{
			Program: p, ProtocolFamily: link.NetfilterProtoIPv4, Hook: link.NetfilterInetLocalIn, Priority: 5,
		})
	})
	return p
}

func cgroupLink(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetIngress}, 1)
	w.keep(link.AttachCgroup(link.CgroupOptions{Path: w.cgroup, Attach: ebpf.AttachCGroupInetIngress, Program: p}))
	return p
}

func cgroupNoLink(w *world) *ebpf.Program {
	dir, err := os.Open(w.cgroup)
	w.must(err)
	w.Cleanup(func() { dir.Close() })
	var ps []*ebpf.Program
	for range 2 {
		p := w.load(ebpf.ProgramSpec{Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetEgress}, 1)
		w.must(link.RawAttachProgram(link.RawAttachProgramOptions{
			Target: int(dir.Fd()), Program: p, Attach: ebpf.AttachCGroupInetEgress, Flags: unix.BPF_F_ALLOW_MULTI,
		}))
		ps = append(ps, p)
	}
	return ps[0]
}

func skLookup(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.SkLookup, AttachType: ebpf.AttachSkLookup}, 1)
	ns, err := os.Open(w.net.Path)
	w.must(err)
	defer ns.Close()
	l, err := link.AttachNetNs(int(ns.Fd()), p)
	w.keep(l, err)
	return p
}

func flowDissector(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.FlowDissector, AttachType: ebpf.AttachFlowDissector}, 0)
	w.net.Do(func() error {
		return link.RawAttachProgram(link.RawAttachProgramOptions{Program: p, Attach: ebpf.AttachFlowDissector})
	})
	return p
}

func rawTracepoint(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.RawTracepoint}, 0)
	w.keep(link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sys_enter", Program: p}))
	return p
}

func tpBTF(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "sys_enter"}, 0)
	w.keep(link.AttachTracing(link.TracingOptions{Program: p}))
	return p
}

func iterator(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceIter, AttachTo: "bpf_map"}, 0)
	l, err := link.AttachIter(link.IterOptions{Program: p})
	w.keep(l, err)
	return p
}

// clockEvent opens an event that comes with the CPU's clock.
func clockEvent(w *world) int {
	fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK, Sample: 1e9}, os.Getpid(), -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	w.must(err)
	w.Cleanup(func() { unix.Close(fd) })
	return fd
}

// byLink attaches a program of a type to an event by a link.
func byLink(typ ebpf.ProgramType, event func(*world) int) func(*world) *ebpf.Program {
	return func(w *world) *ebpf.Program {
		p := w.load(ebpf.ProgramSpec{Type: typ}, 0)
		l, err := link.AttachRawLink(link.RawLinkOptions{Target: event(w), Program: p, Attach: ebpf.AttachPerfEvent})
		w.keep(l, err)
		return p
	}
}

// noLink attaches a program of a type to an event as before there were links.
func noLink(typ ebpf.ProgramType, event func(*world) int) func(*world) *ebpf.Program {
	return func(w *world) *ebpf.Program {
		p := w.load(ebpf.ProgramSpec{Type: typ}, 0)
		w.must(unix.IoctlSetInt(event(w), unix.PERF_EVENT_IOC_SET_BPF, p.FD()))
		return p
	}
}

// switchEvent opens the event of a tracepoint.
func switchEvent(w *world) int {
	dir := w.TempDir()
	w.must(unix.Mount("tracefs", dir, "tracefs", 0, ""))
	defer unix.Unmount(dir, unix.MNT_DETACH)
	b, err := os.ReadFile(filepath.Join(dir, "events/sched/sched_switch/id"))
	w.must(err)
	id, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	w.must(err)
	fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: id}, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	w.must(err)
	w.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (w *world) newMap(spec ebpf.MapSpec) *ebpf.Map {
	m, err := ebpf.NewMap(&spec)
	w.must(err)
	w.Cleanup(func() { m.Close() })
	return m
}

func tailCall(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.XDP}, 2)
	m := w.newMap(ebpf.MapSpec{Name: "jumps", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 4})
	for _, slot := range []uint32{1, 3} {
		w.must(m.Put(slot, uint32(p.FD())))
	}
	return p
}

func cpuMap(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDPCPUMap}, 2)
	m := w.newMap(ebpf.MapSpec{Name: "cpus", Type: ebpf.CPUMap, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	w.must(m.Put(uint32(0), [2]uint32{64, uint32(p.FD())}))
	return p
}

func sockMap(w *world) *ebpf.Program {
	p := w.load(ebpf.ProgramSpec{Type: ebpf.SkMsg, AttachType: ebpf.AttachSkMsgVerdict}, 1)
	m := w.newMap(ebpf.MapSpec{Name: "socks", Type: ebpf.SockMap, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	w.must(link.RawAttachProgram(link.RawAttachProgramOptions{Target: m.FD(), Program: p, Attach: ebpf.AttachSkMsgVerdict}))
	return p
}

func socketFilter(w *world) *ebpf.Program {
	return w.load(ebpf.ProgramSpec{Type: ebpf.SocketFilter}, 0)
}

// Functions of the kernel are named; links to them are refused by some kernels.
func TestTraced(t *testing.T) {
	it := new(btf.HandleIterator)
	defer it.Handle.Close()
	for it.Next() {
		info, err := it.Handle.Info()
		if err != nil || !info.IsVmlinux() {
			continue
		}
		spec, err := btf.LoadKernelSpec()
		if err != nil {
			t.Fatal(err)
		}
		var f *btf.Func
		if err := spec.TypeByName("netif_receive_skb", &f); err != nil {
			t.Fatal(err)
		}
		id, err := spec.TypeID(f)
		if err != nil {
			t.Fatal(err)
		}
		x := &link.TracingInfo{TargetObjectId: uint32(info.ID), TargetBtfId: id}
		x.AttachType = 24 // BPF_TRACE_FENTRY
		got := (&taker{programs: map[cost.Program]*Program{1: {ID: 1, Name: "xdp_dispatcher"}}}).traced(x)
		if got != "fentry netif_receive_skb" {
			t.Errorf("got %q", got)
		}
		x.AttachType, x.TargetObjectId = 0, 1
		if got := (&taker{programs: map[cost.Program]*Program{1: {ID: 1, Name: "xdp_dispatcher"}}}).traced(x); got != `function of program 1 "xdp_dispatcher"` {
			t.Errorf("got %q", got)
		}
		return
	}
	t.Fatal("no BTF of the kernel", it.Err())
}

// What runs costs, and comes first; what nobody holds is told to be pinned.
func TestCost(t *testing.T) {
	dir := nstest.BPFFS(t)
	w := newWorld(t)
	p := w.load(ebpf.ProgramSpec{Type: ebpf.XDP}, 2)
	pin := filepath.Join(dir, "busy")
	w.must(p.Pin(pin))
	info, err := p.Info()
	w.must(err)
	id, _ := info.ID()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			_, err = p.Run(&ebpf.RunOptions{Data: make([]byte, 64), Repeat: 100000})
		}
		done <- err
	}()
	c, err := Take(context.Background(), 300*time.Millisecond)
	stop()
	w.must(err)
	w.must(<-done)
	for i, got := range c.Programs {
		if got.ID != id {
			continue
		}
		if got.Use.Runs == 0 || got.Use.NsPerRun() <= 0 || got.Use.CPU() <= 0 {
			t.Errorf("number %d: %+v", i, got.Use)
		}
		if len(got.By.Pins) != 1 || got.By.Pins[0] != pin {
			t.Errorf("pins %v, want %s", got.By.Pins, pin)
		}
		return
	}
	t.Errorf("program %d is not listed", id)
}
