package state

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"weir/datapath"
	"weir/internal/spell"
	"weir/lang/diag"
)

// ErrStated says that a config states what is to be changed: there it is to be changed.
var ErrStated = errors.New("the config says it")

// An Entry is one of a map, in its text form.
type Entry struct{ Map, Key, Value string }

// An Extra is what people have put beside what a config says.
type Extra struct {
	Params map[string]string
	Put    []Entry // are there; a value that packets have changed stays

	Default []string // params that go back to what their chain says
	Gone    []Entry  // are not there
}

// With returns what d is with x. What the config states stands. What x says of maps and
// params that are not there, or that have no room, is left out: left says what and why.
func (d *Desired) With(x Extra) (with *Desired, left []error) {
	out := *d
	out.Params, out.Maps = maps.Clone(d.Params), slices.Clone(d.Maps)
	for _, name := range x.Default {
		_, stated := d.Params[name]
		if p, ok := d.params[name]; ok && !stated {
			out.Params[name] = p.Type.FormatWord(p.Default)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(x.Params)) {
		switch err := d.CheckParam(name, x.Params[name]); {
		case err == nil:
			out.Params[name] = x.Params[name]
		case !errors.Is(err, ErrStated):
			left = append(left, err)
		}
	}
	extended := map[string]int{}
	for _, e := range x.Gone {
		if k, err := d.ParseKey(e.Map, e.Key); err == nil {
			out.extend(extended, e.Map).Gone[string(k)] = true
		}
	}
	for _, e := range x.Put {
		k, v, err := d.Parse(e)
		if err != nil {
			left = append(left, err)
			continue
		}
		c := out.extend(extended, e.Map)
		if _, stated := c.Entries[string(k)]; stated {
			continue
		}
		if len(c.Entries)+len(c.Also) >= int(c.Map.Spec.MaxEntries) {
			left = append(left, fmt.Errorf("map %s: put %s: %w", e.Map, e.Key, datapath.ErrFull))
			continue
		}
		c.Also[string(k)] = v
	}
	out.begin()
	return &out, left
}

// extend returns the content of a map, to which may be added: one of those that have been
// extended already, by their index, or one more.
func (d *Desired) extend(extended map[string]int, name string) *Content {
	if i, ok := extended[name]; ok {
		return &d.Maps[i]
	}
	i := slices.IndexFunc(d.Maps, func(c Content) bool { return c.Map.Name == name })
	if i < 0 {
		i = len(d.Maps)
		d.Maps = append(d.Maps, Content{Map: d.maps[name], Keep: true})
	}
	extended[name] = i
	c := &d.Maps[i]
	c.Also, c.Gone = map[string][]byte{}, map[string]bool{}
	return c
}

// ParseKey reads a key of a map of the chains. The error wraps [datapath.ErrNotFound] if
// no chain has the map.
func (d *Desired) ParseKey(name, text string) (key []byte, err error) {
	m := d.maps[name]
	if m == nil {
		return nil, d.lacks("map", name, slices.Collect(maps.Keys(d.maps)))
	}
	if x := (&datapath.Map{Map: *m}); x.Keyless() || !x.Listed() {
		return nil, fmt.Errorf("map %s: the entries of a %s cannot be kept", name, m.Kind)
	}
	if key, err = m.Key.Parse(text); err != nil {
		return nil, fmt.Errorf("map %s: key: %w", name, err)
	}
	if isArray(m) && m.Key.Word(key) >= uint64(m.Spec.MaxEntries) {
		return nil, fmt.Errorf("map %s: key %s: %w (the last index is %d)", name, text, datapath.ErrNoSuchKey, m.Spec.MaxEntries-1)
	}
	return key, nil
}

// Parse reads an entry likewise.
func (d *Desired) Parse(e Entry) (key, val []byte, err error) {
	if key, err = d.ParseKey(e.Map, e.Key); err != nil {
		return nil, nil, err
	}
	if val, err = d.maps[e.Map].Value.Parse(e.Value); err != nil {
		return nil, nil, fmt.Errorf("map %s: value: %w", e.Map, err)
	}
	return key, val, nil
}

// Key writes a key of a map as it is kept: that of one key is always the same.
func (d *Desired) Key(name string, key []byte) string { return d.maps[name].Key.Format(key) }

// lacks is the error of a name that no chain has.
func (d *Desired) lacks(what, name string, all []string) error {
	hint := ""
	slices.Sort(all)
	if near := spell.Nearest(name, all); near != "" {
		hint = fmt.Sprintf(": did you mean %q?", near)
	}
	return fmt.Errorf("%s %s: %w%s", what, name, datapath.ErrNotFound, hint)
}

// CheckParam returns an error if a param cannot be set beside the config: one that wraps
// [datapath.ErrNotFound] if no chain has it, and [ErrStated] if the config sets it.
func (d *Desired) CheckParam(name, text string) error {
	p, ok := d.params[name]
	if !ok {
		return d.lacks("param", name, slices.Collect(maps.Keys(d.params)))
	}
	if _, err := p.Type.Parse(text); err != nil {
		return fmt.Errorf("param %s: %w", name, err)
	}
	if _, stated := d.Params[name]; stated {
		for _, x := range d.config.Params {
			if x.Name == name {
				return says("param "+name, x.Pos)
			}
		}
	}
	return nil
}

func says(what string, pos diag.Pos) error {
	return fmt.Errorf("%s: %w, at %s: change it there", what, ErrStated, pos)
}

// CheckKey returns an error that wraps [ErrStated] if the config states the entry of
// that key.
func (d *Desired) CheckKey(ctx context.Context, name string, key []byte) error {
	i := slices.IndexFunc(d.Maps, func(c Content) bool { return c.Map.Name == name })
	if i < 0 {
		return nil
	}
	if _, stated := d.Maps[i].Entries[string(key)]; !stated {
		return nil
	}
	var at diag.Pos
	r := &resolver{c: d.config, found: func(k []byte, pos diag.Pos) {
		if string(k) == string(key) {
			at = pos
		}
	}}
	for _, c := range d.config.Maps {
		if c.Name == name {
			if _, err := r.content(ctx, c, d.Maps[i].Map); err != nil {
				return err
			}
		}
	}
	return says(fmt.Sprintf("map %s: %s", name, d.Maps[i].Map.Key.Format(key)), at)
}

// Extend compares x alone with what runs, without places: its entries and params shall be
// as x says, and all else stays as it is. It changes nothing.
func (d *Desired) Extend(k datapath.Kernel, x Extra) (*Plan, error) {
	bare := *d
	bare.Params, bare.Maps = map[string]string{}, nil
	part, left := bare.With(x)
	if len(left) > 0 {
		return nil, errors.Join(left...)
	}
	d.begin()                  // part has other maps, and the same programs
	for i := range part.Maps { // what is put holds, whatever is there
		c := &part.Maps[i]
		c.Entries, c.Also = c.Also, nil
	}
	return part.plan(k, true)
}
