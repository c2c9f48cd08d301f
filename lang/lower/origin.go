package lower

import "weir/lang/ir"

// A chain at connect that changes where a connection goes hides that from the
// process: what answers seems to be what was asked. At the end of the chain the
// address before is put down under the socket and the address after; the programs
// of [Reverse], which the kernel runs where it tells a process of its peer, look
// there.
//
//	key of OriginMap                          value
//	 0  cookie of the socket                   0  address before (IPv4 as mapped)
//	 8  address after (IPv4 as mapped)        16  port before, in network order
//	24  port after, in network order
const (
	originKey, originValue     = 32, 24
	originSize                 = 65536 // the oldest are forgotten: of them the process learns the true peer
	keyCookie, keyAddr, keyDst = 0, 8, 24
	valAddr, valPort           = 0, 16
)

// An origin is where a connection was to go before the chain changed it.
type origin struct{ hi, lo, port variable }

// needOrigin notes where the connection goes, before the chain runs.
func (l *lowerer) needOrigin() {
	if !l.needs.rewrites {
		return
	}
	l.addMap(&ir.Map{Name: OriginMap, Kind: ir.LRUHash, KeySize: originKey, ValueSize: originValue, MaxEntries: originSize})
	l.origin = origin{l.newVar(), l.newVar(), l.newVar()}
	addr, port := l.goal(l.opts.Family)
	l.set(l.origin.hi, addr[0])
	l.set(l.origin.lo, addr[1])
	l.set(l.origin.port, port)
}

// goal is where the connection goes now: address, IPv4 as mapped, and port.
func (b *builder) goal(family int) (addr parts, port *ir.Value) {
	port = b.load(4, b.ctx, addrPort)
	if family == 4 {
		return b.mapped(b.load(4, b.ctx, addrIP4)), port
	}
	return parts{b.load(8, b.ctx, addrIP6), b.load(8, b.ctx, addrIP6+8)}, port
}

// originKeyOf is the key of a connection, on the stack.
func (b *builder) originKeyOf(addr parts, port *ir.Value) *ir.Value {
	k := b.slot("origin", originKey, 8)
	b.store(8, k, keyCookie, b.call(helperCookie, "get_socket_cookie", ir.Int, b.ctx))
	b.store(8, k, keyAddr, addr[0])
	b.store(8, k, keyAddr+8, addr[1])
	b.store(8, k, keyDst, port)
	return k
}

// keepOrigin puts down what the chain has changed, where the connection goes on.
// What it has left takes back what an earlier run put down: a datagram sent to
// the true address is answered by the true address. But for a socket that is
// connected: the kernel asks about its datagrams, too, where an IPv6 socket is
// connected to an IPv4 address, and then it is the true address that they go to.
func (l *lowerer) keepOrigin(code *ir.Value) {
	if !l.needs.rewrites {
		return
	}
	hi, lo, port := l.get(l.origin.hi), l.get(l.origin.lo), l.get(l.origin.port)
	on, changed, left, same, done := l.block(), l.block(), l.block(), l.block(), l.block()
	l.branch(ir.Ne, code, l.konst(0), on, done)
	l.start(on)
	addr, to := l.goal(l.opts.Family)
	key := l.originKeyOf(addr, to)
	diff := l.op(ir.OpOr, l.op(ir.OpXor, hi, addr[0]), l.op(ir.OpXor, lo, addr[1]))
	l.branch(ir.Ne, l.op(ir.OpOr, diff, l.op(ir.OpXor, port, to)), l.konst(0), changed, left)
	l.start(changed)
	v := l.slot("before", originValue, 8)
	l.store(8, v, valAddr, hi)
	l.store(8, v, valAddr+8, lo)
	l.store(8, v, valPort, port)
	l.call(helperUpdate, "map_update_elem", ir.Int, l.mapPtr(l.maps[OriginMap]), key, v, l.konst(0))
	l.jump(done)
	l.start(left)
	const connected = 1 // TCP_ESTABLISHED
	l.branch(ir.Eq, l.load(4, l.sock(), sockState), l.konst(connected), done, same)
	l.start(same)
	l.call(helperDelete, "map_delete_elem", ir.Int, l.mapPtr(l.maps[OriginMap]), key)
	l.jump(done)
	l.start(done)
}

// Reverse returns the program of a family that tells a process of the peer that it
// asked for, in the place of the one that answered. r is the chain's.
func Reverse(r *Result, family int) *ir.Program {
	f := ir.NewFunc("weir_peer", ir.Entry, 1)
	f.Context = "bpf_sock_addr"
	f.Pos = r.IR.Funcs[0].Pos
	b := newBuilder(f)
	b.ctx = b.add(ir.OpParam, ir.Ptr)
	origins := r.IR.Map(OriginMap)
	found, done := b.block(), b.block()
	addr, port := b.goal(family)
	m := b.add(ir.OpMapPtr, ir.Ptr)
	m.Map = origins
	p := b.call(helperLookup, "map_lookup_elem", ir.Ptr, m, b.originKeyOf(addr, port))
	b.branch(ir.Ne, p, b.konst(0), found, done)
	b.start(found)
	hi, lo := b.load(8, p, valAddr), b.load(8, p, valAddr+8)
	b.putContext(4, addrPort, b.load(8, p, valPort))
	if family == 4 {
		b.putContext(4, addrIP4, b.opi(ir.OpShr, lo, 32))
	} else {
		b.putContext(8, addrIP6, hi)
		b.putContext(8, addrIP6+8, lo)
	}
	b.jump(done)
	b.start(done)
	b.cur.Return(b.konst(1))
	tidy(f)
	return &ir.Program{Funcs: []*ir.Func{f}, Maps: []*ir.Map{origins}}
}
