package ref

import (
	"bytes"
	"strings"

	"go.starlark.net/starlark"
)

// payload is a run of the frame's bytes: pkt.payload, or the whole frame.
type payload struct {
	opaque
	bytes []byte
	ok    bool // there is an L4 header before it
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
		return octets{string(b), ok}
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

func text(v value) []byte {
	o, ok := asOctets(v)
	if !ok {
		refuse("want bytes, not %s", v.Type())
	}
	return []byte(o.text)
}
