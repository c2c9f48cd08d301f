package check

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
	"weir/packet"
)

// What is valid, or nearly so, but not what was meant: a text beside an address,
// a verdict that nobody returns, a number that is a condition of its own.

// noText says what to write instead of a string beside a value of type t. It
// reports whether o is one.
func (p *pass) noText(n syntax.Node, o operand, t value.Type, format string, args ...any) bool {
	s, ok := o.v.(starlark.String)
	if ok {
		p.errorf(n, "type", textHint(string(s), t), format, args...)
	}
	return ok
}

// textHint says what stands for a text where a value of type t is meant.
func textHint(s string, t value.Type) string {
	switch t.Kind {
	case value.IP4, value.IP6, value.IP:
		kind := t.Kind.String()
		if pre, err := netip.ParsePrefix(s); err == nil {
			return fmt.Sprintf("test: addr in prefix%s(%q)", strings.TrimPrefix(kind, "ip"), pre.Masked())
		}
		if a, err := netip.ParseAddr(s); err == nil && (kind == "ip" || a.Is4() == (kind == "ip4")) {
			return fmt.Sprintf("write %s(%q)", kind, s)
		}
		return "write " + example(t)
	case value.MAC:
		if m, err := parseAddr(t, s); err == nil {
			return fmt.Sprintf("write mac(%q)", m.(addrVal).String())
		}
		return "write " + example(t)
	case value.Int:
		if n, err := strconv.ParseUint(s, 0, 64); err == nil {
			return "write the number: " + strconv.FormatUint(n, 10)
		}
		if h, ok := numberNames[strings.ToLower(s)]; ok {
			return h
		}
		return "write the number"
	case value.Bool:
		return "it is True or False: test it alone"
	case value.Span:
		if t.Laid() {
			return "compare one of its fields"
		}
		return fmt.Sprintf("write pkt.payload.startswith(b%q)", clip(s))
	case value.Verdict:
		return "verdicts are names: v == DROP"
	case value.View:
		return "compare one of its fields"
	}
	return "strings are arguments that are known at build time"
}

// numberNames are words for numbers of packets, with what to write.
var numberNames = map[string]string{
	"tcp": "write 6, or test the header: if pkt.tcp:", "udp": "write 17, or test the header: if pkt.udp:",
	"icmp": "write 1, or test the header: if pkt.icmp4:", "icmpv6": "write 58, or test the header: if pkt.icmp6:",
	"sctp": "write 132, or test the header: if pkt.sctp:", "gre": "write the number of its protocol: 47",
	"esp":  "write the number of its protocol: 50",
	"ipv4": "write 0x0800, or test the header: if pkt.ip4:", "ipv6": "write 0x86dd, or test the header: if pkt.ip6:",
	"ip": "write 0x0800, or test the header: if pkt.ip:", "arp": "write 0x0806",
	"vlan": "write 0x8100, or test the header: if pkt.vlan:",
	"ssh":  "write the number of the port: 22", "dns": "write the number of the port: 53", "domain": "write the number of the port: 53",
	"http": "write the number of the port: 80", "https": "write the number of the port: 443", "ntp": "write the number of the port: 123",
	"telnet": "write the number of the port: 23", "smtp": "write the number of the port: 25", "snmp": "write the number of the port: 161",
	"s": "test the flag: if pkt.tcp.syn:", "syn": "test the flag: if pkt.tcp.syn:", "sa": "test the flags: if pkt.tcp.syn and pkt.tcp.ack_flag:",
	"ack": "test the flag: if pkt.tcp.ack_flag:", "rst": "test the flag: if pkt.tcp.rst:", "fin": "test the flag: if pkt.tcp.fin:",
}

// numberPrefixes stand before such words in the headers of C and in Scapy.
var numberPrefixes = []string{"IPPROTO_", "ETH_P_", "ETHERTYPE_", "TH_"}

var cardName = regexp.MustCompile(`^(lo|(eth|ens|eno|enp|wlan|veth|bond|br|tap|tun)[0-9]\w*)$`)

// wordHint knows words that people take for names of the language.
func wordHint(name string) string {
	if cardName.MatchString(name) {
		return fmt.Sprintf("an interface is named by a string: redirect(%q)", name)
	}
	word := name
	for _, p := range numberPrefixes {
		word = strings.TrimPrefix(word, p)
	}
	return numberNames[strings.ToLower(word)]
}

// unusedVerdict warns of a verdict that stands alone: only a return does it.
func (p *pass) unusedVerdict(n syntax.Node, o operand) {
	_, static := o.v.(verdictVal)
	if static || o.x != nil && o.x.Type().Kind == value.Verdict {
		p.warnf(n, "unused", "return it, or leave the line out", "this verdict is not returned, so it does nothing")
	}
}

// loneNumber warns of a number other than 0 in an and or an or: x == 80 or 443.
func (p *pass) loneNumber(side syntax.Expr) {
	lit, ok := unparen(side).(*syntax.Literal)
	if !ok || lit.Token != syntax.INT || lit.Raw == "0" {
		return
	}
	p.warnf(side, "always", fmt.Sprintf("write x in [%s] to compare, or x if x else %s to choose", lit.Raw, lit.Raw),
		"%s stands alone, and is always true", lit.Raw)
}

// ackAsCondition warns of the acknowledgement number in the place of the flag.
func (p *pass) ackAsCondition(n syntax.Node, x Expr) {
	if f, ok := x.(*HeaderField); ok && f.Field.Name == "ack" && f.View.Type().Header == packet.TCP {
		p.warnf(n, "always", "the flag is ack_flag", "tcp.ack is the acknowledgement number, which is hardly ever 0")
	}
}

// neverEqual warns of a field that is compared with what it cannot hold, and of
// an unsigned number that is asked to be below zero.
func (p *pass) neverEqual(n syntax.Node, op Op, a, b Expr) {
	c, ok := b.(*Const)
	if !ok || c.T.Kind != value.Int {
		return
	}
	if f, ok := a.(*HeaderField); ok && (op == Eq || op == Ne) && c.Bits > f.Field.Max() && f.Field.Max() > 0 {
		p.warnf(n, "never", fmt.Sprintf("it holds 0 to %d", f.Field.Max()), "%s.%s is never %s", f.View.Type().Header, f.Field.Name, constInt(c))
	}
	if _, known := a.(*Const); known || a.Type().Kind != value.Int || a.Type().Signed || c.T.Signed || c.Bits != 0 {
		return
	}
	if op == Lt || op == Ge {
		p.warnf(n, "never", "compare before subtracting: a < b; or make it signed: i64(a) - b", "an unsigned number is never below 0")
	}
}

// shadows warns of a local that has the name of a map or a param.
func (p *pass) shadows(id *syntax.Ident) {
	switch v := p.c.globalsOf(p.s.callee)[id.Name].(type) {
	case *paramVal:
		p.warnf(id, "shadow", "use another name; weir set changes a param", "%s is a local here: the param of that name does not change", id.Name)
	case *mapVal:
		p.warnf(id, "shadow", "use another name; an entry is changed with "+id.Name+"[k] = v", "%s is a local here: the %s of that name does not change", id.Name, v.m.Kind)
	}
}

const textIsFixed = "strings are made at build time: names and reasons are fixed, and a table counts by keys: m[k] += 1"

// buildOnly says what to do about a builtin that is for build time.
func buildOnly(name string) string {
	switch name {
	case "str", "format", "join":
		return textIsFixed
	}
	return "call it at the top level of the file, or compute with operators"
}

// noneHint says what to write instead of a comparison with None.
func noneHint(x, y operand) string {
	for _, o := range []operand{x, y} {
		if o.x != nil && o.x.Type().Kind == value.View {
			h := o.x.Type().Header
			return fmt.Sprintf("test it: if pkt.%s:, or if not pkt.%s:", h, h)
		}
	}
	return "test it: if r: for a record's reference, k in m for a key, or compare with 0"
}

// sliceHint says what to write instead of a slice of base.
func sliceHint(base operand) string {
	if base.x != nil && (base.x.Type().Kind == value.Span || base.x.Type().Kind == value.Packet || base.x.Type().Kind == value.Octets) {
		return `take bytes with .bytes(off, n), or compare them with .startswith(b"…")`
	}
	return "slice it at the top level of the file"
}

// indexHint says which indices a list of n elements has.
func indexHint(n int64) string {
	if n == 0 {
		return "it is empty"
	}
	return fmt.Sprintf("indices go from 0 to %d, and from -1 to -%d counted from the end", n-1, n)
}

// fieldHint says what to do about an attribute of what has none.
func fieldHint(t value.Type, name string) string {
	if f, ok := packet.TCP.FieldOf(name); ok && f.Kind == packet.Flag {
		return "flags are fields of the header: pkt.tcp." + name
	}
	if t.Kind == value.Bool {
		return "and, or and not give True or False: x if x else y chooses a value"
	}
	return "only the packet, headers, records and the payload have fields"
}

// afterLoop reports whether the nearest line above that stands as deep as the
// one of the error begins a loop.
func (e *syntaxError) afterLoop() bool {
	depth := func(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }
	here := depth(e.line(e.pos.Line))
	for n := e.pos.Line - 1; n > 0; n-- {
		l := e.line(n)
		if text := strings.TrimSpace(l); text != "" && text[0] != '#' && depth(l) <= here {
			return depth(l) == here && (strings.HasPrefix(text, "for ") || strings.HasPrefix(text, "while "))
		}
	}
	return false
}

// builderKey is under what a thread of build time keeps its builder.
const builderKey = "builder"

const lengthHint = "write the length: prefix4(\"10.0.0.0/8\"), or /32 (/128) for one address"

// lacksLength reports whether x is the text of a network without its length: an
// address that ends in zero is hardly meant to be one host.
func lacksLength(t value.Type, x starlark.Value) bool {
	s, ok := x.(starlark.String)
	if !ok || t.Kind != value.Prefix4 && t.Kind != value.Prefix6 && t.Kind != value.Prefix {
		return false
	}
	a, err := netip.ParseAddr(string(s))
	return err == nil && a.AsSlice()[a.BitLen()/8-1] == 0
}

func lengthMessage(x starlark.Value) string {
	return fmt.Sprintf("%s has no length, so it is one address", x)
}
