package datapath

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// LookupContext returns the context in which BPF_PROG_TEST_RUN shows a program at
// sk-lookup a connection of a protocol: struct bpf_sk_lookup of linux/bpf.h. Both
// addresses are of one family.
func LookupContext(proto uint8, from, to netip.AddrPort) []byte {
	in := make([]byte, 72)
	put := binary.NativeEndian.PutUint32
	src, dst := from.Addr().As16(), to.Addr().As16()
	if to.Addr().Is4() {
		put(in[8:], unix.AF_INET)
		copy(in[16:20], src[12:])
		copy(in[40:44], dst[12:])
	} else {
		put(in[8:], unix.AF_INET6)
		copy(in[20:36], src[:])
		copy(in[44:60], dst[:])
	}
	put(in[12:], uint32(proto))
	binary.BigEndian.PutUint16(in[36:], from.Port())
	put(in[60:], uint32(to.Port()))
	return in
}
