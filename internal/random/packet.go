package random

import (
	"fmt"
	"slices"
	"strings"
)

// A field is one of a header's. Width is its bits if it can be written, else 0;
// moves says that writing it may change which headers follow.
type field struct {
	header, name string
	kind         kind
	width        int
	moves        bool
}

func (f field) String() string { return f.header + "." + f.name }

var conditionHeaders = []string{"eth", "vlan", "vlan2", "ip4", "ip6", "ip", "tcp", "udp", "sctp", "l4", "icmp4", "icmp6", "payload",
	"arp", "srh", "gre", "esp"}

// keptHeaders are those that a local can hold: what is read of them is in their
// own bytes, so that it does not matter when they were found.
var keptHeaders = []string{"eth", "vlan", "ip4", "ip6", "tcp", "udp", "icmp4", "icmp6", "arp", "srh", "gre"}

// The type of Ethernet is only read: behind vlan_push the kernel knows two types of tags,
// see the manual.
var fields = slices.Concat(
	[]field{
		{"eth", "src", hardware, 48, false}, {"eth", "dst", hardware, 48, false}, {"eth", "type", unsigned, 0, false},
		{"ip4", "src", addr4, 32, false}, {"ip4", "dst", addr4, 32, false}, {"ip4", "ttl", unsigned, 8, false},
		{"ip4", "proto", unsigned, 8, true}, {"ip4", "dscp", unsigned, 6, false}, {"ip4", "ecn", unsigned, 2, false},
		{"ip4", "len", unsigned, 16, true}, {"ip4", "id", unsigned, 16, false}, {"ip4", "frag_off", unsigned, 16, true},
		{"ip4", "mf", boolean, 1, true}, {"ip4", "df", boolean, 1, false}, {"ip4", "ihl", unsigned, 0, false},
		{"ip6", "src", addr6, 128, false}, {"ip6", "dst", addr6, 128, false}, {"ip6", "next", unsigned, 8, true},
		{"ip6", "hop_limit", unsigned, 8, false}, {"ip6", "dscp", unsigned, 6, false}, {"ip6", "ecn", unsigned, 2, false},
		{"ip6", "flow", unsigned, 20, false},
		{"ip", "src", addr, 128, false}, {"ip", "dst", addr, 128, false}, {"ip", "ttl", unsigned, 8, false},
		{"ip", "dscp", unsigned, 6, false}, {"ip", "ecn", unsigned, 2, false}, {"ip", "proto", unsigned, 0, false},
		{"ip", "len", unsigned, 0, false}, {"ip", "fragment", boolean, 0, false},
		{"tcp", "seq", unsigned, 32, false}, {"tcp", "ack", unsigned, 32, false}, {"tcp", "window", unsigned, 16, false},
		{"tcp", "flags", unsigned, 8, false}, {"tcp", "doff", unsigned, 0, false},
		{"tcp", "mss", unsigned, 16, false},
		{"udp", "len", unsigned, 16, false}, {"sctp", "tag", unsigned, 0, false},
		{"sctp", "sport", unsigned, 0, false}, {"sctp", "dport", unsigned, 0, false},
		{"arp", "op", unsigned, 16, false}, {"arp", "sha", hardware, 48, false}, {"arp", "tha", hardware, 48, false},
		{"arp", "spa", addr4, 32, false}, {"arp", "tpa", addr4, 32, false},
		{"gre", "proto", unsigned, 16, false}, {"gre", "key", unsigned, 32, false}, {"gre", "seq", unsigned, 32, false},
		{"esp", "spi", unsigned, 0, false}, {"esp", "seq", unsigned, 0, false},
		{"srh", "next", unsigned, 8, true}, {"srh", "segments_left", unsigned, 8, false}, {"srh", "last_entry", unsigned, 0, false},
		{"srh", "flags", unsigned, 8, false}, {"srh", "tag", unsigned, 16, false},
	},
	ports("tcp"), ports("udp"), ports("l4"), tagFields("vlan"), tagFields("vlan2"), icmpFields("icmp4"), icmpFields("icmp6"),
	flags("syn", "ack_flag", "fin", "rst", "psh", "urg", "ece", "cwr", "ae"),
)

func ports(h string) []field {
	return []field{{h, "sport", unsigned, 16, false}, {h, "dport", unsigned, 16, false}}
}

func tagFields(h string) []field {
	return []field{{h, "id", unsigned, 12, false}, {h, "prio", unsigned, 3, false}, {h, "dei", boolean, 1, false}, {h, "type", unsigned, 16, true}}
}

func icmpFields(h string) []field {
	return []field{{h, "type", unsigned, 8, false}, {h, "code", unsigned, 8, false}, {h, "id", unsigned, 16, false}, {h, "seq", unsigned, 16, false}}
}

func flags(names ...string) []field {
	var out []field
	for _, n := range names {
		out = append(out, field{"tcp", n, boolean, 1, false})
	}
	return out
}

// field reads one of a kind, of the packet or of a header in a local.
func (g *gen) field(k kind) string {
	var of []field
	for _, f := range fields {
		if f.kind == k && g.sees(f.header) {
			of = append(of, f)
		}
	}
	if name, ok := g.laidField(k); ok && g.one(8) {
		return name
	}
	f := pick(g, of...)
	if g.tunnel && g.one(4) {
		g.use("read inside")
		g.pay(20)
		return "pkt.inner." + f.String()
	}
	g.use("read " + f.String())
	g.pay(8)
	return g.header(f.header) + "." + f.name
}

// inside is the packet inside a tunnel, or a header of it, as a condition.
func (g *gen) inside() string {
	g.pay(20)
	if g.one(4) {
		g.use("condition pkt.inner")
		return "pkt.inner"
	}
	g.use("condition inside")
	return "pkt.inner." + pick(g, conditionHeaders...)
}

// headerOffset grows where a header begins in the frame.
func (g *gen) headerOffset() string {
	g.use("header.offset")
	g.pay(12)
	return g.header(g.anyHeader(conditionHeaders)) + ".offset"
}

// sees reports whether the program may speak of a header.
func (g *gen) sees(header string) bool {
	return !g.reads || header != "eth" && header != "vlan" && header != "vlan2"
}

// anyHeader is one of those that the program may speak of.
func (g *gen) anyHeader(of []string) string {
	h := pick(g, of...)
	for !g.sees(h) {
		h = pick(g, of...)
	}
	return h
}

// header names a header: pkt.tcp, or a local that holds it.
func (g *gen) header(h string) string {
	v, ok := g.local(views, func(v variable) bool { return v.header == h })
	if ok && !g.one(3) {
		g.use("header in local")
		return v.name
	}
	return "pkt." + h
}

// bytes reads some, of the frame or of the payload, at an offset that is known
// or not.
func (g *gen) bytes() string {
	from, name := pick(g, "pkt", "pkt.payload"), ""
	name = from
	if g.one(5) {
		from, name = g.option(), "option"
	}
	if from != "pkt" && g.one(5) {
		g.use(strings.TrimPrefix(name, "pkt.") + ".len")
		return from + ".len"
	}
	width := 8 << g.r.IntN(4)
	g.pay(60)
	off := g.place(from)
	g.use(fmt.Sprintf("%s.u%d", name, width))
	return fmt.Sprintf("%s.u%d(%s)", from, width, off)
}

// place grows an offset into what from names.
func (g *gen) place(from string) string {
	return g.grow(
		rule{3, func() string { return fmt.Sprint(g.r.IntN(80)) }},
		rule{1, func() string { return fmt.Sprint(g.r.IntN(2000)) }},
		rule{2, func() string { return g.offset("%s & 63") }},
		rule{1, func() string { return g.offset("%s & 2047") }},
		rule{1, func() string { return g.offset("%s") }},
		rule{1, func() string { return g.offset(from + ".len - (%s & 15)") }},
		rule{1, func() string { g.use("read at signed offset"); return g.signedLeaf() }},
	)
}

// laidField names a field of the program's own header, laid over the payload or
// over an option, if it has one of a kind.
func (g *gen) laidField(k kind) (string, bool) {
	var of []recordField
	for _, f := range g.laid.fields {
		if f.kind == k {
			of = append(of, f)
		}
	}
	if len(of) == 0 {
		return "", false
	}
	return g.view() + "." + pick(g, of...).name, true
}

// view lays the program's own header over bytes.
func (g *gen) view() string {
	g.pay(60)
	if g.one(6) {
		g.use("option.view")
		return fmt.Sprintf("%s.view(%s)", g.option(), g.laid.name)
	}
	g.use("payload.view")
	return g.grow(
		rule{2, func() string { return fmt.Sprintf("pkt.payload.view(%s)", g.laid.name) }},
		rule{2, func() string { return fmt.Sprintf("pkt.payload.view(%s, off = %d)", g.laid.name, g.r.IntN(24)) }},
		rule{1, func() string {
			return fmt.Sprintf("pkt.payload.view(%s, off = pkt.payload.len - %s.size)", g.laid.name, g.laid.name)
		}},
	)
}

// setLaid writes a field of the program's own header.
func (g *gen) setLaid() {
	g.changes()
	g.pay(200)
	g.use("payload.view field = x")
	f := pick(g, g.laid.fields...)
	g.line("%s.%s = %s", g.view(), f.name, purely(g, func() string { return g.store(f.stored, 1) }))
}

// option grows an option of TCP.
func (g *gen) option() string {
	g.pay(25)
	return fmt.Sprintf("%s.option(%s)", g.header("tcp"), g.grow(
		rule{6, func() string { return fmt.Sprint(pick(g, 2, 3, 4, 5, 8, 254)) }},
		rule{2, func() string { g.use("option of run-time kind"); return g.unsignedLeaf() }},
	))
}

// offset grows an offset at run time from a local, a param or a field.
func (g *gen) offset(form string) string {
	g.use("read at run-time offset")
	v, ok := g.local(unsigned, nil)
	return fmt.Sprintf(form, g.grow(
		rule{when(ok, 3), func() string { return v.String() }},
		rule{1, func() string { return g.field(unsigned) }},
		rule{1, func() string { return g.param(unsigned) }},
	))
}

func (g *gen) startsWith() string {
	g.use("payload.startswith")
	g.pay(12)
	if g.one(4) {
		g.use("option.startswith")
		return fmt.Sprintf("%s.startswith(b%q)", g.option(), pick(g, "\x05\xb4", "\x07", "\x05"))
	}
	return fmt.Sprintf("pkt.payload.startswith(b%q)", pick(g, "GET", "GET / HTTP/1.1", "h", "hi", "POST ", "\x01"))
}

// write grows the assignment of a header field.
func (g *gen) write() {
	if g.one(12) {
		g.setLaid()
		return
	}
	f := pick(g, fields...)
	for f.width == 0 || f.moves && (g.moves == 0 || g.turns*g.copies > 1) {
		f = pick(g, fields...)
	}
	if f.moves {
		g.moves--
		g.pay(400)
	}
	g.use("write " + f.String())
	g.pay(f.cost())
	g.changes()
	target := g.header(f.header) + "." + f.name
	stmt := purely(g, func() string { return g.assignment(f, target) })
	if f.header == "l4" {
		// SCTP has a checksum that no incremental update can follow.
		g.line("if not pkt.sctp:")
		g.indent++
		defer func() { g.indent-- }()
	}
	g.line("%s", stmt)
}

// kindOfSwap is what gen.swap exchanges.
var kindOfSwap = map[string]kind{"eth": hardware, "ip4": addr4, "ip6": addr6, "ip": addr}

// beside names what the kernel keeps beside a packet.
func (g *gen) beside(what string) string {
	name := pick(g, "pkt.mark", "pkt.priority")
	g.use(what + " " + name)
	return name
}

// setBeside writes it.
func (g *gen) setBeside() {
	g.changes()
	g.pay(3)
	target := g.beside("write")
	g.line("%s %s= %s", target, pick(g, "", "+", "^", "|"), purely(g, func() string { return g.varied(1) }))
}

// segment reads an entry of the segment list.
func (g *gen) segment() string {
	g.use("srh.segment(i)")
	g.pay(30)
	h := g.header("srh")
	return fmt.Sprintf("%s.segment(%s)", h, g.grow(
		rule{2, func() string { return fmt.Sprint(g.r.IntN(4)) }},
		rule{2, func() string { return h + ".segments_left" }},
		rule{1, g.unsignedLeaf},
	))
}

// cost is about how many instructions a write needs; that of an address has the
// checksums of all that may stand behind the header.
func (f field) cost() int {
	switch {
	case f.kind == hardware:
		return 30
	case f.header == "arp":
		return 40
	case f.kind == addr4:
		return 300
	case f.kind == addr6:
		return 400
	case f.kind == addr:
		return 600
	case f.header == "ip" || f.header == "l4" || f.header == "vlan" || f.header == "vlan2":
		return 130
	}
	return 75
}

// assignment grows what follows the target of a write.
func (g *gen) assignment(f field, target string) string {
	if f.name == "dei" { // a flag takes an integer, too: its lowest bit
		g.use("int to flag")
		return fmt.Sprintf("%s = (%s + pkt.len)", target, g.expr(f.kind, 1))
	}
	if f.kind != unsigned {
		return fmt.Sprintf("%s = %s", target, g.expr(f.kind, 1))
	}
	switch g.r.IntN(4) {
	case 0:
		return fmt.Sprintf("%s = %d", target, g.r.Uint64N(1<<f.width))
	case 1:
		op := pick(g, "+", "-", "^", "|", "&")
		g.use("augmented header field")
		return fmt.Sprintf("%s %s= %s", target, op, g.varied(0))
	}
	return fmt.Sprintf("%s = %s", target, g.varied(2))
}

// swap exchanges two fields of a header.
func (g *gen) swap() {
	p := pick(g, [3]string{"eth", "src", "dst"}, [3]string{"ip4", "src", "dst"}, [3]string{"ip6", "src", "dst"},
		[3]string{"ip", "src", "dst"}, [3]string{"tcp", "sport", "dport"}, [3]string{"udp", "sport", "dport"})
	g.use("swap " + p[0])
	g.pay(2 * field{header: p[0], kind: kindOfSwap[p[0]]}.cost())
	g.changes()
	h := g.header(p[0])
	g.line("%s.%s, %s.%s = %s.%s, %s.%s", h, p[1], h, p[2], h, p[2], h, p[1])
}
