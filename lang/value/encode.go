package value

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Word returns the stored integer or bool b as a chain computes with it: 64
// bits, sign extended if t is signed.
func (t Type) Word(b []byte) uint64 {
	var n uint64
	switch t.Size() {
	case 1:
		n = uint64(b[0])
	case 2:
		n = uint64(binary.NativeEndian.Uint16(b))
	case 4:
		n = uint64(binary.NativeEndian.Uint32(b))
	case 8:
		n = binary.NativeEndian.Uint64(b)
	}
	if t.Big {
		n = bits.ReverseBytes64(n) >> (64 - 8*t.Size())
	}
	if shift := 64 - 8*t.Size(); t.Signed {
		return uint64(int64(n<<shift) >> shift)
	}
	return n
}

// PutWord stores the low octets of n as the integer or bool b.
func (t Type) PutWord(b []byte, n uint64) {
	if t.Big {
		n = bits.ReverseBytes64(n) >> (64 - 8*t.Size())
	}
	switch t.Size() {
	case 1:
		b[0] = byte(n)
	case 2:
		binary.NativeEndian.PutUint16(b, uint16(n))
	case 4:
		binary.NativeEndian.PutUint32(b, uint32(n))
	case 8:
		binary.NativeEndian.PutUint64(b, n)
	}
}

// FormatWord returns the text form of the integer or bool that a chain
// computes with as n.
func (t Type) FormatWord(n uint64) string {
	b := make([]byte, t.Size())
	t.PutWord(b, n)
	return t.Format(b)
}

// ParseWord reads the text form of an integer or bool as [Type.Word] gives it.
func (t Type) ParseWord(s string) (uint64, error) {
	b, err := t.Parse(s)
	if err != nil {
		return 0, err
	}
	return t.Word(b), nil
}

// form returns what the text of a tuple or record looks like: (ip4, u16) or
// {a: u32, b: ip4}.
func (t Type) form() string {
	if t.Kind == Tuple {
		return t.String()
	}
	s := make([]string, len(t.Elems))
	for i, e := range t.Elems {
		s[i] = t.Names[i] + ": " + e.String()
	}
	return "{" + strings.Join(s, ", ") + "}"
}

// parseElems reads a tuple or a record. Fields of a record may come in any
// order, and those that are not named are zero.
func (t Type) parseElems(b []byte, s string) error {
	brackets := "()"
	if t.Kind == Record {
		brackets = "{}"
	}
	if len(s) < 2 || s[0] != brackets[0] || s[len(s)-1] != brackets[1] {
		return t.fail(s, "%s", t.form())
	}
	parts, ok := splitElems(s[1 : len(s)-1])
	if !ok || t.Kind == Tuple && len(parts) != len(t.Elems) {
		return t.fail(s, "%s", t.form())
	}
	seen := make([]bool, len(t.Elems))
	for i, p := range parts {
		where := "element " + strconv.Itoa(i+1)
		if t.Kind == Record {
			name, text, _ := strings.Cut(p, ":")
			name, p = strings.TrimSpace(name), strings.TrimSpace(text)
			if i = t.Field(name); i < 0 || seen[i] {
				return t.fail(s, "%s", t.form())
			}
			where = "field " + name
		}
		seen[i] = true
		e, off := t.Elems[i], t.Offset(i)
		if err := e.parse(b[off:off+e.Size()], p); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}

// splitElems cuts s at the commas that stand in no brackets. It reports false
// if brackets do not match.
func splitElems(s string) ([]string, bool) {
	if strings.TrimSpace(s) == "" {
		return nil, true
	}
	var parts []string
	var open []byte
	start := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '(', '{':
			open = append(open, c)
		case ')', '}':
			if len(open) == 0 || (open[len(open)-1] == '(') != (c == ')') {
				return nil, false
			}
			open = open[:len(open)-1]
		case ',':
			if len(open) == 0 {
				parts = append(parts, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	return append(parts, strings.TrimSpace(s[start:])), len(open) == 0
}

// Cut splits a line of the form "KEY VALUE" behind its first value: at the
// bracket that closes the one it begins with, or at the first space.
func Cut(line string) (key, rest string) {
	line = strings.TrimSpace(line)
	depth := 0
	for i, c := range line {
		switch c {
		case '(', '{':
			depth++
		case ')', '}':
			depth--
		case ' ', '\t':
			if depth <= 0 {
				return line[:i], strings.TrimSpace(line[i:])
			}
		}
	}
	return line, ""
}
