package ref

import (
	"net/netip"

	"go.starlark.net/starlark"
)

// A Conn is a connection, or a datagram of a socket without one, as a chain at
// connect or sk-lookup sees it. Src and Dst are of one family; an IPv4 address of
// an IPv6 socket may be in its mapped form, and means the same.
type Conn struct {
	Proto            uint8 // 6 is TCP, 17 UDP
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	IfIndex          uint32
	PID, UID         uint32
	Cgroup, Cookie   uint64
	NoSocket         bool // none that to_socket() names can take it
}

// connection is a Conn while a chain looks at it.
type connection struct {
	opaque
	Conn
	e *evaluator
}

func (c *connection) String() string { return "conn" }
func (c *connection) Type() string   { return "connection" }

// connAddrs is conn.ip4, conn.ip6 or conn.ip, there (ok) or not.
type connAddrs struct {
	opaque
	c    *connection
	kind string
}

func (v *connAddrs) String() string { return v.kind }
func (v *connAddrs) Type() string   { return "header" }

func (v *connAddrs) there() bool {
	is4 := v.c.Dst.Unmap().Is4()
	return v.kind == "ip" || is4 == (v.kind == "ip4")
}

// attr is conn.name.
func (c *connection) attr(name string) value {
	switch name {
	case "ip", "ip4", "ip6":
		return &connAddrs{c: c, kind: name}
	case "proto":
		return unsigned(uint64(c.Proto))
	case "tcp":
		return starlark.Bool(c.Proto == 6)
	case "udp":
		return starlark.Bool(c.Proto == 17)
	case "sport":
		return unsigned(uint64(c.SrcPort))
	case "dport":
		return unsigned(uint64(c.DstPort))
	case "ifindex":
		return unsigned(uint64(c.IfIndex))
	case "now":
		return unsigned(c.e.now())
	}
	if c.e.opts.Hook == "connect" {
		switch name {
		case "pid":
			return unsigned(uint64(c.PID))
		case "uid":
			return unsigned(uint64(c.UID))
		case "cgroup":
			return unsigned(c.Cgroup)
		case "cookie":
			return unsigned(c.Cookie)
		}
	}
	refuse("conn.%s is not there at %s", name, c.e.opts.Hook)
	return nil
}

// set is conn.name = v.
func (c *connection) set(name string, v value) {
	if name != "dport" || c.e.opts.Hook != "connect" {
		refuse("conn.%s cannot be written at %s", name, c.e.opts.Hook)
	}
	c.DstPort = uint16(needNum(v, "conn.dport").bits)
}

// attr is conn.ip4.name.
func (v *connAddrs) attr(name string) value {
	a := v.c.Dst
	switch name {
	case "dst":
	case "src":
		a = v.c.Src
		if v.c.Dst.Unmap().Is4() && !a.Unmap().Is4() { // :: of a socket that is not bound
			a = netip.IPv4Unspecified()
		}
	default:
		refuse("conn.%s has no %s", v.kind, name)
	}
	switch {
	case v.kind == "ip4" && !v.there():
		return ip4Val{}
	case v.kind == "ip4":
		return ip4Val(a.Unmap().As4())
	case v.kind == "ip6" && !v.there():
		return ip6Val{}
	case v.kind == "ip6":
		return ip6Val(a.As16())
	}
	return ipVal(a.As16())
}

// set is conn.ip4.name = x. An address of the other family is not written.
func (v *connAddrs) set(name string, x value) {
	if name != "dst" || v.c.e.opts.Hook != "connect" {
		refuse("conn.%s.%s cannot be written at %s", v.kind, name, v.c.e.opts.Hook)
	}
	if want := v.kind; x.Type() != want && !(want == "ip" && (x.Type() == "ip4" || x.Type() == "ip6")) {
		refuse("conn.%s.dst: want %s, not %s", v.kind, want, x.Type())
	}
	b, _ := as128(x)
	to := netip.AddrFrom16(b)
	switch {
	case !v.there(), v.kind == "ip" && to.Is4In6() != v.c.Dst.Unmap().Is4():
	case v.c.Dst.Is4():
		v.c.Dst = to.Unmap()
	default:
		v.c.Dst = to
	}
}

// RunConn runs the chain on a connection. Of the result, what is of packets is
// zero. The second is the connection as the chain left it.
func (c *Chain) RunConn(conn Conn) (Result, Conn, error) {
	subject := &connection{Conn: conn, e: c.e}
	res, err := c.run(subject)
	return res, subject.Conn, err
}
