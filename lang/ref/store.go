package ref

import (
	"fmt"
	"time"

	"go.starlark.net/starlark"
)

// declare is the builtin table, lru, array or lpm.
func (b *builder) declare(kind string) *starlark.Builtin {
	return starlark.NewBuiltin(kind, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		m := &mapVal{kind: kind, clock: b.clock}
		var key, val, init starlark.Value
		var size starlark.Int
		var percpu bool
		var expiring string
		var err error
		switch kind {
		case "ring":
			err = starlark.UnpackArgs(kind, args, kwargs, "R", &val, "size", &size)
		case "queue", "stack":
			err = starlark.UnpackArgs(kind, args, kwargs, "V", &val, "size", &size, "init?", &init)
		case "bloom":
			err = starlark.UnpackArgs(kind, args, kwargs, "K", &key, "size", &size, "init?", &init)
		case "array":
			err = starlark.UnpackArgs(kind, args, kwargs, "V", &val, "size", &size, "percpu?", &percpu, "init?", &init)
		default:
			err = starlark.UnpackArgs(kind, args, kwargs, "K", &key, "V?", &val, "size", &size,
				"percpu?", &percpu, "expiring?", &expiring, "init?", &init)
		}
		if err != nil {
			return nil, err
		}
		if m.key, err = optionalType(key); err != nil {
			return nil, fmt.Errorf("%s: key: %w", kind, err)
		}
		if m.val, err = optionalType(val); err != nil {
			return nil, fmt.Errorf("%s: value: %w", kind, err)
		}
		if key, ok := m.key.(*scalar); kind == "lpm" && !(ok && key.isPrefix()) {
			return nil, fmt.Errorf("lpm: the key is prefix4, prefix6 or prefix")
		}
		var ok bool
		if m.size, ok = size.Uint64(); !ok || m.size == 0 {
			return nil, fmt.Errorf("%s: size %s", kind, size)
		}
		if expiring != "" {
			if m.expiring, err = time.ParseDuration(expiring); err != nil || m.expiring <= 0 {
				return nil, fmt.Errorf("%s: expiring = %q: want a duration, as in \"10s\"", kind, expiring)
			}
		}
		m.init = init
		b.maps = append(b.maps, m)
		return m, nil
	})
}

func optionalType(v starlark.Value) (typ, error) {
	if v == nil || v == starlark.None {
		return nil, nil
	}
	return typeOf(v)
}

// param is the builtin param(type, default, unit =, help =).
func (b *builder) param(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var t, d starlark.Value
	var unit, help starlark.Value
	if err := starlark.UnpackArgs("param", args, kwargs, "type", &t, "default", &d, "unit?", &unit, "help?", &help); err != nil {
		return nil, err
	}
	pt, err := typeOf(t)
	if err != nil {
		return nil, err
	}
	p := &paramVal{typ: pt}
	if p.current, err = pt.store(toPacket(d)); err != nil {
		return nil, fmt.Errorf("param: %w", err)
	}
	return p, nil
}

// set gives the param a value by its bits.
func (p *paramVal) set(bits uint64) error {
	t, ok := p.typ.(*scalar)
	switch {
	case ok && (t.isInt() || t == typeBool):
		v, err := t.store(unsigned(bits))
		p.current = v
		return err
	case ok && t == typeIP4:
		p.current = ip4Of(uint32(bits))
		return nil
	}
	return fmt.Errorf("a param of this type cannot be set by number")
}
