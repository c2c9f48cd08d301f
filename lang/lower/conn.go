package lower

import (
	"weir/hook"
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
	"weir/packet"
)

// Chains of connections see no packet: what they read lies in the context, which
// is struct bpf_sock_addr at connect and struct bpf_sk_lookup at sk-lookup. A view
// of the addresses has no parts of its own: whether it is there is the family of
// the connection, read again at each use.
//
// At connect the kernel has a program for each family (Options.Family), and lets
// it touch the fields of that family alone. An address of an IPv6 socket that is
// a mapped IPv4 address (RFC 4291, 2.5.5.2) is IPv4 to the chain, as it is to the
// network.

// Fields of struct bpf_sock_addr, bpf_sock and bpf_sk_lookup of linux/bpf.h.
// Addresses are in network order; so is user_port, in its first two octets, and
// remote_port. src_port and local_port are in host order.
const (
	addrIP4, addrIP6, addrPort, addrProto, addrSock           = 4, 8, 24, 36, 64
	sockIfIndex, sockIP4, sockIP6, sockPort, sockState        = 0, 24, 28, 44, 72
	lookupFamily, lookupProto, lookupFrom4, lookupFrom6       = 8, 12, 16, 20
	lookupFromPort, lookupTo4, lookupTo6, lookupTo            = 36, 40, 44, 60
	lookupIfIndex                                             = 64
	familyIP4, familyIP6                                      = 2, 10 // AF_INET, AF_INET6
	protoTCP, protoUDP                                  int64 = 6, 17
)

func (l *lowerer) conn() bool { return l.info.Conn }

// choosing reports whether the program is for sk-lookup.
func (l *lowerer) choosing() bool { return l.opts.Hook == hook.SkLookup }

// connField reads conn.NAME.
func (l *lowerer) connField(name string) *ir.Value {
	switch name {
	case "now":
		return l.now()
	case "tcp":
		return l.cmp(ir.Eq, l.connField("proto"), l.konst(protoTCP))
	case "udp":
		return l.cmp(ir.Eq, l.connField("proto"), l.konst(protoUDP))
	case "pid": // of the process, which the kernel calls the thread group
		return l.opi(ir.OpShr, l.call(helperPID, "get_current_pid_tgid", ir.Int), 32)
	case "uid":
		return l.width(ir.OpZExt, 4, l.call(helperUID, "get_current_uid_gid", ir.Int))
	case "cgroup":
		return l.call(helperCgroup, "get_current_cgroup_id", ir.Int)
	case "cookie":
		return l.call(helperCookie, "get_socket_cookie", ir.Int, l.ctx)
	}
	if l.choosing() {
		return l.lookupField(name)
	}
	switch name {
	case "proto":
		return l.load(4, l.ctx, addrProto)
	case "dport":
		return l.swap(2, l.load(4, l.ctx, addrPort))
	case "sport":
		return l.load(4, l.sock(), sockPort)
	}
	return l.load(4, l.sock(), sockIfIndex)
}

func (l *lowerer) lookupField(name string) *ir.Value {
	switch name {
	case "proto":
		return l.load(4, l.ctx, lookupProto)
	case "dport":
		return l.load(4, l.ctx, lookupTo)
	case "sport":
		return l.swap(2, l.load(2, l.ctx, lookupFromPort))
	}
	return l.load(4, l.ctx, lookupIfIndex)
}

// sock is the socket that connects.
func (l *lowerer) sock() *ir.Value {
	s := l.load(8, l.ctx, addrSock)
	s.Type = ir.Ptr
	return s
}

// isIP4 branches by the family of the connection.
func (l *lowerer) isIP4(then, els *ir.Block) {
	switch {
	case l.choosing():
		l.branch(ir.Eq, l.load(4, l.ctx, lookupFamily), l.konst(familyIP4), then, els)
	case l.opts.Family == 4:
		l.branch(ir.Eq, l.konst(0), l.konst(0), then, els)
	default:
		low := l.block()
		l.branch(ir.Eq, l.load(8, l.ctx, addrIP6), l.konst(0), low, els)
		l.start(low)
		l.branch(ir.Eq, l.load(4, l.ctx, addrIP6+8), l.konst(mappedPrefix), then, els)
	}
}

// connThere branches by whether conn.ip4, conn.ip6 or conn.ip is there.
func (l *lowerer) connThere(h packet.Header, then, els *ir.Block) {
	switch h {
	case packet.IP4:
		l.isIP4(then, els)
	case packet.IP6:
		l.isIP4(els, then)
	default:
		l.branch(ir.Eq, l.konst(0), l.konst(0), then, els)
	}
}

// connAddr reads src or dst of conn.ip4, conn.ip6 or conn.ip.
func (l *lowerer) connAddr(h packet.Header, name string, t value.Type) parts {
	src := name == "src"
	if h == packet.IP {
		return l.choose(t, func(then, els *ir.Block) { l.isIP4(then, els) },
			func() parts { return l.mapped(l.addr4(src)) }, func() parts { return l.addr6(src) })
	}
	return l.choose(t, func(then, els *ir.Block) { l.connThere(h, then, els) }, func() parts {
		if h == packet.IP4 {
			return parts{l.addr4(src)}
		}
		return l.addr6(src)
	}, func() parts { return l.zero(t) })
}

func (l *lowerer) addr4(src bool) *ir.Value {
	switch {
	case l.choosing() && src:
		return l.load(4, l.ctx, lookupFrom4)
	case l.choosing():
		return l.load(4, l.ctx, lookupTo4)
	case src:
		return l.load(4, l.sock(), sockIP4)
	case l.opts.Family == 4:
		return l.load(4, l.ctx, addrIP4)
	}
	return l.load(4, l.ctx, addrIP6+12)
}

func (l *lowerer) addr6(src bool) parts {
	switch {
	case l.choosing() && src:
		return l.words6(l.ctx, lookupFrom6)
	case l.choosing():
		return l.words6(l.ctx, lookupTo6)
	case src:
		return l.words6(l.sock(), sockIP6)
	case l.opts.Family == 4: // which no way leads to
		return l.zero(value.IP6T)
	}
	return parts{l.load(8, l.ctx, addrIP6), l.load(8, l.ctx, addrIP6+8)}
}

// words6 reads an address that the verifier lets nobody read but in words.
func (l *lowerer) words6(p *ir.Value, off int) parts {
	half := func(off int) *ir.Value {
		return l.op(ir.OpOr, l.load(4, p, off), l.opi(ir.OpShl, l.load(4, p, off+4), 32))
	}
	return parts{half(off), half(off + 8)}
}

// setConnAddr is conn.ip4.dst = X and its like. What is not there is not written.
func (l *lowerer) setConnAddr(s *check.SetHeader) {
	h, x := s.View.Type().Header, l.expr(s.X)
	ip4, ip6, done := l.block(), l.block(), l.block()
	l.isIP4(ip4, ip6)
	l.start(ip4)
	switch h {
	case packet.IP4:
		l.putAddr4(x[0])
	case packet.IP:
		l.ifMapped(x, func() { l.putAddr4(l.opi(ir.OpShr, x[1], 32)) }, done)
	}
	l.jump(done)
	l.start(ip6)
	switch h {
	case packet.IP6:
		l.putAddr6(x)
	case packet.IP:
		other := l.block()
		l.unlessMapped(x, other, done)
		l.start(other)
		l.putAddr6(x)
	}
	l.jump(done)
	l.start(done)
}

func (l *lowerer) putAddr4(x *ir.Value) {
	if l.opts.Family == 4 {
		l.putContext(4, addrIP4, x)
		return
	}
	l.putContext(4, addrIP6+12, x)
}

func (l *lowerer) putAddr6(x parts) {
	if l.opts.Family == 6 {
		l.putContext(8, addrIP6, x[0])
		l.putContext(8, addrIP6+8, x[1])
	}
}

// putContext writes a field of the context.
func (b *builder) putContext(w, off int, x *ir.Value) {
	b.store(w, b.ctx, off, x)
	b.cur.Values[len(b.cur.Values)-1].Sym = "ctx" // see gen's stored
}

// toSocket hands the connection to the socket in a slot of the socket map, or, if
// there is none that can take it, to the kernel. What another program has chosen
// stays, as if its verdict had ended the way.
func (e *exitBlock) toSocket(l *lowerer, index *ir.Value, slot func(verdict int) *ir.Value) {
	l.set(e.code, l.konst(l.codes(check.Accept)))
	found, failed, chosen, none := l.block(), l.coldBlock(), l.coldBlock(), l.coldBlock()
	sock := l.lookup(l.maps[SocketMap], l.indexKey(index))
	l.branch(ir.Ne, sock, l.konst(0), found, none)
	l.start(found)
	r := l.call(helperSkAssign, "sk_assign", ir.Int, l.ctx, sock, l.konst(0))
	l.call(helperSkRelease, "sk_release", ir.Int, sock)
	l.branch(ir.Eq, r, l.konst(0), e.blk, failed)
	l.start(failed)
	const exists = -17 // EEXIST of asm-generic/errno-base.h: bpf_sk_lookup_assign
	l.branch(ir.Eq, r, l.konst(exists), chosen, none)
	pass := func(blk *ir.Block, reason string) {
		l.start(blk)
		l.set(e.slot, slot(l.verdictOf(check.Verdict{Action: check.Pass, Reason: reason})))
		l.set(e.target, l.konst(0))
		l.jump(e.blk)
	}
	pass(chosen, check.Chosen)
	pass(none, check.NoSocket)
}

// refuse ends the program with what a closed port would say.
func (e *exitBlock) refuse(l *lowerer) {
	if !l.choosing() {
		const refused = -111 // ECONNREFUSED of asm-generic/errno.h
		l.call(helperSetRetval, "set_retval", ir.Int, l.konst(refused))
	}
	l.set(e.code, l.konst(l.codes(check.Drop)))
	l.jump(e.blk)
}
