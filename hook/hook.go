// Package hook holds the facts about hooks: their names, what a chain sees and
// may do there, and what the kernel needs to have. It is pure data: whether this
// machine has a hook is found by trying, in package attach.
package hook

import (
	"fmt"
	"strings"
)

// A Hook is a place in the kernel where a chain sees packets.
type Hook uint8

// The hooks, in the order in which an incoming packet meets them.
const (
	XDP Hook = iota
	TCIngress
	TCEgress
	numHooks
)

// Info is what is known about a hook.
type Info struct {
	Name     string // as in --on INTERFACE:NAME
	Summary  string // one line for people
	Needs    string // kernel that has it
	Ethernet bool   // pkt.eth and pkt.vlan are there
	Write    bool   // fields and payload may be written
	Redirect bool   // TX and redirect
	Move     bool   // push, pop, trim, vlan_push, vlan_pop
	Mark     Access // pkt.mark and pkt.priority
	Hash     Access // pkt.hash

	RedirectCPU, RedirectPeer bool
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
		RedirectCPU: true,
	},
	TCIngress: {
		Name: "tc-ingress", Summary: "traffic control, on the way in",
		Needs: "Linux 6.6 (tcx), 4.5 (clsact)", Ethernet: true, Write: true, Redirect: true, Move: true,
		Mark: ReadWrite, Hash: Read,
		RedirectPeer: true,
	},
	TCEgress: {
		Name: "tc-egress", Summary: "traffic control, on the way out",
		Needs: "Linux 6.6 (tcx), 4.5 (clsact)", Ethernet: true, Write: true, Redirect: true, Move: true,
		Mark: ReadWrite, Hash: Read,
	},
}

// Info returns what is known about h.
func (h Hook) Info() Info { return infos[h] }

// String returns the name of h.
func (h Hook) String() string { return infos[h].Name }

// All returns every hook.
func All() []Hook {
	hs := make([]Hook, numHooks)
	for i := range hs {
		hs[i] = Hook(i)
	}
	return hs
}

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
	return 0, fmt.Errorf("no hook is named %q (there are %s)", name, strings.Join(Names(), ", "))
}

// Code returns what the kernel is told at h for a verdict: enum xdp_action, and
// TC_ACT_ of linux/pkt_cls.h. It reports false if h has no such verdict.
func (h Hook) Code(verdict string) (int32, bool) {
	codes := map[string]int32{"PASS": -1, "ACCEPT": 0, "DROP": 2, "TX": 7, "REDIRECT": 7, "REJECT": 7}
	switch h {
	case TCEgress:
		codes["TX"] = 0 // the packet is leaving by that interface already
	case XDP:
		codes = map[string]int32{"PASS": 2, "ACCEPT": 2, "DROP": 1, "TX": 3, "REDIRECT": 4, "REJECT": 3}
	}
	c, ok := codes[verdict]
	return c, ok
}
