package twins

import (
	"github.com/cilium/ebpf"

	"weir/hook"
)

// One and the same small filter at every hook: chains/dns.weir, and places/dns.c.
// Its twin has one version of the instruction set, the one of all kernels that have
// the hooks.

// dnsPort is where the filter's packets go that it drops.
const dnsPort = 53

// Drop is the filter with packets that it drops, Pass with others.
func Drop() Twin { return atPlaces("drop", dnsPort) }

// Pass is the filter with packets that it lets pass.
func Pass() Twin { return atPlaces("pass", 443) }

func atPlaces(title string, port uint16) Twin {
	return Twin{Name: "dns", Title: title, versions: Versions()[:1], timed: func(t *traffic) [][]byte {
		return each(func(int) datagram { return t.any(protoUDP, port) })
	}}
}

// Filter returns the source of the filter.
func Filter() ([]byte, error) { return files.ReadFile("chains/dns.weir") }

// A kind is what programs of a hook are to the kernel, and where their context
// has the bounds of what they may write.
type kind struct {
	typ       ebpf.ProgramType
	at        ebpf.AttachType
	object    string // in the names of objects
	data, end int16  // struct xdp_md or __sk_buff; 0, 0: nothing may be written
}

func kindOf(h hook.Hook) kind {
	switch {
	case h == hook.XDP:
		return kind{typ: ebpf.XDP, object: "xdp", data: 0, end: 4}
	case h == hook.Socket:
		return kind{typ: ebpf.SocketFilter, object: "socket"}
	case h == hook.CgroupIngress:
		return kind{typ: ebpf.CGroupSKB, at: ebpf.AttachCGroupInetIngress, object: "cgroup"}
	case h == hook.CgroupEgress:
		return kind{typ: ebpf.CGroupSKB, at: ebpf.AttachCGroupInetEgress, object: "cgroup"}
	case h.Netfilter():
		return kind{typ: ebpf.Netfilter, at: ebpf.AttachNetfilter, object: "netfilter"}
	}
	return kind{typ: ebpf.SchedCLS, object: "tc", data: 76, end: 80}
}
