package ref

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// payload is a run of the frame's bytes: pkt.payload, the whole frame, or what a
// header of the chain's own is laid over.
type payload struct {
	opaque
	p     *packet
	at    int         // where it begins in the frame
	bytes []byte      // of the frame itself
	ok    bool        // it is there, though it may be empty
	laid  *headerType // the header that is laid over it, or nil
	raw   bool        // of the frame: a write is no more than that
}

func (p *payload) String() string { return "payload" }
func (p *payload) Type() string   { return "bytes" }

// method is payload.u16(off) and its like; pkt.u16(off) is that of the frame.
func (p *payload) method(name string, args []value, named map[string]value) value {
	arg := func(i int, word string, d value) value {
		if i < len(args) {
			return args[i]
		}
		if v, ok := named[word]; ok {
			return v
		}
		if d == nil {
			refuse("%s: no value for %s", name, word)
		}
		return d
	}
	switch name {
	case "u8", "u16", "u32", "u64":
		width := map[string]uint64{"u8": 1, "u16": 2, "u32": 4, "u64": 8}[name]
		b, _ := p.take(needNum(arg(0, "off", nil), name), width)
		var n uint64
		for _, x := range b {
			n = n<<8 | uint64(x)
		}
		return unsigned(n)
	case "bytes":
		n := needNum(arg(1, "n", nil), name).bits
		b, ok := p.take(needNum(arg(0, "off", nil), name), n)
		return octets{text: string(b), ok: ok}
	case "put_u8", "put_u16", "put_u32", "put_u64":
		width := map[string]int{"put_u8": 1, "put_u16": 2, "put_u32": 4, "put_u64": 8}[name]
		x := needNum(arg(1, "x", nil), name).bits
		p.put(needNum(arg(0, "off", nil), name), binary.BigEndian.AppendUint64(nil, x)[8-width:])
		return starlark.None
	case "put_bytes":
		p.put(needNum(arg(0, "off", nil), name), written(arg(1, "b", nil)))
		return starlark.None
	case "sum":
		n := needNum(arg(1, "n", nil), name).bits
		start := needNum(arg(2, "start", unsigned(0)), name).bits
		if n > longestSum {
			return unsigned(0)
		}
		b, ok := p.take(needNum(arg(0, "off", nil), name), n)
		if !ok {
			return unsigned(0)
		}
		return unsigned(addUp(b, start))
	case "view":
		h, ok := arg(0, "header", nil).(*headerType)
		if !ok {
			refuse("view: not of a header")
		}
		return p.view(h, needNum(arg(1, "off", unsigned(0)), name))
	case "startswith":
		return starlark.Bool(bytes.HasPrefix(p.bytes, text(arg(0, "prefix", nil))))
	case "find", "contains":
		within := needNum(arg(1, "within", unsigned(64)), name).bits
		seen := p.bytes[:min(within, uint64(len(p.bytes)))]
		at := bytes.Index(seen, text(arg(0, "pattern", nil)))
		if name == "contains" {
			return starlark.Bool(at >= 0)
		}
		return signed(int64(at))
	}
	refuse("%s is not there (in the reference)", name)
	return nil
}

// take is n bytes at an offset, or zeros where not all of them are there.
func (p *payload) take(at num, n uint64) ([]byte, bool) {
	if off := at.bits; off <= uint64(len(p.bytes)) && uint64(len(p.bytes))-off >= n {
		return p.bytes[off:][:n], true
	}
	return []byte(strings.Repeat("\x00", int(n))), false
}

// longestSum is the most bytes that are added up at once.
const longestSum = 65535

// addUp is the ones' complement sum of 16-bit words (RFC 1071) and of start: the
// last byte alone is filled up with a zero.
func addUp(b []byte, start uint64) uint64 {
	sum := start%0xffff + 0xffff*min(start, 1) // the same of ones' complement, 0 for 0 alone
	for i, x := range b {
		sum += uint64(x) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}

// written is what put_bytes writes: bytes, or an address as it is in packets.
func written(v value) []byte {
	switch a := v.(type) {
	case ip4Val:
		return a[:]
	case ip6Val:
		return a[:]
	case macVal:
		return a[:]
	}
	return text(v)
}

func text(v value) []byte {
	o, ok := asOctets(v)
	if !ok {
		refuse("want bytes, not %s", v.Type())
	}
	return []byte(o.text)
}

// put writes bytes at an offset, if all of them lie inside, and mends the
// checksum of the L4 header. One of SCTP could not follow: nothing is written.
func (p *payload) put(at num, data []byte) {
	where, ok := p.take(at, uint64(len(data)))
	if p.raw {
		if ok {
			copy(where, data)
		}
		return
	}
	l := walk(p.p.frame, p.p.e.ethernet())
	if !ok || l.l4kind == "sctp" {
		return
	}
	sum, summed := checksums[l.l4kind]
	if !summed || l.l4kind == "ip4" {
		copy(where, data)
		return
	}
	// The words of 16 bits that hold the bytes, counted from the L4 header; what
	// lies around the bytes does not change.
	start := p.at + int(at.bits)
	lead := (start - l.l4) & 1
	pad := func(b []byte) []byte {
		out := append(make([]byte, lead), b...)
		return append(out, make([]byte, len(out)&1)...)
	}
	before := pad(slices.Clone(where))
	copy(where, data)
	p.p.mend(l.l4kind, l.l4+sum, before, pad(data))
}
