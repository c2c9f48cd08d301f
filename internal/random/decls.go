package random

import (
	"fmt"
	"strings"
)

// declare writes the declarations.
func (g *gen) declare() {
	g.line("%q", "A random program.")
	g.params = map[kind][]string{}
	for n := 1 + g.r.IntN(2); n > 0; n-- {
		g.declareParam(unsigned, pick(g, unsignedTypes...))
	}
	if g.one(2) {
		g.declareParam(signed, pick(g, signedTypes...))
	}
	if g.one(3) {
		g.declareParam(boolean, otherTypes[0])
	}
	g.declareLists()
	for n := g.r.IntN(3); n > 0; n-- {
		g.declareRecord()
	}
	g.declareHeader()
	for n := 2 + g.r.IntN(5); n > 0; n-- {
		g.declareMap()
	}
	g.declareLines()
}

func (g *gen) declareParam(k kind, t stored) {
	name := g.name("p")
	g.line("%s = param(%s, %s)", name, t.name, g.fit(t))
	g.params[k] = append(g.params[k], name)
}

// quoted joins f of some of the texts.
func quoted(constructor string, texts []string) string {
	var out []string
	for _, t := range texts {
		out = append(out, fmt.Sprintf("%s(%q)", constructor, t))
	}
	return strings.Join(out, ", ")
}

// declareLists writes lists and dicts; the first is always there.
func (g *gen) declareLists() {
	nums := []string{}
	for range 3 + g.r.IntN(3) {
		nums = append(nums, pick(g, "6", "17", "22", "53", "80", "443", "64", "0x0800", fmt.Sprint(g.r.IntN(2000))))
	}
	g.list(&list{name: "NUMS", what: "list of ints", values: unsigned, indexed: true, size: len(nums)}, "["+strings.Join(nums, ", ")+"]")
	if g.one(2) {
		n, by := 8+g.r.IntN(60), 1+g.r.IntN(9)
		g.list(&list{name: "MANY", what: "list by comprehension", values: unsigned, indexed: true, size: n},
			fmt.Sprintf("[x * x + %d for x in range(%d)]", by, n))
	}
	if g.one(2) {
		g.list(&list{name: "MIXED", what: "list of both signs", keys: signed, values: signed, indexed: true, size: 3},
			fmt.Sprintf("[-%d, %d, %d]", 1+g.r.IntN(100), g.r.IntN(100), g.r.IntN(1000)))
	}
	if g.one(2) {
		g.list(&list{name: "HOSTS", what: "list of ip4", keys: addr4, values: addr4, indexed: true, size: 3},
			"["+quoted("ip4", hosts4[g.r.IntN(3):][:3])+"]")
	}
	if g.one(2) {
		g.list(&list{name: "NETS", what: "list of prefix4", keys: addr4, prefixes: true}, "["+quoted("prefix4", nets4[g.r.IntN(3):][:3])+"]")
	}
	if g.one(2) {
		g.list(&list{name: "NETS6", what: "list of prefix6", keys: addr6, prefixes: true}, "["+quoted("prefix6", nets6[1:4])+"]")
	}
	if g.one(2) {
		g.list(&list{name: "COSTS", what: "dict of ints", values: unsigned, indexed: true, dict: true, size: 4},
			fmt.Sprintf("{53: %d, 80: %d, 64: %d, 0: %d}", g.r.IntN(500), g.r.IntN(500), g.r.IntN(500), 1+g.r.IntN(9)))
	}
	if g.one(2) {
		g.list(&list{name: "GOALS", what: "dict of ip4", values: addr4, indexed: true, dict: true, size: 2},
			fmt.Sprintf("{80: %s, 53: %s}", g.literal4(), g.literal4()))
	}
	if g.one(3) {
		g.list(&list{name: "PORTS", what: "long list by bit map"}, "[53, 80, 443] + [(i * 331 + 7) % 65536 for i in range(200)]")
	}
	if g.one(3) {
		g.list(&list{name: "SPARSE", what: "long list by hash"}, "[i * 100003 for i in range(300)] + [6, 17, 58, 60, 1400]")
	}
	if g.one(2) {
		g.list(&list{name: "VERBS", what: "list of octets", keys: chunk, values: chunk, indexed: true, size: 3}, `[b"GET ", b"POST", b"HTTP"]`)
	}
	if g.one(2) {
		g.list(&list{name: "SET", what: "list of bools", keys: boolean, values: boolean, indexed: true, size: 4}, "[True, False, False, True]")
	}
}

func (g *gen) list(l *list, text string) {
	g.line("%s = %s", l.name, text)
	g.lists = append(g.lists, l)
}

func (g *gen) declareRecord() {
	r := &record{name: g.name("R")}
	var text []string
	for i := range 2 + g.r.IntN(3) {
		f := recordField{fmt.Sprintf("f%d", i), g.scalar()}
		if i == 0 {
			f.stored = unsignedTypes[2+g.r.IntN(2)]
		}
		r.fields = append(r.fields, f)
		text = append(text, f.name+" = "+f.stored.name)
	}
	g.line("%s = record(%s)", r.name, strings.Join(text, ", "))
	g.records = append(g.records, r)
}

// declareHeader writes a header of the program's own; its first field is an
// unsigned integer.
func (g *gen) declareHeader() {
	h := &record{name: g.name("H")}
	var text []string
	for i := range 2 + g.r.IntN(4) {
		t := pick(g, unsignedTypes...)
		for i > 0 && g.one(2) {
			// bool and ip have no one form in packets.
			if t = g.scalar(); t.kind != boolean && t.kind != addr {
				break
			}
			t = unsignedTypes[0]
		}
		h.fields = append(h.fields, recordField{fmt.Sprintf("f%d", i), t})
		text = append(text, fmt.Sprintf("f%d = %s", i, t.name))
	}
	g.line("%s = header(%s)", h.name, strings.Join(text, ", "))
	g.laid = h
}

// A mapping is a declared map.
type mapping struct {
	name   string // how the program reaches it
	what   string // table, lru, array, lpm
	key    stored
	value  stored
	set    bool
	small  bool // a table that fills up
	perCPU bool // one value for each CPU
	size   int
}

// Sizes of tables and lrus: room for all keys that a program can make (see
// gen.key), and for those that the kernel's lru keeps aside for each CPU.
const (
	sizedTable = 4096
	sizedLRU   = 16384
)

func (g *gen) declareMap() {
	m := &mapping{what: pick(g, "table", "table", "table", "lru", "lru", "array", "array", "lpm"), size: sizedTable}
	g.use("map " + m.what)
	switch m.what {
	case "array":
		m.size = 4 << g.r.IntN(3)
		m.key, m.value = unsignedTypes[2], g.valueType()
		g.bind(m, fmt.Sprintf("array(%s, size = %d%s)", m.value.name, m.size, g.perCPU(m)))
		return
	case "lpm":
		g.declareLPM(m)
		return
	}
	m.key, m.set = g.keyType(m.what == "table"), g.one(4)
	if m.what == "lru" {
		m.size = sizedLRU
	}
	args := m.key.name
	if m.set {
		g.use("set")
	} else {
		m.value = g.valueType()
		args += ", " + m.value.name
	}
	if m.what == "table" && g.one(4) {
		m.small, m.size = true, 4+g.r.IntN(4)
		g.use("table that fills up")
	}
	tail := g.perCPU(m)
	if g.one(5) && (!m.perCPU || m.what == "lru") {
		g.use("expiring")
		tail += `, expiring = "3600s"`
	}
	g.bind(m, fmt.Sprintf("%s(%s, size = %d%s)", m.what, args, m.size, tail))
}

// bind declares a map that is read by key.
func (g *gen) bind(m *mapping, text string) {
	g.declareAs(m, text)
	g.maps = append(g.maps, m)
}

// declareAs writes the declaration, sometimes as a field of a struct.
func (g *gen) declareAs(m *mapping, text string) {
	name := g.name("m")
	m.name = name
	if g.one(5) {
		g.use("map in struct")
		m.name = name + ".inner"
		text = fmt.Sprintf("struct(inner = %s)", text)
	}
	g.line("%s = %s", name, text)
}

// perCPU grows the end of a declaration: one value for each CPU, or first
// content. Not both: what is shown is then a sum over CPUs of which the reference
// has one.
func (g *gen) perCPU(m *mapping) string {
	if m.perCPU = !m.set && g.one(4); !m.perCPU {
		return g.content(m)
	}
	g.use("percpu " + m.what)
	return ", percpu = True"
}

func (g *gen) valueType() stored {
	switch {
	case len(g.records) > 0 && g.one(3):
		r := pick(g, g.records...)
		return stored{name: r.name, kind: recs, rec: r}
	case g.one(8):
		return pairType
	}
	return g.scalar()
}

func (g *gen) keyType(record bool) stored {
	switch {
	case record && len(g.records) > 0 && g.one(4):
		r := pick(g, g.records...)
		return stored{name: r.name, kind: recs, rec: r}
	case g.one(6):
		return pairType
	}
	return g.scalar()
}

// content grows an init for some maps; keys are distinct by construction.
func (g *gen) content(m *mapping) string {
	switch {
	case m.what == "array" && g.one(3):
		g.use("init of array")
		return fmt.Sprintf(", init = [%s, %s]", g.fit(m.value), g.fit(m.value))
	case m.key.kind != unsigned || g.one(2) || m.what == "array":
		return ""
	case m.set:
		g.use("init of set")
		return ", init = [53, 80, 64]"
	}
	g.use("init of map")
	return fmt.Sprintf(", init = {53: %s, 80: %s, 6: %s}", g.fit(m.value), g.fit(m.value), g.fit(m.value))
}

func (g *gen) declareLPM(m *mapping) {
	prefix, nets := "prefix4", nets4
	m.key = otherTypes[1]
	switch g.r.IntN(4) {
	case 0:
		prefix, nets, m.key = "prefix6", nets6, otherTypes[2]
	case 1:
		prefix, nets, m.key = "prefix", append(append([]string{}, nets4[:4]...), nets6[:4]...), otherTypes[3]
	}
	m.set = g.one(3)
	nets = nets[g.r.IntN(2):][:4]
	if m.set {
		g.use("lpm set")
		g.bind(m, fmt.Sprintf("lpm(%s, size = 64, init = [%s])", prefix, quoted(prefix, nets)))
		return
	}
	m.value = g.scalar()
	var entries []string
	for _, n := range nets {
		entries = append(entries, fmt.Sprintf("%s(%q): %s", prefix, n, g.fit(m.value)))
	}
	g.bind(m, fmt.Sprintf("lpm(%s, %s, size = 64, init = {%s})", prefix, m.value.name, strings.Join(entries, ", ")))
}
