package check

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
	"weir/packet"
)

// A Word is a name of the language, as editors and manuals show it.
type Word struct {
	Name string
	Sign string // how it is called: "u16(off)"; "" if it is not
	Type string // of a field, as people write types; "" if that says nothing
	Text string // a sentence or two
}

// Args returns the names of the arguments of a call.
func (w Word) Args() []string {
	_, in, ok := strings.Cut(w.Sign, "(")
	if !ok {
		return nil
	}
	var names []string
	for _, a := range strings.Split(strings.TrimSuffix(in, ")"), ",") {
		name, _, _ := strings.Cut(a, "=")
		if name = strings.TrimSpace(name); name != "" && name != "…" {
			names = append(names, name)
		}
	}
	return names
}

// Keywords returns the words that Starlark keeps for itself.
func Keywords() []string {
	var words []string
	for t := syntax.AND; t <= syntax.WHILE; t++ {
		if t != syntax.NOT_IN {
			words = append(words, t.String())
		}
	}
	return words
}

// Reserved reports whether a word can be no name in a file.
func Reserved(name string) bool {
	_, ds := Parse("name.weir", []byte(name+" = 1\n"))
	return ds.Err() != nil
}

// Builtins returns the names that every file sees and this version has, sorted.
func Builtins() []Word {
	var out []Word
	for _, name := range builtinNames() {
		out = append(out, wordOf("", name))
	}
	return out
}

func builtinNames() []string {
	d := (&builder{}).predeclared()
	for n, v := range starlark.Universe {
		d[n] = v
	}
	return sortedKeys(d)
}

// Verdicts returns the constants and functions that give a verdict, sorted.
func Verdicts() []string {
	var out []string
	for _, n := range builtinNames() {
		if docs["verdict"][n] != "" {
			out = append(out, n)
		}
	}
	return out
}

// Types returns the names of types, sorted.
func Types() []string {
	var out []string
	d := (&builder{}).predeclared()
	for _, n := range builtinNames() {
		if _, ok := d[n].(*typeVal); ok {
			out = append(out, n)
		}
	}
	return out
}

// Owners returns what has Attributes.
func Owners() []string {
	owners := []string{"packet", "conn", "payload", "map", "address"}
	for _, h := range packet.Headers() {
		owners = append(owners, h.String())
	}
	return owners
}

// Attributes returns what stands behind a dot, sorted by name: of the packet,
// of the connection, of the payload or of a header by its name, of "map" (the methods of all kinds)
// and of the "address" that an ip4 is.
func Attributes(owner string) []Word {
	names := map[string]bool{}
	for n := range docs[owner] {
		names[n] = true
	}
	if owner == "packet" {
		for _, n := range packetAttrs() {
			names[n] = true
		}
	}
	if owner == "conn" {
		for _, n := range connAttrs() {
			names[n] = true
		}
	}
	h := packet.Lookup(owner)
	if h != packet.None || owner == "payload" {
		names["offset"] = true
	}
	for _, f := range h.Fields() {
		names[f.Name] = true
	}
	var out []Word
	for _, n := range sortedKeys(names) {
		e := wordOf(owner, n)
		if f, ok := h.FieldOf(n); ok {
			e.Type = fieldType(f)
		}
		if t, ok := packetFields[n]; ok && owner == "packet" {
			e.Type = t.String()
		}
		if f, ok := connFields[n]; ok && owner == "conn" {
			e.Type = f.typ.String()
		}
		out = append(out, e)
	}
	return out
}

// fieldType is the type of a field as it lies in the packet: u16, 13 bits.
func fieldType(f packet.Field) string {
	t := storedAs(f)
	s := t.String()
	if t.Kind == value.Int && f.Bits != 8*t.Width && !f.Virtual {
		s = itoa(uint64(f.Bits)) + " bits"
	}
	if f.ReadOnly {
		s += ", read only"
	}
	return s
}

// wordOf reads a row of the table. What stands before ": " is how it is called,
// or a second name for the text.
func wordOf(owner, name string) Word {
	e := Word{Name: name, Text: docs[owner][name]}
	if name == "offset" {
		e.Text = "Where it begins in the frame; 0 if it is not there."
	}
	if owner == "" {
		for _, o := range []string{"verdict", "type", "starlark"} {
			if e.Text == "" {
				e.Text = docs[o][name]
			}
		}
	}
	if call, text, ok := strings.Cut(e.Text, ": "); ok && strings.HasPrefix(call, name+"(") {
		e.Sign, e.Text = call, text
	}
	return e
}
