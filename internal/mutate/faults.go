package main

import (
	"fmt"
	"strings"
)

// A fault is a mistake that somebody could make.
type fault struct {
	name     string
	file     string // from the module's root
	old, new string // old is there exactly once
	probes   []probe
}

// all is the probes of f, and then the wide ones that are not among them.
func (f fault) all() []probe {
	list := f.probes
	for _, w := range wide {
		known := false
		for _, p := range f.probes {
			known = known || p.name == w.name
		}
		if !known {
			list = append(list[:len(list):len(list)], w)
		}
	}
	return list
}

// plant returns src with the fault in it.
func (f fault) plant(src string) (string, error) {
	if n := strings.Count(src, f.old); n != 1 {
		return "", fmt.Errorf("%s has the text %q %d times, not once: bring the list of faults up to date", f.file, f.old, n)
	}
	return strings.Replace(src, f.old, f.new, 1), nil
}

func only(p ...probe) []probe { return p }

var faults = []fault{
	// The table of headers.
	{"field at a wrong offset", "packet/fields.go", `u("window", 14, 2)`, `u("window", 16, 2)`, only(corpus("tcp"))},
	{"field a bit too narrow", "packet/fields.go", `bits("dscp", 1, 1, 2, 6)`, `bits("dscp", 1, 1, 2, 5)`, only(corpus("ip4"))},
	{"wrong flag", "packet/fields.go", `flag("syn", 13, 1, 1)`, `flag("syn", 13, 1, 2)`, only(corpus("tcp"))},
	{"wrong scale", "packet/fields.go", `.scaled(8)`, `.scaled(4)`, only(corpus("fragments"))},
	{"wrong size of a header", "packet/packet.go", `UDP: 8, SCTP: 12`, `UDP: 8, SCTP: 8`, only(corpus("l4"))},

	// What is checked, and computed, before packets come.
	{"quotient of constants rounded to zero", "lang/check/fold.go",
		`a%b != 0 && (a < 0) != (b < 0)`, `a%b != 0 && a < 0 && b < 0`, only(corpus("arith"))},
	{"constants compared without a sign", "lang/check/fold.go",
		`less = int64(x.Bits) < int64(y.Bits)`, `less = x.Bits < y.Bits`, only(corpus("compare"))},
	{"one signed side taken for none", "lang/check/fold.go",
		"signed := a.Type().Signed || b.Type().Signed\n\tx, ok := a.(*Const)",
		"signed := a.Type().Signed && b.Type().Signed\n\tx, ok := a.(*Const)", only(corpus("compare"))},
	{"loop one turn short", "lang/check/range.go",
		`return turns(a.lo, b.hi, r.step)`, `return turns(a.lo, b.hi-1, r.step)`, only(corpus("loops"))},
	{"not in taken for in", "lang/check/binary.go",
		`return run(&Not{Base{value.BoolT, at(e)}, o.x})`, `return run(o.x)`, only(corpus("lists"))},

	// What chains become.
	{"bounds check off by one", "lang/lower/read.go",
		`l.branch(ir.ULe, l.opi(ir.OpAdd, p, int64(w)), end, yes, no)`,
		`l.branch(ir.ULt, l.opi(ir.OpAdd, p, int64(w)), end, yes, no)`, only(corpus("raw"))},
	{"dropped check of the payload's end", "lang/lower/octets.go",
		`l.fits(l.op(ir.OpSub, s[1], s[0]), off, n, then, els)`, `l.branch(ir.Eq, off, off, then, els)`, only(corpus("payload"))},
	{"byte order missing", "lang/lower/read.go",
		`return l.swap(2, l.load(2, p4, 2))`, `return l.load(2, p4, 2)`, only(corpus("payload"))},
	{"absent tag not zero", "lang/lower/ipfield.go",
		"return l.extract(unit, f)\n\t\t}, zero)", "return l.extract(unit, f)\n\t\t}, func() *ir.Value { zero(); return l.konst(1) })", only(corpus("vlan"))},
	{"written field at a wrong shift", "lang/lower/write.go",
		`unit = l.opi(ir.OpShl, l.opi(ir.OpAnd, unit, mask), int64(f.Shift))`,
		`unit = l.opi(ir.OpShl, l.opi(ir.OpAnd, unit, mask), int64(f.Shift+1))`, only(corpus("rewrite"))},
	{"unmerged checksum change", "lang/lower/sums.go",
		"\t\t\td = l.op(ir.OpAdd, t, d)\n\t\t}\n\t\tt = d", "\t\t\td = t\n\t\t}\n\t\tt = d", only(corpus("rewrite"))},
	{"checksum where none was sent", "lang/lower/sums.go",
		`l.branch(ir.Ne, old, l.konst(0), have, done) // zero`, `l.branch(ir.Ne, old, l.konst(-1), have, done) // zero`, only(corpus("rewrite"))},
	{"packet pointers kept over a helper", "lang/lower/write.go",
		"case !l.xdp():\n\t\tl.invalidate()", "case !l.xdp():", only(corpus("rewrite"))},
	{"headers kept after a write", "lang/lower/write.go",
		`return h == packet.IP4`, `return h == packet.IP6`, only(corpus("rewrite"))},
	{"authentication header too short", "lang/lower/walk.go",
		`w.opi(ir.OpShl, w.plus(n, 2), 2)`, `w.opi(ir.OpShl, w.plus(n, 1), 2)`, only(corpus("ip6"))},
	{"entry expires a moment late", "lang/lower/maps.go",
		`l.branch(ir.SLt, age,`, `l.branch(ir.SLe, age,`, only(corpus("tables"))},
	{"wrong verdict code", "lang/lower/exit.go",
		`check.Accept: 0, check.Drop: 2, check.TX: 0`, `check.Accept: 0, check.Drop: 1, check.TX: 0`, only(corpus("verdicts"))},
	{"copy back by the interface that a packet came in by", "lang/lower/group.go", `flagBroadcast|flagExcludeIngress`, `flagBroadcast`, only(test("internal/traffic", "TestRedirectGroup"))},
	{"no copy but where a packet came in", "lang/lower/group.go", `l.branch(ir.Ne, to, in, send, next)`, `l.branch(ir.Eq, to, in, send, next)`, only(test("internal/traffic", "TestRedirectGroup"))},
	{"group not told from another", "lang/lower/group.go", `l.branch(ir.Eq, of, l.konst(int64(i)), hit, miss)`, `l.branch(ir.ULe, of, l.konst(int64(i)+1), hit, miss)`, only(test("internal/traffic", "TestStdBridge"))},

	// What the optimiser does.
	{"mask of a remainder off by one", "lang/opt/fold.go",
		`return s.set(v, ir.OpAnd, x, s.constant(c-1, v))`, `return s.set(v, ir.OpAnd, x, s.constant(c, v))`, only(optRandom)},
	{"swapped operands taken for equal", "lang/opt/cse.go",
		"case ir.OpSub, ir.OpDiv, ir.OpMod, ir.OpShl,",
		"case ir.OpSub:\n\t\tif k.x.ID > k.y.ID {\n\t\t\tk.x, k.y = k.y, k.x\n\t\t}\n\tcase ir.OpDiv, ir.OpMod, ir.OpShl,", only(corpus("arith"))},
	{"load shared over a store", "lang/opt/memory.go",
		"return 0\n\t\t}\n\t\treturn m.of(p)", "return 0\n\t\t}\n\t\treturn m.of(p) &^ content", only(optRandom)},
	{"phi's arguments swapped by threading", "lang/opt/thread.go",
		`w.values[v] = v.Args[i]`, `w.values[v] = v.Args[len(v.Args)-1-i]`, only(optRandom)},
	{"condition not negated", "lang/opt/thread.go", `return !result, true`, `return result, true`, only(corpus("control"))},

	// What the code generator does.
	{"atomic operation replaced", "lang/gen/emit.go", "case ir.OpAtomicAdd:\n\t\ti.Imm = 0x00", "case ir.OpAtomicAdd:\n\t\ti.Imm = 0x40", only(corpus("arrays"))},
	{"move before the old content is saved", "lang/gen/moves.go",
		`return !isSource(todo, c.dst)`, `return true`, only(genRandom)},
	{"wrong place of a spilled value", "lang/gen/resolve.go",
		`fn.moves[gap] = append(fn.moves[gap], move{c.reg, to, from})`,
		`if to.item == nil {
			fn.moves[gap] = append(fn.moves[gap], move{c.reg, to, from})
		}`, only(genRandom)},

	// What becomes of C objects.
	{"an inlined C function that reads behind its struct", "object/leaf.go", `off+size <= base.size &&`, `off+size <= base.size+16 &&`, only(test("object", "TestInlined"))},
	{"an inlined C function that does not ask for its struct", "object/leaf.go", `a[1+i] = held{perhaps, p.Struct.Size}`, `a[1+i] = held{address, p.Struct.Size}`, only(test("object", "TestInlined"))},
	{"an inlined C function that is left too early", "object/leaf.go", `int16(raw[n] - raw[i] - 1)`, `int16(0 * (raw[n] - raw[i]))`, only(test("datapath", "TestObjectInlined"))},
	{"an argument that an inlined C function does not get", "lang/gen/emit.go", `return in.Dst == reg || in.Src == reg`, `return in.Dst == reg`, only(test("datapath", "TestObjectInlined"))},

	// What tools look at, and what tests of chains stand on.
	{"size of memory not seen again", "lang/gen/emit.go", `e.op(Insn{Op: addImm, Dst: uint8(i + 1)})`, `_ = i`, only(test("lang/gen", "TestSizeArg"))},
	{"turns of a loop counted once", "lang/check/pass.go", `*p.out = append(*p.out, &Mark{at(s)})`,
		`if p.turn == nil || len(p.turn) == 0 {
		*p.out = append(*p.out, &Mark{at(s)})
	}`, only(corpus("longlists|loops"))},
	{"condition noted the wrong way", "lang/lower/step.go", `flag = 1`, `flag = 2 - 2`, only(test("trace", "TestExplain"))},
	{"lookup noted as found", "lang/lower/step.go", `l.konst(0), func(p *ir.Value) { l.storeParts(p, stepHead, t, k) })`,
		`l.konst(1), func(p *ir.Value) { l.storeParts(p, stepHead, t, k) })`, only(test("trace", "TestExplain"))},
	{"steps of packets run together", "datapath/steps.go", `_, err = mem.WriteAt(make([]byte, 8), 0)`, `_ = mem`, only(test("trace", "TestExplain"))},
	{"parameters kept between tests", "datapath/reset.go", `return storeDefaults(m, u.prog.Params)`, `return nil`, only(test("wtest", "TestOrder"))},
	// Filters of tcpdump.
	{"ports of later fragments", "lang/pcap/transport.go", `masked(p.layers.at(6, 2), 0x1fff, 0)`, `masked(p.layers.at(6, 2), 0x3fff, 0)`, only(test("lang/pcap", "TestTcpdump"))},
	{"tag that moves nothing", "lang/pcap/layers.go", "l.typ, l.net = l.typ+4, l.net+4", "l.typ, l.net = l.typ, l.net+4", only(test("lang/pcap", "TestTcpdump"))},
	{"what a test has shown turned round", "lang/pcap/graph.go", "case f.test == t.test:\n\t\t\treturn f.is, true", "case f.test == t.test:\n\t\t\treturn !f.is, true", only(test("lang/pcap", "TestTcpdump"))},
	{"filter that takes a read past the end", "lang/lower/filtercopy.go", `w.opi(ir.OpAdd, off, int64(v.Size)), ok, w.fail)`, `off, ok, w.fail)`, only(test("internal/differ", "TestFilters"))},
	{"filter one octet off in place", "lang/lower/filtercopy.go", "off = w.opi(ir.OpSub, off, ethSize)", "off = w.opi(ir.OpSub, off, ethSize-1)", only(test("internal/differ", "TestFilters"))},
	{"filter without the tag beside", "lang/lower/filtercopy.go", `w.copyTo(macs, macs+4, buffer, done)`, `w.copyTo(macs, macs, buffer, done)`, only(test("internal/traffic", "TestTagsFiltered"))},
	{"shift of a filter not cut to 32 bits", "lang/lower/filter.go", "return w.width(ir.OpZExt, 4, w.op(op, x, y))\n\t}\n\tout", "return w.op(op, x, y)\n\t}\n\tout", only(test("internal/differ", "TestFilters"))},

	{"time kept between tests", "wtest/suite.go", "s.prints, s.lost = nil, nil\n\ts.goOn(epoch)", "s.prints, s.lost = nil, nil", only(test("wtest", "TestOrder"))},
	{"checksum without its pseudo header", "wtest/build.go", `sum(sum(h.pseudo(before, len(b)+len(body)), b), body)`, `sum(sum(0, b), body)`, only(test("wtest", "TestBuild"))},
	{"coverage that takes the better statement of a line", "wtest/cover.go", `!ok || n < old`, `!ok || n > old`, only(test("wtest", "TestCoverage"))},
	{"reason of a drop not compared", "wtest/assert.go", `check.ReasonOf(got) != r`, `false`, only(test("wtest", "TestRun"))},
	{"layer one octet too far", "packet/layers.go", `w.at += n
	return true`, `w.at += n + 1
	return true`, only(test("packet", "TestLayers"))},
}
