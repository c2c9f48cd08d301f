package random

import "fmt"

// globals are what a program declares above its functions.
type globals struct {
	params  map[kind][]string
	lists   []*list
	records []*record
	laid    *record // a header of its own
	maps    []*mapping
	lines   []*mapping // queues, stacks, rings, blooms
	helpers []*helper
	effect  bool // the function that grows changes something
}

// A list is a list or dict known at build time.
type list struct {
	name, what string
	keys       kind // of what can be `in` it
	prefixes   bool
	values     kind // of what an index gives
	indexed    bool
	dict       bool
	size       int
}

// A stored type is one of a record's field, a map's key or value.
type stored struct {
	name  string // as the program writes it
	kind  kind
	bits  int // of integers
	rec   *record
	elems []stored // of a tuple
}

// A record is a declared record type.
type record struct {
	name   string
	fields []recordField
}

type recordField struct {
	name string
	stored
}

var (
	unsignedTypes = []stored{{name: "u8", bits: 8}, {name: "u16", bits: 16}, {name: "u32", bits: 32}, {name: "u64", bits: 64}}
	signedTypes   = []stored{{name: "i8", kind: signed, bits: 8}, {name: "i16", kind: signed, bits: 16},
		{name: "i32", kind: signed, bits: 32}, {name: "i64", kind: signed, bits: 64}}
	otherTypes = []stored{{name: "bool", kind: boolean}, {name: "ip4", kind: addr4}, {name: "ip6", kind: addr6},
		{name: "ip", kind: addr}, {name: "mac", kind: hardware}, {name: "octets(4)", kind: chunk}}
	pairType = stored{name: "(u32, u16)", kind: pair, elems: []stored{unsignedTypes[2], unsignedTypes[1]}}
)

// scalar picks a type that a field, key or value can have.
func (g *gen) scalar() stored {
	switch g.r.IntN(5) {
	case 0, 1:
		return pick(g, unsignedTypes...)
	case 2:
		return pick(g, signedTypes...)
	}
	return pick(g, otherTypes...)
}

// fit grows a literal that fits an integer type, or what an init may hold of
// another.
func (g *gen) fit(t stored) string {
	switch t.kind {
	case unsigned:
		return fmt.Sprint(g.r.Uint64() >> (64 - t.bits) >> (g.r.IntN(2) * t.bits / 2))
	case signed:
		return fmt.Sprint(int64(g.r.Uint64()) >> (64 - t.bits))
	case boolean:
		return pick(g, "True", "False")
	case addr4:
		return g.literal4()
	case addr6:
		return g.literal6()
	case addr:
		return g.literalIP()
	case hardware:
		return g.literalMAC()
	case chunk:
		return g.literalChunk()
	case pair:
		return fmt.Sprintf("(%s, %s)", g.fit(t.elems[0]), g.fit(t.elems[1]))
	case recs:
		return g.construct(t.rec, func(f stored) string { return g.fit(f) })
	}
	panic("random: no literal of " + t.name)
}

// store grows an expression whose low bits are stored as t.
func (g *gen) store(t stored, depth int) string {
	switch t.kind {
	case unsigned, signed:
		return g.grow(
			rule{2, func() string { return g.fit(t) }},
			rule{5, func() string { return g.varied(depth) }},
			rule{3, func() string { return g.signed(depth) }},
		)
	case pair:
		return fmt.Sprintf("(%s, %s)", g.varied(depth), g.varied(depth))
	case recs:
		return g.construct(t.rec, func(f stored) string { return g.store(f, min(depth, 1)) })
	}
	return g.expr(t.kind, depth)
}

// whole grows an expression that t holds without loss, and whose type is t's.
func (g *gen) whole(t stored) string {
	if t.kind == unsigned || t.kind == signed {
		if g.one(3) {
			return g.fit(t)
		}
		g.use("cast " + t.name)
		return fmt.Sprintf("%s(%s)", t.name, g.varied(1))
	}
	if t.kind == pair {
		return fmt.Sprintf("(%s, %s)", g.whole(t.elems[0]), g.whole(t.elems[1]))
	}
	return g.store(t, 1)
}

// construct grows a record: some fields are left out, which are zero.
func (g *gen) construct(r *record, value func(stored) string) string {
	g.use("record")
	args := ""
	for _, f := range r.fields {
		if g.one(4) {
			g.use("record field left out")
			continue
		}
		if args != "" {
			args += ", "
		}
		args += f.name + " = " + value(f.stored)
	}
	return fmt.Sprintf("%s(%s)", r.name, args)
}

// recordField is a field of that kind of a record in scope.
func (g *gen) recordField(k kind) (string, bool) {
	var found []string
	for _, v := range g.vars {
		if v.kind != recs {
			continue
		}
		for _, f := range v.rec.fields {
			if f.kind == k {
				found = append(found, v.name+"."+f.name)
			}
		}
	}
	if len(found) == 0 {
		return "", false
	}
	return pick(g, found...), true
}

// param reads one of a kind, or something like it.
func (g *gen) param(k kind) string {
	g.pay(4)
	if names := g.params[k]; len(names) > 0 {
		g.use("param " + kindNames[k])
		return pick(g, names...)
	}
	switch k {
	case signed:
		g.use("cast i32")
		return fmt.Sprintf("i32(%s)", g.params[unsigned][0])
	case boolean:
		n := g.r.IntN(8)
		if n == 0 {
			g.use("bool(int)")
			return fmt.Sprintf("bool(%s)", g.params[unsigned][0])
		}
		g.use("cmp ==")
		return fmt.Sprintf("(%s == %d)", g.params[unsigned][0], n)
	}
	return g.params[unsigned][0]
}

// element grows LIST[i] or DICT.get(k, d) of a kind.
func (g *gen) element(k kind, depth int) string {
	var found []*list
	for _, l := range g.lists {
		if l.indexed && l.values == k {
			found = append(found, l)
		}
	}
	if len(found) == 0 {
		return g.short(k)
	}
	l := pick(g, found...)
	g.pay(12)
	if l.dict {
		g.use("dict.get")
		return fmt.Sprintf("%s.get(%s, %s)", l.name, g.varied(depth), g.short(k))
	}
	if g.one(3) {
		g.use("list[int] that may be past the end")
		return fmt.Sprintf("%s[%s]", l.name, g.varied(depth))
	}
	g.use("list[int]")
	return fmt.Sprintf("%s[%s %% %d]", l.name, g.atom(g.varied(depth)), l.size)
}

// short grows the shortest expression of a kind that is no integer constant.
func (g *gen) short(k kind) string {
	switch k {
	case unsigned:
		return g.unsignedLeaf()
	case signed:
		return g.signedLeaf()
	case boolean:
		return g.booleanLeaf()
	}
	return g.expr(k, 0)
}
