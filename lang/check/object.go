package check

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
	"weir/object"
)

// An Object is a C object as a module: its global functions, its maps, its const
// volatile variables (params) and the structs that its functions take (records) can
// be loaded from it.
type Object struct {
	File   string
	Octets []byte
	Funcs  []string // that are called, sorted

	object   *object.Object
	maps     map[string]*Map // by the object's names of maps and sections
	lacking  map[string]lack // maps that weir does not make
	settable []settable
	pos      diag.Pos // of the load that brought it
}

// A settable is a variable that is a param.
type settable struct {
	section string
	field   object.Field
	param   *Param
}

// A Variable is a variable of a section of an object that is a param.
type Variable struct {
	Section      string
	Offset, Size int
	Param        *Param
}

// Symbol returns the name that a function of an object has in the program, an
// identifier of C. No function of a chain has two _ after the name of a file.
func Symbol(o *Object, name string) string {
	l := object.Link{Prefix: object.Prefix(Name(o.File))}
	return l.Symbol(name)
}

// Maps returns what the maps and sections of the object are called in the object,
// and which maps they are, by the names in the object.
func (o *Object) Maps() (names []string, maps []*Map) {
	names = sortedKeys(o.maps)
	for _, n := range names {
		maps = append(maps, o.maps[n])
	}
	return names, maps
}

// Variables returns the variables of the object that are params.
func (o *Object) Variables() []Variable {
	var out []Variable
	for _, s := range o.settable {
		out = append(out, Variable{s.section, s.field.Offset, s.field.Type.Size, s.param})
	}
	return out
}

func isObject(file string) bool { return strings.HasSuffix(file, ".o") }

// object makes a module of a C object.
func (b *builder) object(file string, octets []byte) (*module, error) {
	obj, err := object.Read(octets)
	var bad *object.Error
	if errors.As(err, &bad) {
		return nil, fault("load", bad.Hint, "%s cannot be loaded: %s", file, bad.Message)
	}
	for _, x := range b.objects {
		if Name(x.File) == Name(file) {
			return nil, fault("load", "rename one of the files: functions and maps are called after it", "two objects are called %s: %s and %s", Name(file), x.File, file)
		}
	}
	o := &Object{
		File: file, Octets: octets, object: obj, maps: map[string]*Map{}, lacking: map[string]lack{},
		pos: callerPos(b.thread),
	}
	m := &module{name: file, globals: starlark.StringDict{}, loaded: map[string]starlark.Value{}, object: o}
	bind := func(name string, v starlark.Value) {
		if m.globals[name] == nil {
			m.globals[name] = v
			m.order = append(m.order, &syntax.Ident{Name: name})
		}
	}
	for _, f := range obj.Funcs {
		bind(f.Name, &cFunc{f, o})
	}
	for _, x := range obj.Maps {
		if d := b.objectMap(o, x); d != nil {
			bind(x.Name, &mapVal{d})
		}
	}
	for _, s := range obj.Sections {
		b.section(o, s, bind)
	}
	for _, s := range obj.Structs {
		if t, err := recordOf(&s); err == nil {
			bind(s.Name, &typeVal{t})
		}
	}
	b.modules[path.Clean(file)] = m
	b.objects = append(b.objects, o)
	return m, nil
}

// section makes the variables of an object a map and params. Sections are called
// after what they hold: data, bss, rodata.
func (b *builder) section(o *Object, s *object.Section, bind func(string, starlark.Value)) {
	if len(s.Content) == 0 {
		return
	}
	for _, f := range s.Settable() {
		x := &Param{Type: value.BoolT, Pos: o.pos, Default: atFirst(s.Content[f.Offset:], f.Type)}
		if f.Type.Kind == object.Int {
			x.Type = value.Type{Kind: value.Int, Width: f.Type.Size, Signed: f.Type.Signed}
		}
		b.params = append(b.params, x)
		o.settable = append(o.settable, settable{s.Name, f, x})
		bind(f.Name, &paramVal{x, b.thread})
	}
	m := &Map{
		Kind: Array, Key: value.U32, Value: octetsOf(len(s.Content)), Size: 1, Const: s.Const, Pos: o.pos,
		Init: []Entry{{make([]byte, 4), s.Content}},
	}
	if t, err := recordOf(&object.Struct{Size: len(s.Content), Fields: s.Vars}); err == nil {
		m.Value = t
	}
	o.maps[s.Name] = m
	b.maps = append(b.maps, m)
	bind(strings.TrimPrefix(s.Name, "."), &mapVal{m})
}

// atFirst is the number that a variable holds at first.
func atFirst(content []byte, t object.Type) uint64 {
	v := value.Type{Kind: value.Int, Width: t.Size, Signed: t.Signed}
	return v.Word(content)
}

// mapKinds are the kinds of maps that an object may have.
var mapKinds = map[string]struct {
	kind   MapKind
	perCPU bool
}{
	"Hash": {Table, false}, "PerCPUHash": {Table, true}, "LRUHash": {LRU, false}, "LRUCPUHash": {LRU, true},
	"Array": {Array, false}, "PerCPUArray": {Array, true}, "LPMTrie": {LPM, false}, "RingBuf": {Ring, false},
	"Queue": {Queue, false}, "Stack": {Stack, false}, "BloomFilter": {Bloom, false},
}

// A lack is a kind of map that weir does not make, and what to do about it.
type lack struct{ kind, hint string }

const otherMaps = "a map of an object is an array, a hash, an lpm trie of prefixes, a ring buffer, a queue, a stack or a bloom filter"

// lackOf says what to do about a map of a kind that there is not.
func lackOf(kind string) lack {
	hint := otherMaps
	switch kind {
	case "ProgramArray":
		hint = "a tail call does not come back to the chain: make the programs functions, and call them"
	case "ArrayOfMaps", "HashOfMaps":
		hint = "which maps are in it is not kept when a chain is swapped: use one map, with what chooses the inner one as a part of its key"
	case "DevMap", "DevMapHash":
		hint = `nothing would be in it: let the function give the number of an interface, and the chain return redirect(n), or redirect("eth1")`
	case "CPUMap":
		hint = "nothing would be in it: let the function give the number of a CPU, and the chain return redirect_cpu(n)"
	case "XSKMap":
		hint = "nothing would be in it: let the function give the number of a queue, and the chain return to_user(n)"
	case "PerfEventArray":
		hint = "use a ring buffer (BPF_MAP_TYPE_RINGBUF)"
	}
	article := "a "
	if strings.ContainsAny(kind[:1], "AEIX") {
		article = "an "
	}
	return lack{article + kind, hint}
}

// unlike says why a struct of that name, which a function takes, is no record.
func (o *Object) unlike(name string) string {
	for i := range o.object.Structs {
		if s := &o.object.Structs[i]; s.Name == name {
			if _, err := recordOf(s); err != nil {
				return fmt.Sprintf("no record is like struct %s (%s): %s", name, err, unlikeHint)
			}
		}
	}
	return ""
}

// unlikeHint is what to do about a struct that no record is like.
const unlikeHint = "use whole integers, each where C would lay it by itself, and shifts and masks for what is in them"

// objectMap makes a map of an object one of the program, or nil if there is none
// like it in the language; who calls a function that needs it is told.
func (b *builder) objectMap(o *Object, x *object.Map) *Map {
	k, ok := mapKinds[x.Type]
	if !ok {
		o.lacking[x.Name] = lackOf(x.Type)
		return nil
	}
	m := &Map{Kind: k.kind, PerCPU: k.perCPU, Size: x.MaxEntries, Key: valueOf(x.Key), Value: valueOf(x.Value), Pos: o.pos}
	switch k.kind {
	case Array:
		m.Key = value.U32
	case LPM:
		prefixes := map[int]value.Kind{8: value.Prefix4, 20: value.Prefix6}
		if m.Key = (value.Type{Kind: prefixes[x.Key.Size]}); m.Key.Kind == value.None {
			o.lacking[x.Name] = lack{fmt.Sprintf("an LPMTrie of %d octets a key, not of IPv4 or IPv6 prefixes", x.Key.Size), otherMaps}
			return nil
		}
	case Bloom:
		m.Key, m.Value = m.Value, value.Type{}
	}
	o.maps[x.Name] = m
	b.maps = append(b.maps, m)
	return m
}

// clashes tells of maps and params of objects whose names others have.
func (b *builder) clashes() (ds diag.List) {
	for _, o := range b.objects {
		complain := func(what, name, own string) {
			if base, _, ok := strings.Cut(name, "#"); ok {
				ds = append(ds, diag.Diagnostic{
					Pos: o.pos, Code: "load", Message: fmt.Sprintf("%s %s of %s would be called %s, as another is", what, own, o.File, base),
					Hint: fmt.Sprintf("load it by another name: load(%q, other = %q); or rename the file", "./"+path.Base(o.File), strings.TrimPrefix(own, ".")),
				})
			}
		}
		names, maps := o.Maps()
		for i, m := range maps {
			complain("map", m.Name, names[i])
		}
		for _, s := range o.settable {
			complain("variable", s.param.Name, s.field.Name)
		}
	}
	return ds
}

// addObjects adds the objects whose functions are called.
func (p *Program) addObjects(called map[*Object]map[string]bool) {
	for o, funcs := range called {
		for f := range funcs {
			if !slices.Contains(o.Funcs, f) {
				o.Funcs = append(o.Funcs, f)
			}
		}
		slices.SortFunc(o.Funcs, cmp.Compare[string])
		if !slices.Contains(p.Objects, o) {
			p.Objects = append(p.Objects, o)
		}
	}
}

// valueOf is a type of C as keys and values of maps have it; what the language has
// not is octets.
func valueOf(t object.Type) value.Type {
	if t.Kind == object.Void {
		return value.Type{}
	}
	if v, err := fieldOf(t); err == nil {
		return v
	}
	return octetsOf(t.Size)
}

// fieldOf is a type of C as a field of a record.
func fieldOf(t object.Type) (value.Type, error) {
	switch t.Kind {
	case object.Int:
		if t.Big && t.Size == 4 {
			return value.IP4T, nil
		}
		return value.Type{Kind: value.Int, Width: t.Size, Signed: t.Signed, Big: t.Big && t.Size > 1}, nil
	case object.Bool:
		return value.BoolT, nil
	case object.Struct_:
		return recordOf(t.Struct)
	case object.Array:
		if t.Size == value.MACT.Size() {
			return value.MACT, nil
		}
		return octetsOf(t.Size), nil
	}
	return value.Type{}, fmt.Errorf("it is %s", t.Name)
}

// recordOf is a struct of C as a record of the same layout.
func recordOf(s *object.Struct) (value.Type, error) {
	t := value.Type{Kind: value.Record}
	for _, f := range s.Fields {
		e, err := fieldOf(f.Type)
		if err != nil {
			return t, fmt.Errorf("field %s: %w", f.Name, err)
		}
		t.Names, t.Elems = append(t.Names, f.Name), append(t.Elems, e)
	}
	switch {
	case s.Bits != "":
		return t, fmt.Errorf("field %s is a bit field", s.Bits)
	case len(s.Fields) == 0:
		return t, errors.New("it has no fields")
	}
	for i, f := range s.Fields {
		if at := t.Offset(i); at != f.Offset {
			return t, fmt.Errorf("field %s lies at %d, in a record at %d", f.Name, f.Offset, at)
		}
	}
	if n := t.Size(); n != s.Size {
		return t, fmt.Errorf("it has %d octets, a record %d", s.Size, n)
	}
	return t, nil
}
