package object

import (
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// A Map is a map that an object declares.
type Map struct {
	Name       string
	Type       string // as the kernel calls it: Hash, LRUHash, Array, …
	Key, Value Type   // Void where a map has none
	MaxEntries int
	NoPrealloc bool
}

// A Section is variables of an object, which become one value of an array.
type Section struct {
	Name    string // .data, .bss, .rodata, or one of these with more behind it
	Const   bool   // nobody writes to it
	Content []byte
	Vars    []Field // in order of their offsets
}

const noPrealloc = 1 // BPF_F_NO_PREALLOC

// addMaps takes the maps and variables out of a spec.
func (o *Object) addMaps(spec *ebpf.CollectionSpec) {
	for name, m := range spec.Maps {
		if ds, ok := m.Value.(*btf.Datasec); ok || strings.HasPrefix(name, ".") {
			if name == ".kconfig" {
				continue // what reads it is refused
			}
			s := &Section{Name: name, Const: strings.HasPrefix(name, ".rodata")}
			s.Content, _ = m.Contents[0].Value.([]byte)
			if ds != nil {
				s.variables(ds)
			}
			o.Sections = append(o.Sections, s)
			continue
		}
		o.Maps = append(o.Maps, &Map{
			Name: name, Type: m.Type.String(), MaxEntries: int(m.MaxEntries), NoPrealloc: m.Flags&noPrealloc != 0,
			Key: keyOf(m.Key, m.KeySize), Value: keyOf(m.Value, m.ValueSize),
		})
		if m.Type == ebpf.RingBuf && m.Value != nil { // of which the kernel knows nothing
			o.Maps[len(o.Maps)-1].Value = typeOf(m.Value)
		}
	}
	slices.SortFunc(o.Maps, func(a, b *Map) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(o.Sections, func(a, b *Section) int { return strings.Compare(a.Name, b.Name) })
}

// keyOf is the type of a key or value; where only its size is known, octets.
func keyOf(t btf.Type, size uint32) Type {
	if size == 0 {
		return Type{Kind: Void}
	}
	if t == nil {
		return Type{Kind: Array, Size: int(size)}
	}
	return typeOf(t)
}

func (s *Section) variables(ds *btf.Datasec) {
	for _, v := range ds.Vars {
		if x, ok := v.Type.(*btf.Var); ok {
			t := typeOf(x.Type)
			if _, ok := x.Type.(*btf.Const); ok && !volatile(x.Type) {
				t.Kind = Array // what the compiler knows to be constant it need not read
			}
			s.Vars = append(s.Vars, Field{x.Name, int(v.Offset), t})
		}
	}
	slices.SortFunc(s.Vars, func(a, b Field) int { return a.Offset - b.Offset })
}

// volatile reports whether a variable is const volatile: set before a program runs.
func volatile(t btf.Type) bool {
	for {
		switch u := t.(type) {
		case *btf.Const:
			t = u.Type
		case *btf.Volatile:
			return true
		default:
			return false
		}
	}
}

// Settable returns the variables that are const volatile numbers: those that who
// loads an object sets.
func (s *Section) Settable() []Field {
	var out []Field
	for _, v := range s.Vars {
		if s.Const && (v.Type.Kind == Int && !v.Type.Big || v.Type.Kind == Bool) {
			out = append(out, v)
		}
	}
	return out
}
