package ref

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
)

// recordType is record(a = u32, …). Called, it makes a record.
type recordType struct {
	opaque
	names []string
	types []typ
}

func (t *recordType) String() string { return "record type" }
func (t *recordType) Type() string   { return "type" }
func (t *recordType) Name() string   { return "record" }

func newRecordType(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) != 0 || len(kwargs) == 0 {
		return nil, fmt.Errorf("record: want fields, as in record(a = u32)")
	}
	t := &recordType{}
	for _, kw := range kwargs {
		ft, err := typeOf(kw[1])
		if err != nil {
			return nil, fmt.Errorf("record: field %s: %w", kw[0], err)
		}
		t.names = append(t.names, string(kw[0].(starlark.String)))
		t.types = append(t.types, ft)
	}
	return t, nil
}

func (t *recordType) field(name string) int {
	for i, n := range t.names {
		if n == name {
			return i
		}
	}
	return -1
}

// CallInternal makes a record at build time.
func (t *recordType) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	named := map[string]value{}
	for _, kw := range kwargs {
		named[string(kw[0].(starlark.String))] = toPacket(kw[1])
	}
	r, err := t.build(toPacket(args).(starlark.Tuple), named)
	if err != nil {
		return nil, err
	}
	r.fixed = true
	return r, nil
}

// build makes a record; fields that are not given are zero.
func (t *recordType) build(args []value, named map[string]value) (*recordObj, error) {
	r := t.zero().(*recordObj)
	r.absent = false
	if len(args) > len(t.names) {
		return nil, fmt.Errorf("record: %d values for %d fields", len(args), len(t.names))
	}
	for i, v := range args {
		if err := r.set(t.names[i], v); err != nil {
			return nil, err
		}
	}
	for name, v := range named {
		if err := r.set(name, v); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// zero is the reference to no record: false, its fields zero.
func (t *recordType) zero() value {
	r := &recordObj{typ: t, absent: true}
	for _, ft := range t.types {
		z := ft.zero()
		if inner, ok := z.(*recordObj); ok {
			inner.absent = false
		}
		r.vals = append(r.vals, z)
	}
	return r
}

// store copies: a map, or a record around it, keeps a record of its own.
func (t *recordType) store(v value) (value, error) {
	r, ok := v.(*recordObj)
	if !ok || r.typ != t {
		return nil, fmt.Errorf("%s cannot be stored as this record", v.Type())
	}
	out := t.zero().(*recordObj)
	out.absent = false
	for i, fv := range r.vals {
		kept, err := t.types[i].store(fv)
		if err != nil {
			return nil, err
		}
		out.vals[i] = kept
	}
	return out, nil
}

func (t *recordType) shape() shape { return shape{rec: t} }

// recordObj is a record, or the reference to a map's entry: the entry's own
// record. absent marks the reference to an entry that is not there; fixed a
// record of build time. written is called after each write, so that a map
// knows when its entry was written last.
type recordObj struct {
	opaque
	typ           *recordType
	vals          []value
	absent, fixed bool
	written       func()
}

func (r *recordObj) Type() string { return "record" }

func (r *recordObj) String() string {
	var parts []string
	for i, name := range r.typ.names {
		parts = append(parts, name+": "+r.vals[i].String())
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (r *recordObj) get(name string) (value, error) {
	i := r.typ.field(name)
	if i < 0 {
		return nil, fmt.Errorf("the record has no field %s", name)
	}
	if inner, ok := r.vals[i].(*recordObj); ok {
		part := *inner
		part.absent, part.fixed, part.written = r.absent, r.fixed, r.written
		return &part, nil
	}
	if o, ok := r.vals[i].(octets); ok {
		return octets{o.text, !r.absent, o.shown}, nil
	}
	return r.vals[i], nil
}

func (r *recordObj) set(name string, v value) error {
	i := r.typ.field(name)
	if i < 0 {
		return fmt.Errorf("the record has no field %s", name)
	}
	if r.fixed {
		return fmt.Errorf("a record of build time cannot be changed")
	}
	kept, err := r.typ.types[i].store(v)
	if err != nil {
		return fmt.Errorf("field %s: %w", name, err)
	}
	if r.absent {
		return nil
	}
	if inner, ok := r.vals[i].(*recordObj); ok {
		copy(inner.vals, kept.(*recordObj).vals)
	} else {
		r.vals[i] = kept
	}
	if r.written != nil {
		r.written()
	}
	return nil
}
