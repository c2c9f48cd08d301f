// Package hook holds the facts about hooks: their names, what a chain sees and
// may do there, and what the kernel needs to have. It is pure data: whether this
// machine has a hook is found by trying, in package attach.
//
// The model: a [Hook] is a number, and [Hook.Info] all that is known of it. What
// packets pass there is said by its place: of an interface, of a network
// namespace, or of the sockets of a cgroup.
package hook

import (
	"fmt"
	"strings"

	"weir/internal/spell"
)

// A Hook is a place in the kernel where a chain sees packets.
type Hook uint8

// The hooks, in the order in which an incoming packet meets them, and then an
// outgoing one.
const (
	XDP Hook = iota
	Socket
	TCIngress
	NetfilterPrerouting
	NetfilterInput
	CgroupIngress
	NetfilterForward
	NetfilterOutput
	NetfilterPostrouting
	CgroupEgress
	TCEgress
	SkLookup
	Connect
	numHooks
)

// A Place is the kind of thing that a chain is attached to.
type Place uint8

// Places.
const (
	Interface Place = iota
	Netns           // all that passes a network namespace
	Cgroup          // what sockets of the processes of a cgroup send and receive
)

// Info is what is known about a hook.
type Info struct {
	Name     string // as in --on INTERFACE:NAME, or --on @NAME
	Summary  string // one line for people
	Needs    string // kernel that has it
	Place    Place
	Ethernet bool   // pkt.eth and pkt.vlan are there; else packets begin with the IP header
	Write    bool   // fields and payload may be written
	Redirect bool   // TX and redirect
	Move     bool   // push, pop, trim, vlan_push, vlan_pop
	Mark     Access // pkt.mark and pkt.priority
	Hash     Access // pkt.hash
	Keep     bool   // packets can be handed to user space: weir run -w

	RedirectCPU, RedirectPeer bool

	ToUser bool // packets can be handed to AF_XDP sockets

	Clone bool // copies of packets can be sent

	// Conn says that a chain sees no packets but connections: it takes conn. Choose
	// that it may hand them to a listening socket, else it knows the process and
	// may rewrite where they go.
	Conn, Choose bool
}

// Access says what a chain may do with what the kernel keeps beside a packet.
type Access uint8

// Accesses. The zero value is that the kernel does not have it there.
const (
	NoAccess Access = iota
	Read
	ReadWrite
)

var infos = [numHooks]Info{
	XDP: {
		Name: "xdp", Summary: "in the driver, before the kernel has made a socket buffer",
		Needs: "Linux 4.8; multi-buffer frames 5.18", Ethernet: true, Write: true, Redirect: true, Move: true,
		RedirectCPU: true, Keep: true, ToUser: true,
	},
	Socket: {
		Name: "socket", Summary: "a copy of each packet of an interface, for a packet socket: it observes",
		Needs: "Linux 3.19", Ethernet: true, Mark: Read, Hash: Read, Keep: true,
	},
	TCIngress: {
		Name: "tc-ingress", Summary: "traffic control, on the way in",
		Needs: "Linux 6.6 (tcx), 4.5 (clsact)", Ethernet: true, Write: true, Redirect: true, Move: true,
		Mark: ReadWrite, Hash: Read, Keep: true, Clone: true,
		RedirectPeer: true,
	},
	NetfilterPrerouting:  netfilter("prerouting", "IP packets that came in, before the kernel routes them"),
	NetfilterInput:       netfilter("input", "IP packets for this host"),
	CgroupIngress:        cgroup("cgroup-ingress", "IP packets for the sockets of a cgroup"),
	NetfilterForward:     netfilter("forward", "IP packets that are routed on to another host"),
	NetfilterOutput:      netfilter("output", "IP packets of this host, once they are routed"),
	NetfilterPostrouting: netfilter("postrouting", "all IP packets that leave"),
	CgroupEgress:         cgroup("cgroup-egress", "IP packets from the sockets of a cgroup"),
	TCEgress: {
		Name: "tc-egress", Summary: "traffic control, on the way out",
		Needs: "Linux 6.6 (tcx), 4.5 (clsact)", Ethernet: true, Write: true, Redirect: true, Move: true,
		Mark: ReadWrite, Hash: Read, Keep: true, Clone: true,
	},
	SkLookup: {
		Name: "sk-lookup", Summary: "where the kernel looks for the socket that takes a connection or datagram",
		Needs: "Linux 5.9", Place: Netns, Conn: true, Choose: true,
	},
	Connect: {
		Name: "connect", Summary: "where a process of a cgroup connects, or sends a datagram",
		Needs: "Linux 5.8; reject() 5.18", Place: Cgroup, Conn: true,
	},
}

func netfilter(name, summary string) Info {
	return Info{Name: "netfilter-" + name, Summary: summary, Needs: "Linux 6.4", Place: Netns, Mark: Read}
}

func cgroup(name, summary string) Info {
	return Info{Name: name, Summary: summary, Needs: "Linux 5.7", Place: Cgroup, Mark: ReadWrite, Keep: true}
}

// Info returns what is known about h.
func (h Hook) Info() Info { return infos[h] }

// String returns the name of h.
func (h Hook) String() string { return infos[h].Name }

// Netfilter reports whether h is a hook of netfilter.
func (h Hook) Netfilter() bool { return strings.HasPrefix(infos[h].Name, "netfilter-") }

// Shares reports whether one program may be at several interfaces: it sees the number of
// the one that a packet is at.
func (h Hook) Shares() bool { return h == XDP || h == TCIngress || h == TCEgress }

// Context returns the C name of the struct that the kernel gives programs at h.
func (h Hook) Context() string {
	switch {
	case h == SkLookup:
		return "bpf_sk_lookup"
	case h == Connect:
		return "bpf_sock_addr"
	case h == XDP:
		return "xdp_md"
	case h.Netfilter():
		return "bpf_nf_ctx"
	}
	return "__sk_buff"
}

// All returns every hook.
func All() []Hook {
	hs := make([]Hook, numHooks)
	for i := range hs {
		hs[i] = Hook(i)
	}
	return hs
}

// Frames returns the hooks where frames may be changed and sent elsewhere.
func Frames() []Hook { return []Hook{XDP, TCIngress, TCEgress} }

// Names returns the names of all hooks.
func Names() []string {
	var ns []string
	for _, h := range All() {
		ns = append(ns, h.String())
	}
	return ns
}

// Parse returns the hook of that name.
func Parse(name string) (Hook, error) {
	for _, h := range All() {
		if h.String() == name {
			return h, nil
		}
	}
	if near := spell.Nearest(name, Names()); near != "" {
		return 0, fmt.Errorf("no hook is named %q: did you mean %s?", name, near)
	}
	return 0, fmt.Errorf("no hook is named %q (there are %s)", name, strings.Join(Names(), ", "))
}

// Code returns what the kernel is told at h for a verdict: enum xdp_action, TC_ACT_ of
// linux/pkt_cls.h, and 1 or 0 at netfilter and cgroups. A packet socket is told how
// many octets it gets, of which 0 is said here. It reports false if h has no such
// verdict.
func (h Hook) Code(verdict string) (int32, bool) {
	codes := map[string]int32{"PASS": -1, "ACCEPT": 0, "DROP": 2, "TX": 7, "REDIRECT": 7, "REJECT": 7}
	switch {
	case h == Socket:
		codes = map[string]int32{"PASS": 0, "ACCEPT": 0, "DROP": 0}
	case infos[h].Conn:
		codes = map[string]int32{"PASS": 1, "ACCEPT": 1, "SOCKET": 1, "DROP": 0, "REJECT": 0}
	case !infos[h].Ethernet:
		codes = map[string]int32{"PASS": 1, "ACCEPT": 1, "DROP": 0}
	case h == TCEgress:
		codes["TX"] = 0 // the packet is leaving by that interface already
	case h == XDP:
		codes = map[string]int32{"PASS": 2, "ACCEPT": 2, "DROP": 1, "TX": 3, "REDIRECT": 4, "REJECT": 3, "USER": 4}
	}
	c, ok := codes[verdict]
	return c, ok
}
