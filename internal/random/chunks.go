package random

import "fmt"

// texts are literals of four bytes; some of them are in frames.
var texts = []string{"GET ", "POST", "HTTP", "exam", "\x00\x00\x00\x00", "\x01\x02\x03\x04"}

func (g *gen) literalChunk() string { return fmt.Sprintf("b%q", pick(g, texts...)) }

// chunk grows four bytes.
func (g *gen) chunk(depth int) string {
	v, ok := g.local(chunk, nil)
	f, fieldOK := g.recordField(chunk)
	return g.grow(
		rule{when(ok, 6), func() string { g.use("read local octets"); return v.String() }},
		rule{when(fieldOK, 3), func() string { g.use("record field"); return f }},
		rule{when(g.pkt, 5), func() string { return g.cut(depth) }},
		rule{2, func() string { g.use("literal octets"); return g.literalChunk() }},
		rule{when(depth > 0, 2), func() string { return g.mapRead(chunk, depth-1) }},
		rule{when(depth > 0, 2), func() string { g.use("octets of an integer"); return "octets(4)(" + g.unsigned(depth-1) + ")" }},
	)
}

// cut takes four bytes out of the packet.
func (g *gen) cut(depth int) string {
	from := pick(g, "pkt", "pkt.payload", "pkt.payload")
	g.use(from + ".bytes")
	g.pay(40)
	at := fmt.Sprint(g.r.IntN(70))
	if depth > 0 {
		at = g.place(from)
	}
	return fmt.Sprintf("%s.bytes(%s, 4)", from, at)
}

// thereOrNot grows bytes as a condition. In an unrolled turn of a loop its variable may
// be a constant, which is none.
func (g *gen) thereOrNot() string {
	g.use("condition octets")
	if v, ok := g.local(chunk, assignable); ok && g.one(2) {
		return v.name
	}
	return g.cut(1)
}

// byteOf grows one byte of four.
func (g *gen) byteOf() string {
	g.use("octets[i]")
	v, ok := g.local(chunk, nil)
	switch {
	case !ok:
		return g.unsignedLeaf()
	case g.one(2):
		g.pay(10)
		return fmt.Sprintf("%s[%s]", v.name, g.unsignedLeaf())
	}
	return fmt.Sprintf("%s[%d]", v.name, g.r.IntN(4))
}

// sumOf adds up bytes of the frame, of the payload or of an option.
func (g *gen) sumOf() string {
	from := pick(g, "pkt", "pkt.payload")
	g.use(from + ".sum")
	g.pay(80)
	if g.one(6) {
		from = g.option()
	}
	n := pick(g, fmt.Sprint(g.r.IntN(90)), fmt.Sprintf("%s & 127", g.varied(0)))
	if g.one(3) {
		return fmt.Sprintf("%s.sum(%s, %s, start = %s)", from, g.place("pkt"), n, g.varied(0))
	}
	return fmt.Sprintf("%s.sum(%s, %s)", from, g.place("pkt"), n)
}

// search grows the arguments of find and contains.
func (g *gen) search(method string) string {
	g.use("payload." + method)
	g.pay(80)
	return fmt.Sprintf("pkt.payload.%s(b%q, within = %d)", method, pick(g, "e", "T /", "HTTP", "\r\n", "\x01\x02"), 16+g.r.IntN(64))
}

// put grows a write to the payload or to an option.
func (g *gen) put() {
	g.changes()
	g.pay(130)
	to, name := "pkt.payload", "payload"
	if g.one(6) {
		to, name = g.option(), "option"
	}
	at := purely(g, func() string { return g.place("pkt.payload") })
	if name == "payload" && g.moves > 0 && g.one(4) {
		// Behind what may be a tag beside the packet, in which not every type has room.
		g.moves--
		to, name, at = "pkt", "pkt", fmt.Sprintf("16 + (%s)", at)
	}
	if g.one(4) {
		g.use(name + ".put_bytes")
		g.line("%s.put_bytes(%s, %s)", to, at, purely(g, func() string { return g.chunk(1) }))
		return
	}
	width := 8 << g.r.IntN(4)
	g.use(fmt.Sprintf("%s.put_u%d", name, width))
	g.line("%s.put_u%d(%s, %s)", to, width, at, purely(g, func() string { return g.varied(1) }))
}
