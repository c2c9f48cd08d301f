package wtest

import (
	"bytes"
	"fmt"
	"strings"

	"weir/packet"
)

// A piece is a part of a line that shows a header: a field and its value.
type piece struct{ name, text string }

// pieces shows a layer of a frame field by field.
func pieces(frame []byte, l packet.Layer) []piece {
	b := frame[l.Off:][:l.Size]
	if l.Header == packet.None {
		return []piece{{"", excerpt(b)}}
	}
	var out []piece
	for _, f := range fieldsOf(l.Header) {
		if f.Kind == packet.Flag && l.Header == packet.TCP && f.Name != "ae" {
			continue // in flags
		}
		text := read(f, b).String()
		if f.Name == "type" && f.Bytes == 2 || f.Name == "checksum" || f.Name == "flags" {
			text = fmt.Sprintf("0x%0*x", 2*f.Bytes, f.Get(b))
		}
		out = append(out, piece{f.Name, text})
	}
	if n := l.Header.Size(); len(b) > n {
		out = append(out, piece{"options", excerpt(b[n:])})
	}
	return out
}

// shown is how many octets of a payload an excerpt has.
const shown = 16

func excerpt(b []byte) string {
	if len(b) <= shown {
		return fmt.Sprintf("%d octets: % x", len(b), b)
	}
	return fmt.Sprintf("%d octets: % x …", len(b), b[:shown])
}

func title(l packet.Layer) string {
	if l.Header == packet.None {
		return "payload"
	}
	return l.Header.String()
}

// diffPackets shows two frames that are not the same, header by header: those that
// differ twice, with the fields that do marked.
func diffPackets(got, want []byte) []string {
	a, b := packet.Layers(got), packet.Layers(want)
	var out []string
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			out = append(out, "want  "+line(b[i], pieces(want, b[i])))
		case i >= len(b):
			out = append(out, "got   "+line(a[i], pieces(got, a[i])))
		default:
			out = append(out, diffLayers(got, want, a[i], b[i])...)
		}
	}
	return out
}

func diffLayers(got, want []byte, a, b packet.Layer) []string {
	x, y := got[a.Off:][:a.Size], want[b.Off:][:b.Size]
	p, q := pieces(got, a), pieces(want, b)
	if a.Header == b.Header && bytes.Equal(x, y) {
		return []string{"      " + line(a, p)}
	}
	out := []string{"got   " + line(a, p), "want  " + line(b, q)}
	if a.Header == packet.None && b.Header == packet.None {
		return append(out, "      "+whereOctets(x, y))
	}
	if a.Header == b.Header {
		out = append(out, "      "+marks(b, p, q))
	}
	return out
}

// line shows a header in one line.
func line(l packet.Layer, ps []piece) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%-8s", title(l))
	for _, p := range ps {
		s.WriteString(p.cell())
	}
	return strings.TrimRight(s.String(), " ")
}

func (p piece) cell() string { return strings.TrimSpace(p.name+" "+p.text) + "  " }

// marks points at the fields of a line that differ from those of another.
func marks(l packet.Layer, got, want []piece) string {
	var s strings.Builder
	s.WriteString(strings.Repeat(" ", 8))
	for i, p := range want {
		c := " "
		if i >= len(got) || got[i] != p {
			c = "^"
		}
		n := len([]rune(p.cell()))
		s.WriteString(strings.Repeat(c, n-2) + "  ")
	}
	if len(got) > len(want) {
		s.WriteString("^")
	}
	return strings.TrimRight(s.String(), " ")
}

// whereOctets says from where on octets differ.
func whereOctets(got, want []byte) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("        differ from octet %d on: got %s, want %s", i, excerpt(got[i:]), excerpt(want[i:]))
		}
	}
	return fmt.Sprintf("        got %d octets, want %d", len(got), len(want))
}
