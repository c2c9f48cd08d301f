package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/spell"
	"weir/lang/diag"
)

// A Decoder turns nodes into values and gathers what is wrong with them.
type Decoder struct {
	Diags diag.List
}

// An Unmarshaler reads itself: a value that may be written in several ways.
type Unmarshaler interface {
	UnmarshalNode(d *Decoder, n *Node)
}

// Named is a mapping from names that people choose, in the order of the file.
type Named[V any] []Entry[V]

// An Entry is a name of a Named and its value.
type Entry[V any] struct {
	Pos   diag.Pos // of the name
	Key   string
	Value V
}

func (Named[V]) named() {}

var (
	posType         = reflect.TypeFor[diag.Pos]()
	durationType    = reflect.TypeFor[time.Duration]()
	namedType       = reflect.TypeFor[interface{ named() }]()
	unmarshalerType = reflect.TypeFor[Unmarshaler]()
	textType        = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// Errorf adds an error at n.
func (d *Decoder) Errorf(n *Node, hint, format string, args ...any) {
	d.Diags = append(d.Diags, diag.Diagnostic{Pos: n.Pos, Code: "config", Message: fmt.Sprintf(format, args...), Hint: hint})
}

// Decode reads n into the value that v points at:
//
//   - a struct from a mapping, by the yaml tags of its fields; a field called Pos of
//     type [diag.Pos] is given the place. A tag enum:"a,b" says what a string may be
//   - a slice from a list, or from one value alone
//   - a [Named] from a mapping
//   - strings, booleans, integers, time.Duration, and what unmarshals text, from a
//     value; a pointer from what it points at
//
// What is null leaves a value as it is.
func (d *Decoder) Decode(n *Node, v any) { d.decode(n, reflect.ValueOf(v).Elem(), "") }

func (d *Decoder) decode(n *Node, v reflect.Value, enum string) {
	if n == nil || n.Kind == Null {
		return
	}
	t := v.Type()
	switch {
	case v.CanAddr() && reflect.PointerTo(t).Implements(unmarshalerType):
		v.Addr().Interface().(Unmarshaler).UnmarshalNode(d, n)
	case t == durationType:
		if d.Want(n, Scalar) {
			d.duration(n, v)
		}
	case reflect.PointerTo(t).Implements(textType):
		if d.Want(n, Scalar) {
			if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Text)); err != nil {
				d.Errorf(n, "", "%q: %v", n.Text, err)
			}
		}
	case t.Kind() == reflect.Pointer:
		x := reflect.New(t.Elem())
		d.decode(n, x.Elem(), enum)
		v.Set(x)
	case t.Implements(namedType):
		d.named(n, v)
	case t.Kind() == reflect.Slice:
		d.list(n, v, enum)
	case t.Kind() == reflect.Struct:
		d.fields(n, v)
	default:
		if d.Want(n, Scalar) {
			d.scalar(n, v, enum)
		}
	}
}

// Want adds an error, and returns false, if n is of another kind.
func (d *Decoder) Want(n *Node, k Kind) bool {
	if n.Kind != k {
		d.Errorf(n, "", "this is %s, and %s is wanted", n.Kind, k)
	}
	return n.Kind == k
}

func (d *Decoder) named(n *Node, v reflect.Value) {
	if !d.Want(n, Map) {
		return
	}
	for i, k := range n.Keys {
		e := reflect.New(v.Type().Elem()).Elem()
		e.FieldByName("Pos").Set(reflect.ValueOf(k.Pos))
		e.FieldByName("Key").SetString(k.Text)
		d.decode(n.Items[i], e.FieldByName("Value"), "")
		v.Set(reflect.Append(v, e))
	}
}

func (d *Decoder) list(n *Node, v reflect.Value, enum string) {
	items := n.Items
	if n.Kind != List { // one alone
		items = []*Node{n}
	}
	for _, x := range items {
		e := reflect.New(v.Type().Elem()).Elem()
		d.decode(x, e, enum)
		v.Set(reflect.Append(v, e))
	}
}

// fieldsOf returns the fields of a struct that have keys.
func fieldsOf(t reflect.Type) (keys []string, fields []reflect.StructField) {
	for _, f := range reflect.VisibleFields(t) {
		if key := f.Tag.Get("yaml"); key != "" && f.IsExported() {
			keys, fields = append(keys, key), append(fields, f)
		}
	}
	return keys, fields
}

func (d *Decoder) fields(n *Node, v reflect.Value) {
	keys, fields := fieldsOf(v.Type())
	if p := v.FieldByName("Pos"); p.IsValid() && p.Type() == posType {
		p.Set(reflect.ValueOf(n.Pos))
	}
	if !d.Want(n, Map) {
		return
	}
	for i, k := range n.Keys {
		at := slices.Index(keys, k.Text)
		if at < 0 {
			d.Unknown(k, keys)
			continue
		}
		f := fields[at]
		d.decode(n.Items[i], v.FieldByIndex(f.Index), f.Tag.Get("enum"))
	}
}

// Unknown adds an error about a key that is none of those that there are.
func (d *Decoder) Unknown(key *Node, keys []string) {
	hint := "there are " + strings.Join(slices.Sorted(slices.Values(keys)), ", ")
	if near := spell.Nearest(key.Text, keys); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.Errorf(key, hint, "no key is called %q here", key.Text)
}

func (d *Decoder) duration(n *Node, v reflect.Value) {
	x, err := time.ParseDuration(n.Text)
	if err != nil || x < 0 {
		d.Errorf(n, "write it as 10s, 1h30m or 250ms", "%q is no time", n.Text)
		return
	}
	v.SetInt(int64(x))
}

// scalar sets a string, boolean or integer.
func (d *Decoder) scalar(n *Node, v reflect.Value, enum string) {
	switch v.Kind() {
	case reflect.String:
		if may := strings.Split(enum, ","); enum != "" && !slices.Contains(may, n.Text) {
			d.Errorf(n, "it may be "+strings.Join(may, ", "), "%q is not one of these", n.Text)
			return
		}
		v.SetString(n.Text)
	case reflect.Bool:
		if n.Text != "true" && n.Text != "false" {
			d.Errorf(n, "write true or false", "%q is neither true nor false", n.Text)
			return
		}
		v.SetBool(n.Text == "true")
	case reflect.Int, reflect.Int32, reflect.Int64:
		x, err := strconv.ParseInt(n.Text, 0, v.Type().Bits())
		if err != nil {
			d.Errorf(n, "", "%q is no integer of %d bits", n.Text, v.Type().Bits())
			return
		}
		v.SetInt(x)
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		x, err := strconv.ParseUint(n.Text, 0, v.Type().Bits())
		if err != nil {
			d.Errorf(n, "", "%q is no integer from 0 of %d bits", n.Text, v.Type().Bits())
			return
		}
		v.SetUint(x)
	default:
		panic("config: no value is decoded into a " + v.Type().String())
	}
}
