package gen

import (
	"testing"

	"weir/lang/ir"
	"weir/lang/opt"
)

// parse builds what a chain that drops UDP to some ports and counts per source
// comes down to: headers with a check each, a lookup, an insert on the cold way.
func parse() *ir.Program {
	hash := &ir.Map{Name: "seen", Kind: ir.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 1024}
	m := xdp(14)
	drop, pass := m.f.NewBlock(), m.f.NewBlock()
	swap := func(v *ir.Value, w int) *ir.Value {
		s := m.i(ir.OpSwap, v)
		s.Width = w
		return s
	}
	when := func(c ir.Cond, x, y *ir.Value, els *ir.Block) {
		then := m.f.NewBlock()
		m.b.If(c, x, y, then, els)
		m.b = then
	}
	need := func(p *ir.Value, n int64) {
		ok := m.f.NewBlock()
		m.b.If(ir.UGt, m.op(ir.OpAdd, ir.Ptr, p, m.c(n)), m.end, pass, ok)
		m.b = ok
	}
	when(ir.Eq, swap(m.load(m.data, 12, 2), 2), m.c(0x0800), pass)
	ip := m.op(ir.OpAdd, ir.Ptr, m.data, m.c(14))
	need(ip, 20)
	ihl := m.i(ir.OpMul, m.i(ir.OpAnd, m.load(ip, 0, 1), m.c(15)), m.c(4))
	when(ir.UGe, ihl, m.c(20), pass)
	when(ir.Eq, m.load(ip, 9, 1), m.c(17), pass)
	l4 := m.op(ir.OpAdd, ir.Ptr, ip, ihl)
	need(l4, 8)
	when(ir.Eq, swap(m.load(l4, 2, 2), 2), m.c(53), pass)
	key := m.newSlot("key", 4)
	key.Align = 4
	m.store(m.slot(key), 0, 4, m.load(ip, 12, 4))
	mp := m.op(ir.OpMapPtr, ir.Ptr)
	mp.Map = hash
	found := m.helper(1, "map_lookup_elem", ir.Ptr, mp, m.slot(key))
	miss := m.f.NewBlock()
	miss.Cold = true
	when(ir.Ne, found, m.c(0), miss)
	add := m.op(ir.OpAtomicAdd, ir.Void, found, m.c(1))
	add.Width = 8
	m.b.Jump(drop)

	m.b = miss
	val := m.newSlot("value", 8)
	m.store(m.slot(val), 0, 8, m.c(1))
	m.helper(2, "map_update_elem", ir.Int, mp, m.slot(key), m.slot(val), m.c(0))
	m.b.Jump(drop)

	m.b = drop
	m.b.Return(m.c(1))
	m.b = pass
	m.b.Return(m.c(2))
	p := program(m.f)
	p.Maps = []*ir.Map{hash}
	return p
}

func TestParse(t *testing.T) {
	pkt := make([]byte, 64)
	copy(pkt[12:], []byte{8, 0, 0x45})
	pkt[23] = 17
	pkt[37] = 53
	for _, optimise := range []bool{false, true} {
		p := parse()
		if optimise {
			opt.Run(p, opt.Options{})
		}
		coll := load(t, p)
		for n := range uint64(3) {
			if got, _, err := coll.Programs["entry"].Test(pkt); err != nil || got != 1 {
				t.Fatalf("verdict %d, %v", got, err)
			}
			var v uint64
			if err := coll.Maps["seen"].Lookup(uint32(0), &v); err != nil || v != n+1 {
				t.Fatalf("count %d, %v", v, err)
			}
		}
	}
	p := parse()
	opt.Run(p, opt.Options{})
	code, _ := Generate(p)
	t.Logf("%s\n%s", p, code)
}
