package value

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	flow   = Type{Kind: Tuple, Elems: []Type{IP4T, U16}}
	stats  = Type{Kind: Record, Names: []string{"n", "src", "last"}, Elems: []Type{U8, IPT, I64}}
	nested = Type{Kind: Record, Names: []string{"flow", "ok"}, Elems: []Type{flow, BoolT}}
)

func TestText(t *testing.T) {
	tests := []struct {
		name string
		typ  Type
		in   string
		hex  string // little-endian machine
		out  string // empty: as in
	}{
		{name: "u8", typ: U8, in: "255", hex: "ff"},
		{name: "u16 hexadecimal", typ: U16, in: "0x1F", hex: "1f00", out: "31"},
		{name: "u64 greatest", typ: U64, in: "18446744073709551615", hex: "ffffffffffffffff"},
		{name: "i64 least", typ: I64, in: "-9223372036854775808", hex: "0000000000000080"},
		{name: "i8 minus one", typ: Type{Kind: Int, Width: 1, Signed: true}, in: "-1", hex: "ff"},
		{name: "i16 hexadecimal", typ: Type{Kind: Int, Width: 2, Signed: true}, in: "-0x2", hex: "feff", out: "-2"},
		{name: "bool", typ: BoolT, in: "true", hex: "01", out: "True"},
		{name: "ip4", typ: IP4T, in: "192.0.2.1", hex: "c0000201"},
		{name: "ip6", typ: IP6T, in: "2001:DB8:0:0::1", hex: "20010db8000000000000000000000001", out: "2001:db8::1"},
		{name: "ip of IPv4", typ: IPT, in: "192.0.2.1", hex: "00000000000000000000ffffc0000201"},
		{name: "ip of IPv6", typ: IPT, in: "::1", hex: "00000000000000000000000000000001"},
		{name: "mac", typ: MACT, in: "02:00:00:00:00:01", hex: "020000000001"},
		{name: "octets", typ: Type{Kind: Octets, Width: 4}, in: "0x47455420", hex: "47455420", out: "47455420"},
		{name: "text", typ: Type{Kind: Octets, Width: 8, Text: true}, in: "a.org", hex: "612e6f7267000000"},
		{name: "text as octets", typ: Type{Kind: Octets, Width: 2, Text: true}, in: "0x6162", hex: "6162", out: "ab"},
		{name: "text that is no word", typ: Type{Kind: Octets, Width: 3, Text: true}, in: "0x612062", hex: "612062"},
		{name: "text of nothing", typ: Type{Kind: Octets, Width: 2, Text: true}, in: "0x0000", hex: "0000"},
		{name: "text with zeros inside", typ: Type{Kind: Octets, Width: 4, Text: true}, in: "0x61006200", hex: "61006200"},
		{name: "text in a tuple", typ: Type{Kind: Tuple, Elems: []Type{{Kind: Octets, Width: 8, Text: true}, U8}}, in: "(a.org, 7)",
			hex: "612e6f72670000000700000000000000"},
		{name: "prefix4", typ: Type{Kind: Prefix4}, in: "10.0.0.0/8", hex: "080000000a000000"},
		{name: "prefix4 of an address", typ: Type{Kind: Prefix4}, in: "10.0.0.1", hex: "200000000a000001", out: "10.0.0.1/32"},
		{name: "prefix6", typ: Type{Kind: Prefix6}, in: "2001:db8::/32", hex: "2000000020010db8000000000000000000000000"},
		{name: "prefix of IPv4", typ: Type{Kind: Prefix}, in: "10.0.0.0/8", hex: "880000000400000000000000000000000000ffff0a000000"},
		{name: "prefix of all IPv4", typ: Type{Kind: Prefix}, in: "0.0.0.0/0", hex: "800000000400000000000000000000000000ffff00000000"},
		{name: "prefix of everything", typ: Type{Kind: Prefix}, in: "::/0", hex: "2000000006000000" + strings.Repeat("00", 16)},
		{name: "tuple", typ: flow, in: "( 192.0.2.1 ,0x35)", hex: "c000020135000000", out: "(192.0.2.1, 53)"},
		{name: "record", typ: stats, in: "{n: 1, src: 2001:db8::1, last: -1}",
			hex: "0100000000000000" + "20010db8000000000000000000000001" + "ffffffffffffffff"},
		{name: "record in another order, one field missing", typ: stats, in: "{last:2,n:1}",
			hex: "0100000000000000" + strings.Repeat("00", 16) + "0200000000000000", out: "{n: 1, src: ::, last: 2}"},
		{name: "nested", typ: nested, in: "{flow: (1.2.3.4, 5), ok: True}", hex: "010203040500000001000000"},
		{name: "nothing", typ: Type{}, in: "", hex: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.typ.Parse(tt.in)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.in, err)
			}
			if got := hex.EncodeToString(b); got != tt.hex {
				t.Errorf("Parse(%q) = %s, want %s", tt.in, got, tt.hex)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if got := tt.typ.Format(b); got != want {
				t.Errorf("Format(Parse(%q)) = %q, want %q", tt.in, got, want)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		typ      Type
		in, want string
	}{
		{U16, "70000", `"70000" is not a u16 (want 0 to 65535)`},
		{U16, "", `"" is not a u16 (want 0 to 65535)`},
		{U8, "-1", `"-1" is not a u8 (want 0 to 255)`},
		{I64, "9223372036854775808", `"9223372036854775808" is not an i64 (want -9223372036854775808 to 9223372036854775807)`},
		{BoolT, "1", `"1" is not a bool (want True or False)`},
		{IP4T, "::1", `"::1" is not an ip4 (want an address like 192.0.2.1)`},
		{IP6T, "fe80::1%eth0", `"fe80::1%eth0" is not an ip6 (want an address like 2001:db8::1)`},
		{MACT, "02:00", `"02:00" is not a mac (want six octets like 02:00:00:00:00:01)`},
		{Type{Kind: Octets, Width: 2}, "0102ff", `"0102ff" is not an octets(2) (want 4 hexadecimal digits)`},
		{Type{Kind: Prefix4}, "10.0.0.1/8", `"10.0.0.1/8" is not a prefix4 (want no bits behind the length: 10.0.0.0/8)`},
		{Type{Kind: Prefix4}, "10.0.0.0/33", `"10.0.0.0/33" is not a prefix4 (want a length of 0 to 32)`},
		{flow, "192.0.2.1", `"192.0.2.1" is not a (ip4, u16) (want (ip4, u16))`},
		{flow, "(192.0.2.1, x)", `element 2: "x" is not a u16 (want 0 to 65535)`},
		{flow, "(1.2.3.4, 1, 2)", `"(1.2.3.4, 1, 2)" is not a (ip4, u16) (want (ip4, u16))`},
		{stats, "{m: 1}", `"{m: 1}" is not a record(n = u8, src = ip, last = i64) (want {n: u8, src: ip, last: i64})`},
		{stats, "{n: 1, n: 2}", `"{n: 1, n: 2}" is not a record(n = u8, src = ip, last = i64) (want {n: u8, src: ip, last: i64})`},
		{stats, "{n: 300}", `field n: "300" is not a u8 (want 0 to 255)`},
		{nested, "{flow: (1.2.3.4, 5}}", `"{flow: (1.2.3.4, 5}}" is not a record(flow = (ip4, u16), ok = bool) (want {flow: (ip4, u16), ok: bool})`},
		{Type{}, "1", `"1": a set has no values`},
	}
	for _, tt := range tests {
		_, err := tt.typ.Parse(tt.in)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s.Parse(%q): got %v\nwant %s", tt.typ, tt.in, err, tt.want)
		}
	}
	_, err := flow.Parse("(192.0.2.1, x)")
	var e *Error
	if !errors.As(err, &e) || !e.Type.Equal(U16) {
		t.Errorf("error %v holds no *Error of u16", err)
	}
}

func TestWord(t *testing.T) {
	i8 := Type{Kind: Int, Width: 1, Signed: true}
	for _, tt := range []struct {
		typ  Type
		text string
		want uint64
	}{{i8, "-1", ^uint64(0)}, {i8, "127", 127}, {U32, "4294967295", 1<<32 - 1}, {BoolT, "True", 1}} {
		n, err := tt.typ.ParseWord(tt.text)
		if err != nil || n != tt.want {
			t.Errorf("%s.ParseWord(%q) = %#x, %v, want %#x", tt.typ, tt.text, n, err, tt.want)
		}
		if got := tt.typ.FormatWord(n); got != tt.text {
			t.Errorf("%s.FormatWord(%#x) = %q, want %q", tt.typ, n, got, tt.text)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range [][3]string{
		{"10.0.0.0/8", "10.0.0.0/8", ""},
		{" 10.0.0.0/8\t 7 ", "10.0.0.0/8", "7"},
		{"(1.2.3.4, 5) {a: 1, b: 2}", "(1.2.3.4, 5)", "{a: 1, b: 2}"},
		{"{a: (1, 2), b: 3} x y", "{a: (1, 2), b: 3}", "x y"},
	} {
		key, rest := Cut(tt[0])
		if diff := cmp.Diff([]string{tt[1], tt[2]}, []string{key, rest}); diff != "" {
			t.Errorf("Cut(%q) (-want +got):\n%s", tt[0], diff)
		}
	}
}

// fuzzTypes are the types among which the fuzz targets choose.
var fuzzTypes = []Type{
	U8, U16, U32, U64, I64, BoolT, IP4T, IP6T, IPT, MACT, {Kind: Octets, Width: 3},
	{Kind: Prefix4}, {Kind: Prefix6}, {Kind: Prefix}, flow, stats, nested,
}

// What Parse accepts, Format writes in a form that is parsed to the same octets.
func FuzzParse(f *testing.F) {
	for i, s := range []string{"1", "0x10", "-1", "True", "1.2.3.4", "::1", "10.0.0.0/8", "(1.2.3.4, 5)", "{n: 1}"} {
		f.Add(i, s)
	}
	f.Fuzz(func(t *testing.T, i int, s string) {
		typ := fuzzTypes[uint(i)%uint(len(fuzzTypes))]
		b, err := typ.Parse(s)
		if err != nil {
			return
		}
		again, err := typ.Parse(typ.Format(b))
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("%s: %q parsed to %x, formatted to %q, parsed to %x, %v", typ, s, b, typ.Format(b), again, err)
		}
	})
}

// Every stored value that is no prefix has a text form that reads back to a
// value with the same text.
func FuzzFormat(f *testing.F) {
	f.Add(0, []byte{1})
	f.Add(7, bytes.Repeat([]byte{0xff}, 16))
	f.Add(15, bytes.Repeat([]byte{0x80}, 32))
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		typ := fuzzTypes[uint(i)%uint(len(fuzzTypes))]
		if typ.Kind == Prefix4 || typ.Kind == Prefix6 || typ.Kind == Prefix || len(b) < typ.Size() {
			return
		}
		s := typ.Format(b[:typ.Size()])
		again, err := typ.Parse(s)
		if err != nil || typ.Format(again) != s {
			t.Fatalf("%s: %x formatted to %q, parsed to %x, %v", typ, b, s, again, err)
		}
	})
}
