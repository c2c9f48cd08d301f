package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
)

// A place is where a key leads in a map.
type place struct {
	key   *ir.Value // address of the key
	entry *ir.Value // address of its value, or 0: not there, or expired
}

// key returns the address of a map's key on the stack.
func (l *lowerer) key(m *check.Map, e check.Expr) *ir.Value {
	x := l.expr(e)
	if m.Kind == check.Array {
		return l.indexKey(x[0])
	}
	return l.memory("key", m.Key, x)
}

// find looks a key up.
func (l *lowerer) find(m *check.Map, e check.Expr) place {
	k := l.userMaps[m]
	switch m.Kind {
	case check.Array:
		x := l.expr(e)[0]
		var key *ir.Value
		entry := l.choose1(func(then, els *ir.Block) {
			key = l.indexKey(x)
			l.branch(ir.ULt, x, l.konst(int64(m.Size)), then, els)
		}, func() *ir.Value { return l.lookup(k, key) }, func() *ir.Value { return l.konst(0) })
		l.looked(m, e.Type(), parts{x}, entry)
		return place{key, entry}
	case check.LPM:
		x := l.expr(e)
		pl := l.findPrefix(m, x, e.Type().Kind)
		l.looked(m, e.Type(), x, pl.entry)
		return pl
	}
	x := l.expr(e)
	key := l.memory("key", m.Key, x)
	entry := l.lookup(k, key)
	if m.TTL > 0 {
		entry = l.unlessExpired(m, entry)
	}
	l.looked(m, m.Key, x, entry)
	return place{key, entry}
}

// unlessExpired gives 0 for an entry whose time is over.
func (l *lowerer) unlessExpired(m *check.Map, entry *ir.Value) *ir.Value {
	return l.choose1(func(then, els *ir.Block) {
		there := l.block()
		l.branch(ir.Ne, entry, l.konst(0), there, els)
		l.start(there)
		age := l.op(ir.OpSub, l.now(), l.load(8, entry, timeOffset(m)))
		l.branch(ir.SLt, age, l.konst(int64(m.TTL)), then, els)
	}, func() *ir.Value { return entry }, func() *ir.Value { return l.konst(0) })
}

// findPrefix looks an address up in an lpm. The key of the kernel's trie is a
// prefix length and the address.
func (l *lowerer) findPrefix(m *check.Map, x parts, have value.Kind) place {
	key := l.slot("prefix", (m.Key.Size()+7)&^7, 8)
	look := func() *ir.Value { return l.lookup(l.userMaps[m], key) }
	none := func() *ir.Value { return l.konst(0) }
	put4 := func(a *ir.Value) {
		l.store(4, key, 0, l.konst(32))
		l.store(4, key, 4, a)
	}
	address := func(at int, a parts) {
		for i, half := range a {
			l.store(4, key, at+8*i, half)
			l.store(4, key, at+4+8*i, l.opi(ir.OpShr, half, 32))
		}
	}
	put6 := func(a parts) {
		l.store(4, key, 0, l.konst(128))
		address(4, a)
	}
	either := func(family *ir.Value, a parts) { // see value.PutFamily
		l.store(4, key, 0, l.konst(32+128))
		l.store(4, key, 4, family)
		address(8, a)
	}
	switch {
	case m.Key.Kind == value.Prefix && have == value.IP4:
		either(l.konst(4), l.mapped(x[0]))
	case m.Key.Kind == value.Prefix && have == value.IP6:
		either(l.konst(6), x)
	case m.Key.Kind == value.Prefix:
		either(l.choose1(func(then, els *ir.Block) { l.unlessMapped(x, els, then) },
			func() *ir.Value { return l.konst(4) }, func() *ir.Value { return l.konst(6) }), x)
	case m.Key.Kind == value.Prefix4 && have == value.IP4:
		put4(x[0])
	case m.Key.Kind == value.Prefix6 && have == value.IP6:
		put6(x)
	case m.Key.Kind == value.Prefix4 && have == value.IP:
		return place{key, l.choose1(func(then, els *ir.Block) { l.unlessMapped(x, els, then) },
			func() *ir.Value { put4(l.opi(ir.OpShr, x[1], 32)); return look() }, none)}
	case m.Key.Kind == value.Prefix6 && have == value.IP:
		return place{key, l.choose1(func(then, els *ir.Block) { l.unlessMapped(x, then, els) },
			func() *ir.Value { put6(x); return look() }, none)}
	default: // an address of the other family
		return place{key, none()}
	}
	return place{key, look()}
}

func (l *lowerer) lookupExpr(e *check.Lookup) parts {
	m := e.Map
	pl := l.find(m, e.Key)
	if m.Value.Kind == value.Record {
		if e.Remove {
			return l.popRecord(m, pl)
		}
		t := l.konst(0)
		if m.TTL > 0 {
			t = l.konst(int64(timeOffset(m)))
		}
		return parts{pl.entry, t}
	}
	other := l.orZero(e.Default, e.T) // an argument: it is computed whether or not it is wanted
	return l.choose(e.T, func(then, els *ir.Block) { l.branch(ir.Ne, pl.entry, l.konst(0), then, els) },
		func() parts {
			p := l.loadParts(pl.entry, 0, m.Value)
			if e.Remove {
				l.deleteKey(m, pl.key)
			}
			return p
		}, func() parts { return other })
}

// popRecord removes an entry and gives a copy of it.
func (l *lowerer) popRecord(m *check.Map, pl place) parts {
	own := l.slot("popped", m.Value.Size(), 8)
	p := l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, pl.entry, l.konst(0), then, els) },
		func() *ir.Value {
			l.clear(own, m.Value.Size(), slotAlign(m.Value))
			l.copyRecord(own, 0, m.Value, pl.entry)
			l.deleteKey(m, pl.key)
			return own
		}, func() *ir.Value { return l.konst(0) })
	return parts{p, l.konst(0)}
}

func (l *lowerer) deleteKey(m *check.Map, key *ir.Value) {
	r := l.call(helperDelete, "map_delete_elem", ir.Int, l.mapPtr(l.userMaps[m]), key)
	if m.Kind != check.LRU {
		return
	}
	gone, done := l.block(), l.block()
	l.branch(ir.Eq, r, l.konst(0), gone, done)
	l.start(gone)
	l.bump(l.maps[RefusedMap], l.refused[m], l.konst(-1))
	l.jump(done)
	l.start(done)
}

// valueMemory returns the address of a whole value as the kernel keeps it: see
// the layout at lang.Map.
func (l *lowerer) valueMemory(m *check.Map, p parts) *ir.Value {
	size := valueSize(m)
	s := l.slot("value", (size+7)&^7, 8)
	if padded(m.Value) || m.TTL > 0 && m.Value.Size()%8 != 0 {
		l.clear(s, (size+7)&^7, 8)
	}
	if m.Value.Kind == value.None {
		if m.TTL == 0 {
			l.store(1, s, 0, l.konst(1))
		}
	} else {
		l.storeParts(s, 0, m.Value, p)
	}
	if m.TTL > 0 {
		l.store(8, s, timeOffset(m), l.now())
	}
	return s
}

// setMap lowers m[k] = x, m[k] += x and m.add(k).
func (l *lowerer) setMap(s *check.SetMap) {
	m := s.Map
	if s.Op != check.Set {
		l.incr(m, s.Key, s.Op, s.X)
		return
	}
	var x parts
	if s.X != nil {
		x = l.expr(s.X)
	}
	l.pos = s.Pos
	if m.Kind == check.Bloom {
		l.call(helperPush, "map_push_elem", ir.Int, l.mapPtr(l.userMaps[m]), l.key(m, s.Key), l.konst(0))
		return
	}
	if m.Kind != check.Array && (m.Value.Kind == value.None || len(x) > 1) {
		k := l.expr(s.Key)
		key := l.memory("key", m.Key, k)
		l.stored(m, m.Key, k, x)
		if m.Kind == check.LRU {
			l.putLRU(m, key, x)
			return
		}
		l.insert(m, key, l.valueMemory(m, x), 0)
		return
	}
	// One word is stored in place where the entry is there already.
	pl := l.find(m, s.Key)
	l.became(m, x)
	there, not, done := l.block(), l.block(), l.block()
	l.branch(ir.Ne, pl.entry, l.konst(0), there, not)
	l.start(there)
	l.storeParts(pl.entry, 0, m.Value, x)
	l.touch(m, pl.entry)
	l.jump(done)
	l.start(not)
	if m.Kind != check.Array {
		l.insert(m, pl.key, l.valueMemory(m, x), 0)
	}
	l.jump(done)
	l.start(done)
}

// touch notes that an entry has been written now.
func (l *lowerer) touch(m *check.Map, entry *ir.Value) {
	if m.TTL > 0 {
		l.store(8, entry, timeOffset(m), l.now())
	}
}

// insert updates an entry as a whole. What a full table refuses is counted; an
// expiring one is swept first.
func (l *lowerer) insert(m *check.Map, key, val *ir.Value, flags int64) *ir.Value {
	if m.Kind == check.LRU {
		return l.insertLRU(m, key, val, flags)
	}
	put := func() *ir.Value { return l.put(m, key, val, flags) }
	result := l.newVar()
	first := put()
	l.set(result, first)
	failed, done := l.coldBlock(), l.block()
	l.branch(ir.Ne, first, l.konst(0), failed, done)
	l.chilled(func() {
		l.start(failed)
		if flags == flagNoExist {
			other := l.block()
			l.branch(ir.Eq, first, l.konst(errExist), done, other)
			l.start(other)
		}
		refused := l.block()
		if l.userMaps[m].Kind == ir.Hash && m.TTL > 0 {
			swept := l.block()
			l.branch(ir.Ne, l.callFunc(l.sweep(m), l.now()), l.konst(0), swept, refused)
			l.start(swept)
			again := put()
			l.set(result, again)
			l.branch(ir.Eq, again, l.konst(0), done, refused)
		} else {
			l.jump(refused)
		}
		l.start(refused)
		l.bump(l.maps[RefusedMap], l.refused[m], l.konst(1))
		l.jump(done)
	})
	l.start(done)
	return l.get(result)
}

func (l *lowerer) put(m *check.Map, key, val *ir.Value, flags int64) *ir.Value {
	return l.call(helperUpdate, "map_update_elem", ir.Int, l.mapPtr(l.userMaps[m]), key, val, l.konst(flags))
}

// putLRU sets an entry as a whole that may be there already. A key of a set is
// not written again: the kernel would look for room first.
func (l *lowerer) putLRU(m *check.Map, key *ir.Value, x parts) {
	there, not, done := l.block(), l.block(), l.block()
	l.branch(ir.Ne, l.lookup(l.userMaps[m], key), l.konst(0), there, not)
	l.start(there)
	if m.Value.Kind != value.None || m.TTL > 0 {
		l.put(m, key, l.valueMemory(m, x), 0)
	}
	l.jump(done)
	l.start(not)
	l.insertLRU(m, key, l.valueMemory(m, x), 0)
	l.jump(done)
	l.start(done)
}

// insertLRU inserts a key that was not there and counts it: what has come in,
// less what was removed and what is there, has been forgotten. Without
// flagNoExist a key that is there after all, expired or put by another CPU, is
// replaced.
func (l *lowerer) insertLRU(m *check.Map, key, val *ir.Value, flags int64) *ir.Value {
	result, done := l.newVar(), l.block()
	first := l.put(m, key, val, flagNoExist)
	l.set(result, first)
	exists, fresh := l.coldBlock(), l.block()
	l.branch(ir.Eq, first, l.konst(errExist), exists, fresh)
	l.start(fresh)
	l.bump(l.maps[RefusedMap], l.refused[m], l.konst(1))
	l.jump(done)
	l.chilled(func() {
		l.start(exists)
		if flags != flagNoExist {
			l.set(result, l.put(m, key, val, flags))
		}
		l.jump(done)
	})
	l.start(done)
	return l.get(result)
}

// incr adds to (or ors into, …) an entry, which starts from zero, and gives the
// new value.
func (l *lowerer) incr(m *check.Map, keyExpr check.Expr, op check.Update, by check.Expr) *ir.Value {
	n := l.expr(by)[0]
	pl := l.find(m, keyExpr)
	t := m.Value
	result, done := l.newVar(), l.block()
	there, not := l.block(), l.block()
	l.branch(ir.Ne, pl.entry, l.konst(0), there, not)
	l.start(there)
	l.set(result, l.update(pl.entry, 0, t, op, n, updating{want: true, own: m.PerCPU}))
	l.touch(m, pl.entry)
	l.jump(done)
	l.start(not)
	first := l.fit(t, l.apply(op, l.konst(0), n))
	l.set(result, first)
	if m.Kind != check.Array {
		flags := int64(flagNoExist)
		if m.TTL > 0 {
			flags = 0 // what has expired is replaced
		}
		r := l.insert(m, pl.key, l.valueMemory(m, parts{first}), flags)
		if flags == flagNoExist && !m.PerCPU { // no other CPU makes this one's value
			l.raced(m, pl.key, r, op, n, result)
		}
	}
	l.jump(done)
	l.start(done)
	if op == check.AddTo || op == check.SubFrom || m.PerCPU { // of other operators only the memory has the result
		l.became(m, parts{l.get(result)})
	}
	return l.get(result)
}

// raced updates an entry that another CPU has made in the meantime.
func (l *lowerer) raced(m *check.Map, key, r *ir.Value, op check.Update, n *ir.Value, result variable) {
	exists, there, done := l.coldBlock(), l.coldBlock(), l.block()
	l.branch(ir.Eq, r, l.konst(errExist), exists, done)
	l.start(exists)
	entry := l.lookup(l.userMaps[m], key)
	l.branch(ir.Ne, entry, l.konst(0), there, done)
	l.start(there)
	l.set(result, l.update(entry, 0, m.Value, op, n, updating{want: true}))
	l.jump(done)
	l.start(done)
}

// fit gives what a field of type t holds after x has been stored in it.
func (l *lowerer) fit(t value.Type, x *ir.Value) *ir.Value {
	switch {
	case t.Width == 8 || t.Kind != value.Int:
		return x
	case t.Signed:
		return l.width(ir.OpSExt, t.Width, x)
	}
	return l.width(ir.OpZExt, t.Width, x)
}

func (l *lowerer) apply(op check.Update, x, n *ir.Value) *ir.Value {
	ops := [...]ir.Op{check.AddTo: ir.OpAdd, check.SubFrom: ir.OpSub, check.OrInto: ir.OpOr, check.AndInto: ir.OpAnd, check.XorInto: ir.OpXor}
	return l.op(ops[op], x, n)
}

// updating says how an integer in memory is changed.
type updating struct {
	want bool // the new value is wanted, if it can be had for nothing
	own  bool // no other CPU sees the memory
}

// update changes an integer in memory in place and gives the new value if it is
// wanted. On 4 or 8 octets that other CPUs see it does so atomically.
func (l *lowerer) update(p *ir.Value, off int, t value.Type, op check.Update, n *ir.Value, how updating) *ir.Value {
	if how.own || t.Kind != value.Int || t.Width < 4 || t.Big {
		x := l.fit(t, l.apply(op, l.loadParts(p, off, t)[0], n))
		l.storeParts(p, off, t, parts{x})
		return x
	}
	if op == check.SubFrom {
		op, n = check.AddTo, l.add(ir.OpNeg, ir.Int, n)
	}
	code := [...]ir.Op{check.AddTo: ir.OpAtomicAdd, check.OrInto: ir.OpAtomicOr, check.AndInto: ir.OpAtomicAnd, check.XorInto: ir.OpAtomicXor}[op]
	if how.want && op == check.AddTo {
		v := l.add(ir.OpFetchAdd, ir.Int, p, n)
		v.Width, v.Off = t.Width, off
		return l.fit(t, l.op(ir.OpAdd, v, n))
	}
	v := l.add(code, ir.Void, p, n)
	v.Width, v.Off = t.Width, off
	return l.konst(0)
}
