package census

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"weir/attach"
	"weir/hook"
	"weir/internal/cost"
)

// linked is a link of the kernel.
type linked struct {
	info  *link.Info
	text  map[string]string // what the kernel writes of its descriptor
	known bool              // what it attaches to has been noted
}

// linksOfAll lists all links. Who keeps one keeps its program.
func (t *taker) linksOfAll() {
	t.links = map[link.ID]linked{}
	err := attach.EachLink(func(l link.Link, info *link.Info) bool {
		t.links[info.ID] = linked{info: info, text: describe(l)}
		if p := t.programs[info.Program]; p != nil {
			by := t.held.Links[info.ID]
			p.By.Pins = append(p.By.Pins, by.Pins...)
			p.By.Add(by.Processes...)
		}
		return true
	})
	if err != nil {
		t.note(err)
	}
}

// describe reads what the kernel writes of a link's descriptor: for types that the
// library does not know more of.
func describe(l link.Link) map[string]string {
	fd, ok := l.(interface{ FD() int })
	if !ok {
		return nil
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd.FD()))
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}

// linkOf returns the link of a program of which f holds, or 0.
func (t *taker) linkOf(p cost.Program, f func(*link.Info) bool) link.ID {
	for id, l := range t.links {
		if l.info.Program == p && !l.known && f(l.info) {
			return id
		}
	}
	return 0
}

// restOfLinks notes what links attach to that was not found from its other side.
func (t *taker) restOfLinks() {
	for _, id := range slices.Sorted(maps.Keys(t.links)) {
		l := t.links[id]
		if l.known {
			continue
		}
		a := Attachment{Link: id}
		a.Where, a.How = t.place(l)
		ids := []cost.Program{l.info.Program}
		if l.info.Type == link.StructOpsType {
			ids = t.structOps(l.text["map_id"])
		}
		for _, p := range ids {
			t.add(p, a)
		}
	}
}

// place says in words what a link attaches to.
func (t *taker) place(l linked) (where, how string) {
	switch x := l.info; x.Type {
	case link.XDPType:
		return interfaceOf(x.XDP().Ifindex, hook.XDP), ""
	case link.TCXType:
		h := hook.TCIngress
		if ebpf.AttachType(x.TCX().AttachType) == ebpf.AttachTCXEgress {
			h = hook.TCEgress
		}
		return interfaceOf(x.TCX().Ifindex, h), "tcx"
	case link.NetkitType:
		return fmt.Sprintf("netkit interface %d", x.Netkit().Ifindex), attachName(ebpf.AttachType(x.Netkit().AttachType))
	case link.NetfilterType:
		return netfilterPlace(x.Netfilter())
	case link.CgroupType:
		return fmt.Sprintf("%s of cgroup %d, which is gone or out of reach", attachName(ebpf.AttachType(x.Cgroup().AttachType)), x.Cgroup().CgroupId), ""
	case link.NetNsType:
		return t.netnsPlace(uint64(x.NetNs().NetnsInode), ebpf.AttachType(x.NetNs().AttachType)), ""
	case link.RawTracepointType:
		return "raw tracepoint " + x.RawTracepoint().Name, ""
	case link.TracingType:
		return t.traced(x.Tracing()), ""
	case link.PerfEventType:
		return perfPlace(x.PerfEvent()), ""
	case link.IterType:
		return "iterator of " + l.text["target_name"], ""
	case link.StructOpsType:
		return "struct_ops " + mapName(l.text["map_id"]), ""
	case link.KprobeMultiType:
		return "kprobes of " + l.text["kprobe_cnt"] + " functions", ""
	case link.UprobeMultiType:
		if u := x.UprobeMulti(); u != nil && u.File != "" {
			return "uprobes of " + u.File, ""
		}
	}
	return l.other(), ""
}

// other is all there is to say of a link of another type.
func (l linked) other() string {
	words := []string{l.text["link_type"] + " link"}
	for _, k := range []string{"attach_type", "map_id", "target_name"} {
		if v := l.text[k]; v != "" {
			words = append(words, k+" "+v)
		}
	}
	return strings.Join(words, " ")
}

// interfaceOf is for interfaces that no namespace that can be reached has.
func interfaceOf(ifindex uint32, h hook.Hook) string {
	if ifindex == 0 {
		return fmt.Sprintf("an interface that is gone:%s", h)
	}
	return fmt.Sprintf("interface %d of a network namespace out of reach:%s", ifindex, h)
}

// netfilterPlace cannot name the namespace: the kernel does not tell it of a link.
func netfilterPlace(x *link.NetfilterInfo) (where, how string) {
	hooks := []string{"prerouting", "input", "forward", "output", "postrouting"}
	name := fmt.Sprint(uint32(x.Hook))
	if int(x.Hook) < len(hooks) {
		name = hooks[x.Hook]
	}
	family := map[link.NetfilterProtocolFamily]string{link.NetfilterProtoIPv4: "ipv4", link.NetfilterProtoIPv6: "ipv6"}[x.ProtocolFamily]
	return "@netfilter-" + name + " of a network namespace", fmt.Sprintf("%s, priority %d", family, x.Priority)
}

func perfPlace(x *link.PerfEventInfo) string {
	if x == nil {
		return anyPerfEvent
	}
	switch {
	case x.Tracepoint() != nil:
		return "tracepoint " + x.Tracepoint().Tracepoint
	case x.Kprobe() != nil:
		return "kprobe " + x.Kprobe().Function
	case x.Uprobe() != nil:
		return fmt.Sprintf("uprobe %s+%#x", x.Uprobe().File, x.Uprobe().Offset)
	}
	return anyPerfEvent
}

// traced names the function, the tracepoint or the program of a tracing link.
func (t *taker) traced(x *link.TracingInfo) string {
	kind := attachName(ebpf.AttachType(x.AttachType))
	if p := t.programs[cost.Program(x.TargetObjectId)]; p != nil && ebpf.AttachType(x.AttachType) == ebpf.AttachNone {
		return fmt.Sprintf("function of program %d %q", p.ID, p.Name) // freplace
	}
	name := btfName(btf.ID(x.TargetObjectId), btf.TypeID(x.TargetBtfId))
	if name == "" {
		name = fmt.Sprintf("type %d of BTF object %d", x.TargetBtfId, x.TargetObjectId)
	}
	return kind + " " + strings.TrimPrefix(name, "btf_trace_")
}

// btfName returns the name of a type of a kernel's BTF object, or "".
func btfName(object btf.ID, id btf.TypeID) string {
	h, err := btf.NewHandleFromID(object)
	if err != nil {
		return ""
	}
	defer h.Close()
	spec, err := kernelSpec(h)
	if err != nil {
		return ""
	}
	typ, err := spec.TypeByID(id)
	if err != nil {
		return ""
	}
	return typ.TypeName()
}

func kernelSpec(h *btf.Handle) (*btf.Spec, error) {
	base, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, err
	}
	if info, err := h.Info(); err != nil || info.IsVmlinux() {
		return base, err
	}
	return h.Spec(base)
}
