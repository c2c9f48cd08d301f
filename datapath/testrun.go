package datapath

import (
	"encoding/binary"

	"github.com/cilium/ebpf"

	"weir/hook"
)

// etherSize is the octets of an Ethernet header.
const etherSize = 14

// A TestRun is how a frame is given to a program of a hook by BPF_PROG_TEST_RUN.
// The kernel takes an Ethernet header off a frame before it shows it to programs
// that see packets from the IP header on, and off what it shows a socket, where a
// frame has another one put before it.
type TestRun struct {
	ebpf.RunOptions
	hook  hook.Hook
	frame []byte
}

// NewTestRun prepares a frame; out is room for what the program leaves of it. It
// reports false if the hook never sees such a frame: netfilter and cgroups see IP
// packets, whole up to the end of the fixed header, and no tags.
func NewTestRun(h hook.Hook, frame, out []byte) (*TestRun, bool) {
	r := &TestRun{RunOptions: ebpf.RunOptions{Data: frame, DataOut: out}, hook: h, frame: frame}
	i := h.Info()
	family, isIP := ipFamily(frame)
	switch {
	case !i.Ethernet && !isIP:
		return nil, false
	case h == hook.Socket:
		r.Data = append(make([]byte, etherSize), frame...)
	case h.Netfilter():
		// struct nf_hook_state: a hook, a protocol family, and pointers, which are
		// the kernel's to fill in.
		state := make([]byte, 48)
		state[1] = family
		r.Context, r.DataOut = state, nil
	}
	return r, true
}

// Frame returns the frame as the program left it, after the run.
func (r *TestRun) Frame() []byte {
	if r.hook.Info().Write {
		return r.DataOut
	}
	return r.frame
}

// ipFamily returns NFPROTO_IPV4 or NFPROTO_IPV6 of a frame without tags whose fixed
// IP header is there.
func ipFamily(frame []byte) (family byte, ok bool) {
	if len(frame) < etherSize+20 {
		return 0, false
	}
	version := frame[etherSize] >> 4
	switch typ := binary.BigEndian.Uint16(frame[12:]); {
	case typ == 0x0800 && version == 4:
		return 2, true
	case typ == 0x86dd && version == 6 && len(frame) >= etherSize+40:
		return 10, true
	}
	return 0, false
}
