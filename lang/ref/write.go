package ref

import (
	"encoding/binary"
	"slices"

	"go.starlark.net/syntax"
)

// bits is where a field that can be written lies: width bits, the first of
// which is bit off of its header, most significant first.
type bits struct{ off, width int }

// writable are the fields that a chain may write. ttl, dscp and the like of
// pkt.ip are those of the header that is there, l4's those of tcp and udp.
var writable = map[string]map[string]bits{
	"eth":  {"dst": {0, 48}, "src": {48, 48}, "type": {96, 16}},
	"vlan": {"prio": {0, 3}, "dei": {3, 1}, "id": {4, 12}, "type": {16, 16}},
	"arp":  {"op": {48, 16}, "sha": {64, 48}, "spa": {112, 32}, "tha": {144, 48}, "tpa": {192, 32}},
	"srh":  {"next": {0, 8}, "segments_left": {24, 8}, "flags": {40, 8}, "tag": {48, 16}},
	"gre":  {"proto": {16, 16}},
	"ip4": {"dscp": {8, 6}, "ecn": {14, 2}, "len": {16, 16}, "id": {32, 16}, "df": {49, 1}, "mf": {50, 1},
		"frag_off": {51, 13}, "ttl": {64, 8}, "proto": {72, 8}, "src": {96, 32}, "dst": {128, 32}},
	"ip6": {"dscp": {4, 6}, "ecn": {10, 2}, "flow": {12, 20}, "next": {48, 8}, "hop_limit": {56, 8},
		"src": {64, 128}, "dst": {192, 128}},
	"tcp": {"sport": {0, 16}, "dport": {16, 16}, "seq": {32, 32}, "ack": {64, 32}, "flags": {104, 8},
		"ae": {103, 1}, "cwr": {104, 1}, "ece": {105, 1}, "urg": {106, 1}, "ack_flag": {107, 1}, "psh": {108, 1},
		"rst": {109, 1}, "syn": {110, 1}, "fin": {111, 1}, "window": {112, 16}},
	"udp":  {"sport": {0, 16}, "dport": {16, 16}, "len": {32, 16}},
	"icmp": {"type": {0, 8}, "code": {8, 8}, "id": {32, 16}, "seq": {48, 16}},
}

// checksums are the offsets of the checksum in a header.
var checksums = map[string]int{"ip4": 10, "tcp": 16, "udp": 6, "icmp4": 2, "icmp6": 2}

// set writes a field and mends the checksums that cover it.
func (v *view) set(name string, x value) {
	kind, name := v.resolve(name)
	table := map[string]string{"vlan2": "vlan", "icmp4": "icmp", "icmp6": "icmp"}[kind]
	if table == "" {
		table = kind
	}
	field, ok := writable[table][name]
	if kind == "gre" && (name == "key" || name == "seq") {
		field, ok = bits{0, 32}, true
		if v.ok {
			at := greOffset(v.p.frame[v.off:], name)
			if at == 0 {
				return
			}
			field.off = at * 8
		}
	}
	if kind == "tcp" && name == "mss" {
		at, found := v.mss()
		if v.ok && !found {
			return
		}
		field, ok = bits{at * 8, 16}, true
	}
	if !ok {
		refuse("pkt.%s.%s cannot be written", v.kind, name)
	}
	if a, isAddress := as128(x); isAddress && v.kind == "ip" {
		a4, is4 := ipVal(a).unmapped()
		switch {
		case v.ok && is4 != (kind == "ip4"):
			return // an address of the other family
		case kind == "ip4":
			x = a4
		default:
			x = ip6Val(a)
		}
	}
	if v.kind == "l4" && v.l4kind == "sctp" {
		return // its CRC would not follow
	}
	data := fieldBytes(kind, name, field.width, x)
	if !v.ok {
		return
	}
	v.p.put(kind, name, v.off, field, data)
}

// resolve finds the header that pkt.ip or pkt.l4 stands for, and the field's
// name there.
func (v *view) resolve(name string) (kind, field string) {
	switch {
	case v.kind == "ip" && !slices.Contains([]string{"src", "dst", "ttl", "dscp", "ecn"}, name):
		refuse("pkt.ip.%s cannot be written", name)
	case v.kind == "ip" && v.ok && v.off == v.ip6:
		if name == "ttl" {
			name = "hop_limit"
		}
		return "ip6", name
	case v.kind == "ip":
		return "ip4", name
	case v.kind == "l4" && name != "sport" && name != "dport":
		refuse("pkt.l4.%s cannot be written", name)
	case v.kind == "l4" && v.ok && v.l4kind != "sctp":
		return v.l4kind, name
	case v.kind == "l4":
		return "tcp", name
	}
	return v.kind, name
}

// fieldBytes is a value as a field keeps it: big-endian, the low bits of it in
// the low bits of the last byte.
func fieldBytes(kind, name string, width int, x value) []byte {
	want := ""
	switch {
	case kind == "eth" && name != "type", kind == "arp" && (name == "sha" || name == "tha"):
		want = "mac"
	case kind == "arp" && name != "op":
		want = "ip4"
	case name != "src" && name != "dst":
	default:
		want = kind
	}
	switch a := x.(type) {
	case macVal:
		if want == "mac" {
			return a[:]
		}
	case ip4Val:
		if want == "ip4" {
			return a[:]
		}
	case ip6Val:
		if want == "ip6" {
			return a[:]
		}
	}
	if want != "" {
		refuse("pkt.%s.%s: want %s, not %s", kind, name, want, x.Type())
	}
	n := needNum(x, "pkt."+kind+"."+name)
	if name == "frag_off" {
		n = arithmetic(syntax.SLASHSLASH, n, unsigned(8))
	}
	return binary.BigEndian.AppendUint64(nil, n.bits)[8-(width+7)/8:]
}

// put writes a field's bits into the 16-bit words that hold them, and updates
// each checksum that covers the words.
func (p *packet) put(kind, name string, header int, field bits, data []byte) {
	first, last := field.off/16, (field.off+field.width-1)/16
	start, end := header+first*2, header+last*2+2
	before := slices.Clone(p.frame[start:end])
	after := p.frame[start:end]
	for i := range field.width {
		from := len(data)*8 - field.width + i
		to := field.off - first*16 + i
		setBit(after, to, data[from/8]>>(7-from%8)&1)
	}
	if at, ok := checksums[kind]; ok {
		p.mend(kind, header+at, before, after)
	}
	if kind == "gre" && p.frame[header]&greChecksum != 0 {
		p.mend(kind, header+4, before, after)
	}
	isAddress := name == "src" || name == "dst"
	l := walk(p.frame, true)
	if isAddress && kind != "eth" && slices.Contains([]string{"tcp", "udp", "icmp6"}, l.l4kind) {
		p.mend(l.l4kind, l.l4+checksums[l.l4kind], before, after)
	}
}

func setBit(b []byte, i int, bit byte) {
	shift := 7 - i%8
	b[i/8] = b[i/8]&^(1<<shift) | bit<<shift
}

// mend updates the checksum at at for 16-bit words that changed from m to m':
// HC' = ~(~HC + ~m + m') (RFC 1624 equation 3), all words added, then folded,
// then complemented. A UDP checksum of 0 means that there is none and stays;
// one that becomes 0 is sent as 0xffff (RFC 768).
func (p *packet) mend(kind string, at int, before, after []byte) {
	old := binary.BigEndian.Uint16(p.frame[at:])
	if kind == "udp" && old == 0 {
		return
	}
	sum := uint64(^old)
	for i := 0; i < len(before); i += 2 {
		sum += uint64(^binary.BigEndian.Uint16(before[i:]))
		sum += uint64(binary.BigEndian.Uint16(after[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	changed := ^uint16(sum)
	if kind == "udp" && changed == 0 {
		changed = 0xffff
	}
	binary.BigEndian.PutUint16(p.frame[at:], changed)
}
