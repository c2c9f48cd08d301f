package format

import (
	"reflect"

	"go.starlark.net/syntax"
)

// ignored are the types of fields that say where and how something is written,
// not what it means.
var ignored = map[reflect.Type]bool{
	reflect.TypeFor[syntax.Position]():     true,
	reflect.TypeFor[*syntax.FileOptions](): true,
}

// sameTree reports whether two trees are equal but for positions, comments and
// the way in which literals are written.
func sameTree(a, b *syntax.File) bool {
	return same(reflect.ValueOf(a.Stmts), reflect.ValueOf(b.Stmts))
}

func same(a, b reflect.Value) bool {
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Interface, reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return same(a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		return sameFields(a, b)
	}
	return a.Equal(b)
}

func sameFields(a, b reflect.Value) bool {
	for i := range a.NumField() {
		f := a.Type().Field(i)
		if f.Anonymous || f.Name == "Raw" || ignored[f.Type] {
			continue
		}
		if !same(a.Field(i), b.Field(i)) {
			return false
		}
	}
	return true
}
