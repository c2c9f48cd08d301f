package packet

func u(name string, off, bytes int) Field {
	return Field{Name: name, Kind: Uint, Off: off, Bytes: bytes, Bits: 8 * bytes, Scale: 1}
}

func bits(name string, off, bytes, shift, n int) Field {
	return Field{Name: name, Kind: Uint, Off: off, Bytes: bytes, Shift: shift, Bits: n, Scale: 1}
}

func flag(name string, off, bytes, shift int) Field {
	return Field{Name: name, Kind: Flag, Off: off, Bytes: bytes, Shift: shift, Bits: 1, Scale: 1}
}

func addr(name string, k Kind, off, bytes int) Field {
	return Field{Name: name, Kind: k, Off: off, Bytes: bytes, Scale: 1}
}

func virtual(name string, k Kind, n int, readOnly bool) Field {
	return Field{Name: name, Kind: k, Bits: n, Scale: 1, ReadOnly: readOnly, Virtual: true}
}

func (f Field) readOnly() Field { f.ReadOnly = true; return f }
func (f Field) scaled(n int) Field {
	f.Scale = n
	return f
}

// A tag as it lies in the frame after the two octets of its TPID:
//
//	 0                   1
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//	+-----+-+-----------------------+
//	| prio|D|          id           |  IEEE 802.1Q, 9.6
//	+-----+-+-----------------------+
//	|             type              |
//	+-------------------------------+
var tag = []Field{
	bits("prio", 0, 2, 13, 3), flag("dei", 0, 2, 12), bits("id", 0, 2, 0, 12), u("type", 2, 2),
}

// An ICMP header: type, code, checksum, and for echoes id and seq (RFC 792,
// RFC 4443).
var icmp = []Field{u("type", 0, 1), u("code", 1, 1), u("id", 4, 2), u("seq", 6, 2)}

var fields = [numHeaders][]Field{
	Eth:  {addr("dst", MAC, 0, 6), addr("src", MAC, 6, 6), u("type", 12, 2)},
	VLAN: tag, VLAN2: tag,
	// RFC 826, of Ethernet and IPv4 addresses.
	ARP: {
		u("op", 6, 2), addr("sha", MAC, 8, 6), addr("spa", Addr4, 14, 4),
		addr("tha", MAC, 18, 6), addr("tpa", Addr4, 24, 4),
	},
	// RFC 791, section 3.1.
	IP4: {
		bits("ihl", 0, 1, 0, 4).readOnly(),
		bits("dscp", 1, 1, 2, 6), bits("ecn", 1, 1, 0, 2),
		u("len", 2, 2), u("id", 4, 2),
		flag("df", 6, 2, 14), flag("mf", 6, 2, 13), bits("frag_off", 6, 2, 0, 13).scaled(8),
		u("ttl", 8, 1), u("proto", 9, 1),
		addr("src", Addr4, 12, 4), addr("dst", Addr4, 16, 4),
	},
	// RFC 8200, section 3.
	IP6: {
		bits("dscp", 0, 2, 6, 6), bits("ecn", 0, 2, 4, 2), bits("flow", 0, 4, 0, 20),
		u("next", 6, 1), u("hop_limit", 7, 1),
		addr("src", Addr6, 8, 16), addr("dst", Addr6, 24, 16),
	},
	// RFC 8754, section 2; the segments come behind, 16 octets each.
	SRH: {
		u("next", 0, 1), u("segments_left", 3, 1), u("last_entry", 4, 1).readOnly(),
		u("flags", 5, 1), u("tag", 6, 2),
	},
	// RFC 9293, section 3.1; ae by RFC 9768, section 3.1.
	TCP: {
		u("sport", 0, 2), u("dport", 2, 2), u("seq", 4, 4), u("ack", 8, 4),
		bits("doff", 12, 1, 4, 4).readOnly(), flag("ae", 12, 1, 0),
		u("flags", 13, 1),
		flag("cwr", 13, 1, 7), flag("ece", 13, 1, 6), flag("urg", 13, 1, 5), flag("ack_flag", 13, 1, 4),
		flag("psh", 13, 1, 3), flag("rst", 13, 1, 2), flag("syn", 13, 1, 1), flag("fin", 13, 1, 0),
		u("window", 14, 2),
		virtual("mss", Uint, 16, false), // of the option of that name
	},
	// RFC 768.
	UDP: {u("sport", 0, 2), u("dport", 2, 2), u("len", 4, 2)},
	// RFC 9260, section 3.1. Writes would need a CRC32c over the packet.
	SCTP:  {u("sport", 0, 2).readOnly(), u("dport", 2, 2).readOnly(), u("tag", 4, 4).readOnly()},
	ICMP4: icmp, ICMP6: icmp,
	// RFC 2784 and 2890: where key and seq lie is told by the flags.
	GRE: {u("proto", 2, 2), virtual("key", Uint, 32, false), virtual("seq", Uint, 32, false)},
	// RFC 4303, section 2. A check value that only its keeper can compute covers them.
	ESP: {u("spi", 0, 4).readOnly(), u("seq", 4, 4).readOnly()},
	IP: {
		virtual("src", Addr, 0, false), virtual("dst", Addr, 0, false),
		virtual("ttl", Uint, 8, false), virtual("dscp", Uint, 6, false), virtual("ecn", Uint, 2, false),
		virtual("proto", Uint, 8, true), virtual("len", Uint, 17, true), virtual("fragment", Flag, 1, true),
	},
	L4: {u("sport", 0, 2), u("dport", 2, 2)},
}
