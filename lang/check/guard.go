package check

import (
	"fmt"
	"slices"
	"strings"

	"weir/hook"
	"weir/lang/diag"
	"weir/packet"
)

type hookInfo = hook.Info

// hooksWith lists the hooks that can do something.
func hooksWith(can func(hookInfo) bool) string {
	return hooksWhere(func(h hook.Hook) bool { return can(h.Info()) })
}

// hooksWhere lists the hooks for which can holds.
func hooksWhere(can func(hook.Hook) bool) string {
	var names []string
	for _, h := range hook.All() {
		if !can(h) {
			continue
		}
		name := h.String()
		if kind, _, ok := strings.Cut(name, "-"); ok && (h.Netfilter() || kind == "cgroup") {
			name = kind + "-*" // they can all do the same
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// warnUnguarded warns of a field read of a header that may not be there.
func (c *checker) warnUnguarded(r reading) {
	h := r.header
	subject, what := c.subject(), "packet without "+headerWord(h)+" header"
	if c.conn() {
		what = "connection that is not of " + map[packet.Header]string{packet.IP4: "IPv4", packet.IP6: "IPv6"}[h]
	}
	if r.inner {
		subject, what = subject+".inner", what+" inside"
	}
	zero := "0"
	if f, ok := h.FieldOf(r.field); ok && f.Kind == packet.Flag {
		zero = "False"
	} else if !ok || f.Kind != packet.Uint {
		zero = "zero"
	}
	message := fmt.Sprintf("%s of a %s reads as %s", r.field, what, zero)
	if r.write {
		message = fmt.Sprintf("writing %s of a %s does nothing", r.field, what)
	}
	c.diags = append(c.diags, diag.Diagnostic{
		Pos: r.pos, Code: "unguarded", Warning: true,
		Message: message,
		Hint:    fmt.Sprintf("test it first: if %s.%s:", subject, h),
	})
}

// headerWord names a header in a sentence.
func headerWord(h packet.Header) string {
	switch h {
	case packet.IP:
		return "an IP"
	case packet.L4:
		return "a TCP, UDP or SCTP"
	case packet.IP4:
		return "an IPv4"
	case packet.IP6:
		return "an IPv6"
	case packet.ICMP4:
		return "an ICMP"
	case packet.ICMP6:
		return "an ICMPv6"
	case packet.SCTP, packet.ARP, packet.SRH, packet.ESP:
		return "an " + strings.ToUpper(h.String())
	case packet.Eth:
		return "an Ethernet"
	case packet.VLAN:
		return "a VLAN"
	case packet.VLAN2:
		return "a second VLAN"
	}
	return "a " + strings.ToUpper(h.String())
}
