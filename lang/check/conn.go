package check

import (
	"cmp"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/hook"
	"weir/lang/diag"
	"weir/lang/value"
	"weir/packet"
)

// What a chain sees at the hooks of connections: conn, which has the addresses of
// a packet and integers of its own. In the tree it is the packet: a program is
// compiled for one hook, which decides what the fields mean.

// A connField is an integer or bool of the connection.
type connField struct {
	typ     value.Type
	process bool // known where the process asks for the connection
}

var connFields = map[string]connField{
	"proto": {typ: value.U8}, "tcp": {typ: value.BoolT}, "udp": {typ: value.BoolT},
	"sport": {typ: value.U16}, "dport": {typ: value.U16},
	"ifindex": {typ: value.U32}, "now": {typ: value.U64},
	"pid": {typ: value.U32, process: true}, "uid": {typ: value.U32, process: true},
	"cgroup": {typ: value.U64, process: true}, "cookie": {typ: value.U64, process: true},
}

// connHeaders are the views of a connection, with the two fields that they have.
var connHeaders = map[string]packet.Header{"ip": packet.IP, "ip4": packet.IP4, "ip6": packet.IP6}

func (i connField) at(h hookInfo) bool { return !i.process || !h.Choose }

// mayRewrite tells which hooks can change where a connection goes.
func mayRewrite(i hookInfo) bool { return i.Conn && !i.Choose }

// hooksWith lists the hooks that can do something: those that take what this one
// takes, if there are any.
func (p *pass) hooksWith(can func(hookInfo) bool) string {
	alike := hooksWith(func(i hookInfo) bool { return can(i) && i.Conn == p.conn() })
	if alike == "" {
		return hooksWith(can)
	}
	return alike
}

// conn reports whether the program is for connections.
func (p *pass) conn() bool { return p.c.conn() }

func (c *checker) conn() bool { return c.b.opts.Hook.Info().Conn }

// subject is what the hook hands to a chain, as chains call it.
func (c *checker) subject() string { return subjectAt(c.b.opts.Hook) }

func subjectAt(h hook.Hook) string {
	if h.Info().Conn {
		return "conn"
	}
	return "pkt"
}

// takes refuses a chain whose parameter says that it is for other hooks.
func (c *checker) takes(f callee) bool {
	name, want := f.def.Params[0].(*syntax.Ident), c.subject()
	if name.Name == want || name.Name != "pkt" && name.Name != "conn" {
		return true
	}
	has := hooksWith(func(i hookInfo) bool { return i.Conn == (name.Name == "conn") })
	c.errorf(posOf(name.NamePos), "hook", "attach the chain at "+has+", or write def "+f.name+"("+want+"):",
		"at %s a chain takes %s, and this one takes %s", c.b.opts.Hook, named[want], named[name.Name])
	return false
}

// ForConn reports whether a chain is for connections: its parameter says so, or, of a
// one-liner, the names in it. What is wrong with the chain does not matter here.
func ForConn(file string, src []byte, opts Options) (conn bool) {
	defer func() {
		if recover() != nil {
			conn = false // the compile will tell
		}
	}()
	b := newBuilder(opts, diag.Source{})
	if f, err := dialect.Parse(file, src, 0); err == nil && opts.Line && mentions(f, "conn") && !mentions(f, "pkt") {
		b.opts.Hook = hook.Connect
	}
	m := b.root(file, src)
	if m == nil {
		return false
	}
	fn, ok := m.globals[cmp.Or(opts.Func, "main")].(*starlark.Function)
	if !ok || fn.NumParams() == 0 {
		return false
	}
	name, _ := fn.Param(0)
	return name == "conn"
}

var the = map[string]string{"pkt": "the packet", "conn": "the connection"}

var named = map[string]string{"pkt": "a packet (pkt)", "conn": "a connection (conn)"}

// connAttr is conn.NAME.
func (p *pass) connAttr(e *syntax.DotExpr) operand {
	name, pos := e.Name.Name, posOf(e.Name.NamePos)
	if f, ok := connFields[name]; ok {
		if !f.at(p.c.b.opts.Hook.Info()) {
			p.errorAt(pos, "hook", "attach the chain at "+hooksWith(func(i hookInfo) bool { return i.Conn && f.at(i) }),
				"conn.%s is not there at %s", name, p.c.b.opts.Hook)
			return operand{}
		}
		return run(&PacketField{Base{f.typ, at(e)}, name, false})
	}
	if h, ok := connHeaders[name]; ok {
		return run(&Header{Base{value.Type{Kind: value.View, Header: h}, at(e)}})
	}
	_, method := spanMethods[name]
	_, field := packetFields[name]
	if packet.Lookup(name) != packet.None || method || field || isMove(name) || name == "payload" {
		p.errorAt(pos, "hook", "attach the chain at "+hooksWith(func(i hookInfo) bool { return !i.Conn })+", where it takes pkt",
			"a connection has no %s: at %s there is no packet", name, p.c.b.opts.Hook)
		return operand{}
	}
	if better := connNames[name]; better != "" {
		p.errorAt(pos, "name", "write "+better, "the connection itself has no %s", name)
		return operand{}
	}
	p.errorAt(pos, "name", didYouMean(name, "conn.", connAttrs()), "the connection has no %s", name)
	return operand{}
}

// connNames are what people look for on the connection itself.
var connNames = map[string]string{
	"src": "conn.ip.src", "dst": "conn.ip.dst", "port": "conn.dport", "address": "conn.ip.dst", "protocol": "conn.proto",
	"user": "conn.uid", "saddr": "conn.ip.src", "daddr": "conn.ip.dst", "src_ip": "conn.ip.src", "dst_ip": "conn.ip.dst",
	"src_port": "conn.sport", "dst_port": "conn.dport", "process": "conn.pid",
}

func connAttrs() []string {
	names := append(sortedKeys(connFields), sortedKeys(connHeaders)...)
	sortBy(names, func(s string) string { return s })
	return names
}

// connView refuses the fields of headers that a connection has not.
func (p *pass) connView(e *syntax.DotExpr, h packet.Header) bool {
	name := e.Name.Name
	if _, ok := h.FieldOf(name); !p.conn() || !ok || name == "src" || name == "dst" {
		return true
	}
	hint := "a connection has the addresses src and dst"
	if name == "proto" {
		hint = "write conn.proto"
	}
	p.errorAt(posOf(e.Name.NamePos), "hook", hint, "%s.%s is of a packet, and at %s there is none", h, name, p.c.b.opts.Hook)
	return false
}

// rewrites reports whether the destination may be written here, and says so if it
// may not.
func (p *pass) rewrites(l *syntax.DotExpr, what string, field bool) bool {
	pos := posOf(l.Name.NamePos)
	switch {
	case !field:
		p.errorAt(pos, "type", "a chain writes where a connection goes: conn.ip4.dst, conn.ip6.dst, conn.ip.dst and conn.dport", "%s can only be read", what)
	case !mayRewrite(p.c.b.opts.Hook.Info()):
		p.errorAt(pos, "hook", "attach the chain at "+hooksWith(mayRewrite), "%s can only be read at %s", what, p.c.b.opts.Hook)
	default:
		return true
	}
	return false
}

// setConn is conn.dport = rhs.
func (p *pass) setConn(l *syntax.DotExpr, rhs syntax.Expr, o operand) {
	name := l.Name.Name
	if p.connAttr(l).bad() || !p.rewrites(l, "conn."+name, name == "dport") {
		return
	}
	if x := p.store(rhs, p.value(rhs, o), connFields[name].typ, "conn."+name); x != nil {
		p.emit(&SetPacket{Pos: at(l), Name: name, X: x})
	}
}

// mayWrite reports whether a header may be written here, and says so if not.
func (p *pass) mayWrite(l *syntax.DotExpr, h packet.Header, f packet.Field) bool {
	info := p.c.b.opts.Hook.Info()
	switch {
	case p.observes(posOf(l.Name.NamePos)):
	case info.Conn:
		return p.rewrites(l, "conn."+h.String()+"."+f.Name, f.Name == "dst")
	case !info.Write:
		p.errorAt(posOf(l.Name.NamePos), "hook", "attach the chain at "+hooksWith(func(i hookInfo) bool { return i.Write }), "headers cannot be written at %s", p.c.b.opts.Hook)
	case f.ReadOnly:
		p.errorAt(posOf(l.Name.NamePos), "type", "changing it would move or break what follows the header", "%s.%s can only be read", h, f.Name)
	default:
		return true
	}
	return false
}

// chooses tells which hooks hand connections to a socket.
func chooses(i hookInfo) bool { return i.Choose }
