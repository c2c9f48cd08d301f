package value

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// An Error says that a text is not a value of a type.
type Error struct {
	Text string // what was read
	Type Type   // what it should be
	Want string // the form of the type, or the rule that was broken
}

// Error returns one sentence: "70000" is not a u16 (want 0 to 65535).
func (e *Error) Error() string {
	return fmt.Sprintf("%s is not %s (want %s)", strconv.Quote(e.Text), withArticle(e.Type.String()), e.Want)
}

// Vowels of the letters' names count, too: an ip4, an lpm, a u8.
func withArticle(s string) string {
	if strings.IndexByte("aio", s[0]) >= 0 {
		return "an " + s
	}
	return "a " + s
}

func (t Type) fail(s, want string, args ...any) error {
	return &Error{Text: s, Type: t, Want: fmt.Sprintf(want, args...)}
}

// Format returns the text form of the stored value b, which has t.Size()
// octets. Its forms, all of which [Type.Parse] reads:
//
//	u16, i64        443, -1
//	bool            True, False
//	ip4, ip6, ip    192.0.2.1, 2001:db8::1 (RFC 5952); an ip shows IPv4 dotted
//	mac             02:00:00:00:00:01
//	octets(4)       47455420
//	text(16)        example.com; what is no plain word as octets, 0x…
//	prefix4 …       10.0.0.0/8
//	tuple           (192.0.2.1, 53)
//	record          {a: 1, b: 192.0.2.1}
//	nothing         the empty text
func (t Type) Format(b []byte) string {
	switch t.Kind {
	case Int:
		if t.Signed {
			return strconv.FormatInt(int64(t.Word(b)), 10)
		}
		return strconv.FormatUint(t.Word(b), 10)
	case Bool:
		if b[0] != 0 {
			return "True"
		}
		return "False"
	case IP4, IP6:
		a, _ := netip.AddrFromSlice(b[:t.Size()])
		return a.String()
	case IP:
		return netip.AddrFrom16([16]byte(b[:16])).Unmap().String()
	case MAC:
		return net.HardwareAddr(b[:6]).String()
	case Octets:
		if t.Text {
			return formatText(b[:t.Width])
		}
		return hex.EncodeToString(b[:t.Width])
	case Prefix4, Prefix6, Prefix:
		return formatPrefix(t.Kind, b)
	case Tuple:
		return "(" + strings.Join(t.formatElems(b), ", ") + ")"
	case Record:
		s := t.formatElems(b)
		for i, n := range t.Names {
			s[i] = n + ": " + s[i]
		}
		return "{" + strings.Join(s, ", ") + "}"
	}
	return ""
}

// formatText shows octets as the word that they are, without the zeros behind it.
func formatText(b []byte) string {
	s := strings.TrimRight(string(b), "\x00")
	if s == "" || strings.HasPrefix(s, "0x") || strings.IndexFunc(s, notPlain) >= 0 {
		return "0x" + hex.EncodeToString(b)
	}
	return s
}

// notPlain reports whether a character has no place in a text of [Type.Format], where
// tuples and records have brackets, commas and blanks.
func notPlain(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("(){},\"\\", r) }

func (t Type) formatElems(b []byte) []string {
	s := make([]string, len(t.Elems))
	for i, e := range t.Elems {
		off := t.Offset(i)
		s[i] = e.Format(b[off : off+e.Size()])
	}
	return s
}

func formatPrefix(k Kind, b []byte) string {
	n := int(binary.NativeEndian.Uint32(b))
	if k == Prefix {
		n -= familyBits
		b = b[4:]
	}
	a, _ := netip.AddrFromSlice(b[4:])
	if k == Prefix && b[0] == 4 {
		a, n = a.Unmap(), n-96
	}
	return a.String() + "/" + strconv.Itoa(n)
}

// Parse reads the text form of a value, as [Type.Format] writes it, and returns
// the octets that are stored, padding zero. Besides, integers may be written
// 0x1f, bools true and false, and a prefix that is a single address without its
// length. The error is an [*Error], for tuples and records inside of one that
// says in which element.
func (t Type) Parse(s string) ([]byte, error) {
	s = strings.TrimSpace(s)
	b := make([]byte, t.Size())
	if err := t.parse(b, s); err != nil {
		return nil, err
	}
	return b, nil
}

func (t Type) parse(b []byte, s string) error {
	switch t.Kind {
	case None:
		if s != "" {
			return fmt.Errorf("%s: a set has no values", strconv.Quote(s))
		}
		return nil
	case Int:
		return t.parseInt(b, s)
	case Bool:
		switch s {
		case "True", "true":
			b[0] = 1
		case "False", "false":
		default:
			return t.fail(s, "True or False")
		}
		return nil
	case IP4, IP6, IP:
		return t.parseAddr(b, s)
	case MAC:
		a, err := net.ParseMAC(s)
		if err != nil || len(a) != 6 {
			return t.fail(s, "six octets like 02:00:00:00:00:01")
		}
		copy(b, a)
		return nil
	case Octets:
		if t.Text && !strings.HasPrefix(s, "0x") {
			if s == "" || len(s) > t.Width || strings.IndexFunc(s, notPlain) >= 0 {
				return t.fail(s, "1 to %d characters of ASCII, no blanks and brackets", t.Width)
			}
			copy(b, s)
			return nil
		}
		o, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
		if err != nil || len(o) != t.Width {
			return t.fail(s, "%d hexadecimal digits", 2*t.Width)
		}
		copy(b, o)
		return nil
	case Prefix4, Prefix6, Prefix:
		return t.parsePrefix(b, s)
	case Tuple, Record:
		return t.parseElems(b, s)
	}
	return fmt.Errorf("%s has no text form", t)
}

func (t Type) parseInt(b []byte, s string) error {
	bits := 8 * t.Width
	if t.Signed {
		digits, negative := strings.CutPrefix(s, "-")
		n, err := parseUint(digits)
		limit := uint64(1) << (bits - 1)
		if err != nil || !negative && n >= limit || n > limit {
			return t.fail(s, "%d to %d", -int64(limit), int64(limit-1))
		}
		if negative {
			n = -n
		}
		t.PutWord(b, n)
		return nil
	}
	n, err := parseUint(s)
	limit := ^uint64(0) >> (64 - bits)
	if err != nil || n > limit {
		return t.fail(s, "0 to %d", limit)
	}
	t.PutWord(b, n)
	return nil
}

func parseUint(s string) (uint64, error) {
	if h, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		return strconv.ParseUint(h, 16, 64)
	}
	return strconv.ParseUint(s, 10, 64)
}

var addrForms = map[Kind]string{
	IP4: "an address like 192.0.2.1", IP6: "an address like 2001:db8::1",
	IP: "an address like 192.0.2.1 or 2001:db8::1",
}

func (t Type) parseAddr(b []byte, s string) error {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || t.Kind == IP4 && !a.Is4() || t.Kind == IP6 && !a.Is6() {
		return t.fail(s, "%s", addrForms[t.Kind])
	}
	putAddr(b, a)
	return nil
}

// putAddr stores a in b: four octets, or sixteen with IPv4 mapped.
func putAddr(b []byte, a netip.Addr) {
	if len(b) == 4 {
		o := a.As4()
		copy(b, o[:])
		return
	}
	o := a.As16()
	copy(b, o[:])
}

var prefixForms = map[Kind]string{
	Prefix4: "a prefix like 10.0.0.0/8", Prefix6: "a prefix like 2001:db8::/32",
	Prefix: "a prefix like 10.0.0.0/8 or 2001:db8::/32",
}

func (t Type) parsePrefix(b []byte, s string) error {
	addr, length, cut := strings.Cut(s, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Zone() != "" || t.Kind == Prefix4 && !a.Is4() || t.Kind == Prefix6 && !a.Is6() {
		return t.fail(s, "%s", prefixForms[t.Kind])
	}
	n := a.BitLen()
	if cut {
		u, err := strconv.ParseUint(length, 10, 8)
		if err != nil || int(u) > a.BitLen() {
			return t.fail(s, "a length of 0 to %d", a.BitLen())
		}
		n = int(u)
	}
	if p := netip.PrefixFrom(a, n).Masked(); p.Addr() != a {
		return t.fail(s, "no bits behind the length: %s", p)
	}
	if t.Kind == Prefix {
		PutFamily(b, a.Is4(), n)
		putAddr(b[8:], a)
		return nil
	}
	binary.NativeEndian.PutUint32(b, uint32(n))
	putAddr(b[4:], a)
	return nil
}

// familyBits is the length of the word that stands before the address in a key
// of kind Prefix.
const familyBits = 32

// PutFamily writes the first two words of a key of kind Prefix: its length, and
// the family, 4 or 6, so that no prefix of one family matches an address of the
// other. bits is the length within the address as people write it.
//
//	| prefix length | family | address, IPv4 as ::ffff:a.b.c.d |
//	0               4        8                                 24
func PutFamily(b []byte, ip4 bool, bits int) {
	b[4] = 6
	if ip4 {
		b[4] = 4
		bits += 96
	}
	binary.NativeEndian.PutUint32(b, uint32(familyBits+bits))
}

// Family reads what [PutFamily] wrote.
func Family(b []byte) (ip4 bool, bits int) {
	bits = int(binary.NativeEndian.Uint32(b)) - familyBits
	if b[4] == 4 {
		return true, bits - 96
	}
	return false, bits
}
