package object

import (
	"strings"

	"github.com/cilium/ebpf/btf"
)

// A Kind is a family of C types, as chains see them.
type Kind uint8

// The kinds.
const (
	Void    Kind = iota
	Int          // also an enum, and big-endian numbers: Type.Big
	Bool         // _Bool
	Array        // of Type.Size octets, for fields and maps alone
	Struct_      // by value, for fields and maps alone: Type.Struct
	Pointer      // to a struct of the object: Type.Struct
	Context      // to the kernel's struct Type.Name
	Other        // what no chain can give or take; Type.Size octets
)

// A Type is a C type.
type Type struct {
	Kind   Kind
	Size   int // octets
	Signed bool
	Big    bool   // an Int in network order: __be16, __be32, __be64
	Name   string // in C
	Struct *Struct
}

// A Struct is a struct of an object. One with bit fields has no Fields, and the name of
// the first of them.
type Struct struct {
	Name   string
	Size   int
	Fields []Field
	Bits   string
}

// A Field is a field of a struct, or a variable of a section.
type Field struct {
	Name   string
	Offset int // octets
	Type   Type
}

// contexts are the kernel's structs that stand for packets.
var contexts = map[string]bool{"xdp_md": true, "__sk_buff": true, "bpf_sock_addr": true, "bpf_sk_lookup": true, "bpf_nf_ctx": true}

// typeOf reads a type of BTF.
func typeOf(t btf.Type) Type {
	big := strings.HasPrefix(typedef(t), "__be")
	out := Type{Kind: Other, Name: cName(t)}
	out.Size, _ = btf.Sizeof(t)
	switch u := btf.UnderlyingType(t).(type) {
	case *btf.Void:
		out.Kind = Void
	case *btf.Int:
		switch {
		case u.Size > 8:
			out.Kind = Array
		case u.Encoding == btf.Bool:
			out.Kind = Bool
		default:
			out.Kind, out.Signed, out.Big = Int, u.Encoding == btf.Signed, big
		}
	case *btf.Enum:
		out.Kind, out.Signed = Int, u.Signed
	case *btf.Array:
		out.Kind = Array
	case *btf.Union:
		out.Kind = Array
	case *btf.Struct:
		out.Kind, out.Struct = Struct_, structOf(u)
	case *btf.Pointer:
		return pointer(u, out)
	}
	return out
}

func pointer(p *btf.Pointer, out Type) Type {
	if s, ok := btf.UnderlyingType(p.Target).(*btf.Fwd); ok && contexts[s.Name] {
		out.Kind, out.Name = Context, s.Name
	}
	if s, ok := btf.UnderlyingType(p.Target).(*btf.Struct); ok {
		switch {
		case contexts[s.Name]:
			out.Kind, out.Name = Context, s.Name
		case s.Name != "" || typedef(p.Target) != "":
			out.Kind, out.Struct = Pointer, structOf(s)
			if s.Name == "" {
				out.Struct.Name = typedef(p.Target)
			}
		}
	}
	return out
}

func structOf(s *btf.Struct) *Struct {
	out := &Struct{Name: s.Name, Size: int(s.Size)}
	for _, m := range s.Members {
		if m.BitfieldSize > 0 {
			out.Fields, out.Bits = nil, m.Name
			return out
		}
		t := Type{Kind: Other, Name: cName(m.Type)}
		if _, ok := btf.UnderlyingType(m.Type).(*btf.Pointer); !ok { // which may lead back here
			t = typeOf(m.Type)
		}
		out.Fields = append(out.Fields, Field{m.Name, int(m.Offset.Bytes()), t})
	}
	return out
}

// typedef returns the name that a type has in C, below const and volatile, if it is
// a typedef.
func typedef(t btf.Type) string {
	for {
		switch u := t.(type) {
		case *btf.Const:
			t = u.Type
		case *btf.Volatile:
			t = u.Type
		case *btf.Typedef:
			return u.Name
		default:
			return ""
		}
	}
}

// cName returns a type as C has it, without const and volatile.
func cName(t btf.Type) string {
	switch u := t.(type) {
	case *btf.Void:
		return "void"
	case *btf.Const:
		return cName(u.Type)
	case *btf.Volatile:
		return cName(u.Type)
	case *btf.Pointer:
		return strings.Replace(cName(u.Target)+" *", "* *", "**", 1)
	case *btf.Struct:
		return "struct " + u.Name
	case *btf.Union:
		return "union " + u.Name
	case *btf.Enum:
		return "enum " + u.Name
	case *btf.Array:
		return cName(u.Type) + "[]"
	case *btf.FuncProto:
		return "a function"
	}
	return t.TypeName()
}
