package lower

import (
	"fmt"

	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
)

// How a list of build time is searched. A search by halves in the instruction
// stream takes two instructions a value and one comparison a halving, and each of
// these may be predicted wrongly. A bit map in memory takes ten instructions for
// any number of values within a range. The kernel's hash takes about 20 ns for
// values of any kind.
const (
	minLeaves    = 8       // ends of a search by halves from which a bit map is taken
	maxBitmap    = 1 << 18 // bits of a bit map: 32 KiB
	minHash      = 256     // words from which the hash is taken
	minMultiWord = 8       // the same of values of several words, which are compared one after another
)

// constsOf is consts, which gives the place of what is there already.
func (l *lowerer) constsOf(words []byte) int {
	if base, ok := l.constAt[string(words)]; ok {
		return base
	}
	base := l.consts(words)
	l.constAt[string(words)] = base
	return base
}

// listMap returns the read-only map of a list's values as keys, or nil if there
// are less than least, or if they are no constants that can be keys.
func (l *lowerer) listMap(e *check.OneOf, least int) *ir.Map {
	t := e.X.Type()
	if len(e.Values) < least || !t.Stored() || holdsOctets(t) {
		return nil
	}
	var all []check.Entry
	text, seen := t.String(), map[string]bool{}
	for _, v := range e.Values {
		key := make([]byte, t.Size())
		if !encodeConst(key, t, v) {
			return nil
		}
		if !seen[string(key)] {
			seen[string(key)] = true
			all = append(all, check.Entry{Key: key, Value: []byte{1}})
			text += "\x00" + string(key)
		}
	}
	if m := l.listAt[text]; m != nil {
		return m
	}
	m := l.addMap(&ir.Map{
		Name: fmt.Sprintf(".list%d", len(l.listAt)), Kind: ir.Hash, KeySize: t.Size(), ValueSize: 1, MaxEntries: uint32(len(all)),
	})
	l.listAt[text] = m
	l.res.Lists[m] = all
	return m
}

// encodeConst lays out a constant as package value does. It reports false if it is
// none.
func encodeConst(out []byte, t value.Type, e check.Expr) bool {
	switch e := e.(type) {
	case *check.TupleOf:
		if t.Kind != value.Tuple {
			return false
		}
		for i, x := range e.Elems {
			off := t.Offset(i)
			if !encodeConst(out[off:off+t.Elems[i].Size()], t.Elems[i], x) {
				return false
			}
		}
		return true
	case *check.Const:
		switch t.Kind {
		case value.Int:
			t.PutWord(out, e.Bits)
			return t.Word(out) == e.Bits // else it cannot be equal
		case value.Bool:
			out[0] = byte(e.Bits)
			return e.Bits <= 1
		}
		return e.Octets != nil && copy(out, e.Octets) == len(out)
	}
	return false
}

// holdsOctets reports whether a type has octets, which may not be there, and are
// then equal to nothing.
func holdsOctets(t value.Type) bool {
	for _, e := range t.Elems {
		if holdsOctets(e) {
			return true
		}
	}
	return t.Kind == value.Octets
}
