package ref

import (
	"encoding/binary"

	"go.starlark.net/starlark"
)

// hashOf spreads a value over 32 bits, as docs/language.md has it.
func hashOf(v value, seed num) value {
	sum := uint64(0)
	for i, w := range words(v) {
		w += (seed.bits ^ 0xe7037ed1a0b428db) * (mix(uint64(i+1)*0x9e3779b97f4a7c15) | 1)
		sum += w & 0xffffffff * (w >> 32)
	}
	return unsigned(mix(sum) & 0xffffffff)
}

// mix is the end of MurmurHash3 for 64 bits.
func mix(n uint64) uint64 {
	n = (n ^ n>>33) * 0xff51afd7ed558ccd
	n = (n ^ n>>33) * 0xc4ceb9fe1a85ec53
	return n ^ n>>33
}

// words cuts a value into words: an integer is one, octets are eight a word, the first
// the lowest.
func words(v value) (out []uint64) {
	var b []byte
	switch v := v.(type) {
	case num:
		return []uint64{v.bits}
	case starlark.Bool:
		if v {
			return []uint64{1}
		}
		return []uint64{0}
	case starlark.Tuple:
		for _, e := range v {
			out = append(out, words(e)...)
		}
		return out
	case ip4Val:
		b = v[:]
	case ip6Val:
		b = v[:]
	case ipVal:
		b = v[:]
	case macVal:
		b = v[:]
	default:
		o, ok := asOctets(v)
		if !ok {
			refuse("hash_of: not of %s", v.Type())
		}
		b = []byte(o.text)
	}
	for len(b) > 0 {
		var w [8]byte
		b = b[copy(w[:], b):]
		out = append(out, binary.LittleEndian.Uint64(w[:]))
	}
	return out
}
