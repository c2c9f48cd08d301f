package value

import (
	"bytes"
	"cmp"
)

// Compare orders two values of the type as they are stored: integers by their value,
// addresses and octets by their octets, prefixes by their address and then their
// length, tuples and records by their first element that differs.
func (t Type) Compare(a, b []byte) int {
	switch t.Kind {
	case Int, Bool:
		if t.Signed {
			return cmp.Compare(int64(t.Word(a)), int64(t.Word(b)))
		}
		return cmp.Compare(t.Word(a), t.Word(b))
	case Prefix, Prefix4, Prefix6:
		at := 4
		if t.Kind == Prefix {
			at = 8
		}
		return cmp.Or(bytes.Compare(a[at:t.Size()], b[at:t.Size()]), U32.Compare(a, b))
	case Tuple, Record:
		for i, e := range t.Elems {
			off := t.Offset(i)
			if n := e.Compare(a[off:off+e.Size()], b[off:off+e.Size()]); n != 0 {
				return n
			}
		}
		return 0
	}
	return bytes.Compare(a[:t.Size()], b[:t.Size()])
}
