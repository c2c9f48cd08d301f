package check

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"weir/lang/value"
)

func (pr *printer) exprs(l []Expr) string {
	s := make([]string, 0, len(l))
	for i, x := range l {
		if i == 16 && len(l) > 20 {
			s = append(s, fmt.Sprintf("… %d more", len(l)-i))
			break
		}
		s = append(s, pr.expr(x))
	}
	return strings.Join(s, ", ")
}

// sign marks the operators of signed integers.
func sign(signed bool) string {
	if signed {
		return "s"
	}
	return ""
}

func (pr *printer) expr(x Expr) string {
	switch x := x.(type) {
	case nil:
		return "nothing"
	case *Const:
		return pr.constText(x)
	case *LocalRef:
		return x.Local.Name
	case *Unary:
		return x.Op.String() + pr.expr(x.X)
	case *Binary:
		return fmt.Sprintf("(%s %s%s %s)", pr.expr(x.X), x.Op, sign(x.T.Signed), pr.expr(x.Y))
	case *MinMax:
		name := "min"
		if x.Max {
			name = "max"
		}
		return fmt.Sprintf("%s%s(%s, %s)", name, sign(x.T.Signed), pr.expr(x.X), pr.expr(x.Y))
	case *Abs:
		return "abs(" + pr.expr(x.X) + ")"
	case *Compare:
		return fmt.Sprintf("(%s %s%s %s)", pr.expr(x.X), x.Op, sign(x.Signed), pr.expr(x.Y))
	case *Logic:
		op := "or"
		if x.And {
			op = "and"
		}
		return fmt.Sprintf("(%s %s %s)", pr.expr(x.X), op, pr.expr(x.Y))
	case *Not:
		return "not " + pr.expr(x.X)
	case *Truth:
		return "truth(" + pr.expr(x.X) + ")"
	case *Choose:
		return fmt.Sprintf("(%s if %s else %s)", pr.expr(x.X), pr.expr(x.Cond), pr.expr(x.Y))
	case *Convert:
		return fmt.Sprintf("%s(%s)", x.T, pr.expr(x.X))
	case *TupleOf:
		return "(" + pr.exprs(x.Elems) + ")"
	case *Words:
		return x.T.String() + "(" + pr.exprs(x.Elems) + ")"
	case *Element:
		return fmt.Sprintf("%s[%d]", pr.expr(x.X), x.Index)
	case *NewRecord:
		var s []string
		for i, f := range x.Fields {
			s = append(s, x.T.Names[i]+" = "+pr.expr(f))
		}
		return "record(" + strings.Join(s, ", ") + ")"
	case *Field:
		return pr.expr(x.Rec) + "." + x.Rec.Type().Names[x.Index]
	case *HeaderField:
		return pr.expr(x.View) + "." + x.Field.Name
	case *Call:
		return pr.name(x.Func) + "(" + pr.exprs(x.Args) + ")"
	}
	return pr.special(x)
}

// subject is the packet, or the one inside.
func subject(inner bool) string {
	if inner {
		return "pkt.inner"
	}
	return "pkt"
}

// special prints what reads the packet, maps and the machine.
func (pr *printer) special(x Expr) string {
	switch x := x.(type) {
	case *PacketField:
		return subject(x.Inner) + "." + x.Name
	case *Inside:
		return subject(true)
	case *Header:
		return subject(x.T.Inner) + "." + x.T.Header.String()
	case *Segment:
		return fmt.Sprintf("%s.segment(%s)", pr.expr(x.View), pr.expr(x.I))
	case *Option:
		return fmt.Sprintf("%s.option(%s)", pr.expr(x.View), pr.expr(x.Kind))
	case *Laid:
		return fmt.Sprintf("%s.view(%s, %s)", pr.from(x.X), x.T, pr.expr(x.Off))
	case *PayloadOf:
		return subject(x.T.Inner) + ".payload"
	case *SpanLen:
		return pr.expr(x.X) + ".len"
	case *Read:
		return fmt.Sprintf("%s.u%d(%s)", pr.from(x.Span), 8*x.Width, pr.expr(x.Off))
	case *StartsWith:
		return fmt.Sprintf("%s.startswith(%q)", pr.expr(x.X), x.Prefix)
	case *BytesAt:
		return fmt.Sprintf("%s.bytes(%s, %d)", pr.from(x.Span), pr.expr(x.Off), x.T.Width)
	case *Octet:
		return fmt.Sprintf("%s[%s]", pr.expr(x.X), pr.expr(x.Index))
	case *Put:
		return fmt.Sprintf("%s.put(%s, %s, %d)", pr.from(x.Span), pr.expr(x.Off), pr.expr(x.X), x.Width)
	case *Mask:
		return fmt.Sprintf("mask(%s, %s, %s)", pr.expr(x.X), pr.expr(x.Bits), pr.expr(x.Bits6))
	case *BitLength:
		return "bit_length(" + pr.expr(x.X) + ")"
	case *TAI:
		return "tai()"
	case *SynCookie:
		return map[bool]string{false: "syncookie(pkt)", true: "syncookie_ok(pkt)"}[x.Check]
	case *OffsetOf:
		return pr.expr(x.X) + ".offset"
	case *Sum:
		return fmt.Sprintf("%s.sum(%s, %s, %s)", pr.from(x.Span), pr.expr(x.Off), pr.expr(x.N), pr.expr(x.Start))
	case *Find:
		return fmt.Sprintf("%s.find(%q, %d)", pr.expr(x.X), x.Pattern, x.Within)
	case *RedirectTo:
		if x.Action == ToGroup {
			return "redirect(" + groupText(x.Name) + ")"
		}
		name := map[Action]string{Redirect: "redirect", RedirectPeer: "redirect_peer", RedirectCPU: "redirect_cpu", ToUser: "to_user"}[x.Action]
		if x.Index == nil {
			return fmt.Sprintf("%s(%q)", name, x.Name)
		}
		return name + "(" + pr.expr(x.Index) + ")"
	case *Move:
		args := slices.DeleteFunc(slices.Clone(x.Args), func(e Expr) bool { return e == nil })
		if x.Tunnel != nil {
			return fmt.Sprintf("packet.encap(%s, %s)", x.Tunnel.Kind, pr.exprs(args))
		}
		return fmt.Sprintf("packet.%s(%s)", x.Op, pr.exprs(args))
	case *CallObject:
		return fmt.Sprintf("%s:%s(%s)", x.Object.File, x.Func.Name, pr.exprs(x.Args))
	case *ParamRef:
		return "param " + x.Param.Name
	case *Lookup:
		return pr.lookup(x)
	case *Contains:
		return fmt.Sprintf("(%s in %s)", pr.expr(x.Key), x.Map.Name)
	case *Enqueue:
		return fmt.Sprintf("%s.push(%s)", x.Map.Name, pr.expr(x.X))
	case *Dequeue:
		return x.Map.Name + ".pop()"
	case *Incr:
		return fmt.Sprintf("%s.incr(%s, %s)", x.Map.Name, pr.expr(x.Key), pr.expr(x.N))
	case *OneOf:
		return fmt.Sprintf("(%s in {%s})", pr.expr(x.X), pr.exprs(x.Values))
	case *InPrefix:
		var s []string
		for _, v := range x.Prefixes {
			a, _ := netip.AddrFromSlice(v.Octets)
			s = append(s, fmt.Sprintf("%s/%d", a, v.Bits))
		}
		return fmt.Sprintf("(%s in {%s})", pr.expr(x.X), strings.Join(s, ", "))
	case *Index:
		return fmt.Sprintf("[%s][%s]", pr.exprs(x.Values), pr.expr(x.X))
	case *Get:
		var kv []string
		for i, k := range x.Keys {
			if i == 16 && len(x.Keys) > 20 {
				kv = append(kv, fmt.Sprintf("… %d more", len(x.Keys)-i))
				break
			}
			kv = append(kv, pr.expr(k)+": "+pr.expr(x.Values[i]))
		}
		s := fmt.Sprintf("{%s}[%s]", strings.Join(kv, ", "), pr.expr(x.X))
		if x.Default != nil {
			s += " or " + pr.expr(x.Default)
		}
		return s
	case *Sample:
		return "sample(" + pr.expr(x.N) + ")"
	case *Rand:
		return "rand()"
	case *CPU:
		return "cpu()"
	case *HashOf:
		return fmt.Sprintf("hash_of(%s, %s)", pr.expr(x.X), pr.expr(x.Seed))
	case *Clone:
		return "clone(" + pr.expr(x.To) + ")"
	case *Matches:
		return fmt.Sprintf("pcap_filter(%q)(pkt)", x.Filter.Text)
	case *Fib:
		return fmt.Sprintf("fib(%s)", pr.exprs(operands(x)))
	case *Interface:
		return fmt.Sprintf("interface(%q)", x.Name)
	}
	return fmt.Sprintf("%T", x)
}

// from is where octets are read or written: a span, or the frame.
func (pr *printer) from(span Expr) string {
	if span == nil {
		return "pkt"
	}
	return pr.expr(span)
}

func (pr *printer) lookup(x *Lookup) string {
	switch {
	case x.Remove:
		return fmt.Sprintf("%s.pop(%s)", x.Map.Name, pr.expr(x.Key))
	case x.Default != nil:
		return fmt.Sprintf("%s.get(%s, %s)", x.Map.Name, pr.expr(x.Key), pr.expr(x.Default))
	}
	return fmt.Sprintf("%s[%s]", x.Map.Name, pr.expr(x.Key))
}

func (pr *printer) constText(c *Const) string {
	switch c.T.Kind {
	case value.Int:
		if c.T.Signed {
			return fmt.Sprintf("%d", int64(c.Bits))
		}
		return fmt.Sprint(c.Bits)
	case value.Bool:
		return boolText(c.Bits != 0)
	case value.Verdict:
		v := pr.p.Verdicts[c.Bits]
		if v.Reason != "" {
			return fmt.Sprintf("drop(%q)", v.Reason)
		}
		return v.Action.String()
	case value.MAC:
		return net.HardwareAddr(c.Octets).String()
	case value.Octets:
		return fmt.Sprintf("b%q", c.Octets)
	}
	a, _ := netip.AddrFromSlice(c.Octets)
	if c.T.Kind == value.IP {
		a = a.Unmap()
	}
	return a.String()
}
