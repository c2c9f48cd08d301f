package config

import (
	"encoding/json"
	"reflect"
	"strings"

	"weir/hook"
)

// An object is a part of a JSON schema.
type object = map[string]any

// Described is a value whose schema its type does not tell.
type Described interface{ Schema() map[string]any }

var describedType = reflect.TypeFor[Described]()

// Schema returns the JSON schema (draft 2020-12) of a file, for editors.
func Schema(sections map[string]func() any) ([]byte, error) {
	top := schemaOf(reflect.TypeFor[file](), "")
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "weir config"
	for name, make := range sections {
		top["properties"].(object)[name] = schemaOf(reflect.TypeOf(make()).Elem(), "")
	}
	b, err := json.MarshalIndent(top, "", "  ")
	return append(b, '\n'), err
}

func schemaOf(t reflect.Type, enum string) object {
	switch {
	case reflect.PointerTo(t).Implements(describedType):
		return reflect.New(t).Interface().(Described).Schema()
	case t == durationType:
		return object{"type": "string", "examples": []string{"10s", "1h30m"}}
	case reflect.PointerTo(t).Implements(textType):
		return object{"type": "string"}
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem(), enum)
	case t.Implements(namedType):
		f, _ := t.Elem().FieldByName("Value")
		return object{"type": "object", "additionalProperties": schemaOf(f.Type, "")}
	case t.Kind() == reflect.Slice:
		one := schemaOf(t.Elem(), enum)
		return object{"oneOf": []object{{"type": "array", "items": one}, one}}
	case t.Kind() == reflect.Struct:
		return structSchema(t)
	}
	return scalarSchema(t, enum)
}

func structSchema(t reflect.Type) object {
	keys, fields := fieldsOf(t)
	props := object{}
	for i, f := range fields {
		p := schemaOf(f.Type, f.Tag.Get("enum"))
		if doc := f.Tag.Get("doc"); doc != "" {
			p["description"] = doc
		}
		props[keys[i]] = p
	}
	return object{"type": "object", "properties": props, "additionalProperties": false}
}

func scalarSchema(t reflect.Type, enum string) object {
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		if enum != "" {
			return object{"enum": strings.Split(enum, ",")}
		}
		return scalar()
	default:
		return object{"type": "integer"}
	}
}

// scalar is a text, which need not be quoted.
func scalar() object { return object{"type": []string{"string", "number", "boolean"}} }

// Schema says what a text may be.
func (text) Schema() map[string]any { return scalar() }

// Schema says what entries may be.
func (entries) Schema() map[string]any {
	return object{"oneOf": []object{
		{"type": "array", "items": scalar()},
		{"type": "object", "additionalProperties": object{"type": []string{"string", "number", "boolean", "null"}}},
	}}
}

// Schema says what the content of a map may be.
func (content) Schema() map[string]any {
	return object{"oneOf": []object{{"type": "array", "items": scalar()}, structSchema(reflect.TypeFor[content]())}}
}

// Schema says how a chain may be written.
func (Chain) Schema() map[string]any {
	return object{"oneOf": []object{{"type": "string"}, structSchema(reflect.TypeFor[longChain]())}}
}

// Schema says how what runs at a hook may be written.
func (Run) Schema() map[string]any {
	chain := Chain{}.Schema()
	return object{"oneOf": []object{chain, {"type": "array", "items": chain}, structSchema(reflect.TypeFor[Run]())}}
}

// Schema says which hooks an interface has.
func (ifaceHooks) Schema() map[string]any { return hooksSchema(hook.Interface, nil) }

// Schema says which hooks a cgroup has.
func (groupHooks) Schema() map[string]any { return hooksSchema(hook.Cgroup, nil) }

// Schema says what a network namespace has.
func (netns) Schema() map[string]any {
	return hooksSchema(hook.Netns, object{"interfaces": schemaOf(reflect.TypeFor[Named[ifaceHooks]](), "")})
}

func hooksSchema(p hook.Place, also object) object {
	props := object{}
	for _, h := range hook.All() {
		if i := h.Info(); i.Place == p && stays(h) {
			s := Run{}.Schema()
			s["description"] = i.Summary
			props[h.String()] = s
		}
	}
	for k, v := range also {
		props[k] = v
	}
	return object{"type": "object", "properties": props, "additionalProperties": false}
}
