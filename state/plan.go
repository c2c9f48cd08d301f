package state

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"weir/attach"
	"weir/datapath"
	"weir/lang"
	"weir/lang/ir"
)

// An Op is what a plan does with something.
type Op string

// The operations.
const (
	Add    Op = "add"
	Remove Op = "remove"
	Change Op = "change"
)

// A Plan is what is to be done for a Desired, and what is the case already. Its JSON
// form is fixed.
type Plan struct {
	Places []PlaceChange `json:"places,omitempty"`
	Params []ParamChange `json:"params,omitempty"`
	Maps   []MapChange   `json:"maps,omitempty"`
	Absent []string      `json:"absent,omitempty"` // places that are not there: nothing can be done
	Same   int           `json:"same"`             // places where all is as it shall be

	d     *Desired
	old   int // the generation that runs, 0: none
	first bool
	part  bool // params and maps only
}

// A PlaceChange is what becomes of a place.
type PlaceChange struct {
	Op     Op       `json:"op"`
	Where  string   `json:"where"`
	Chains []string `json:"chains"` // that run there afterwards; removed: that did
	Why    string   `json:"why,omitempty"`
}

// A ParamChange is what a param is set to.
type ParamChange struct {
	Name string `json:"name"`
	From string `json:"from,omitempty"` // empty: it is not there yet
	To   string `json:"to"`
}

// A MapChange is how many entries of a map change. Few are named.
type MapChange struct {
	Name    string   `json:"name"`
	Add     int      `json:"add"`
	Change  int      `json:"change"`
	Remove  int      `json:"remove"`
	Entries []string `json:"entries,omitempty"` // the first of them, as + KEY, ~ KEY VALUE, - KEY

	content *Content
	there   map[string][]byte // what it holds
	put     []lang.Entry
	take    []string
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Places)+len(p.Params)+len(p.Maps) == 0 }

// Running returns the number of the generation that runs; 0 if none does.
func (p *Plan) Running() int { return p.old }

// Plan compares what shall be with what runs. It changes nothing.
func (d *Desired) Plan(k datapath.Kernel) (*Plan, error) { return d.plan(k, false) }

func (d *Desired) plan(k datapath.Kernel, part bool) (*Plan, error) {
	p := &Plan{d: d, part: part}
	for _, a := range d.Absent {
		p.Absent = append(p.Absent, fmt.Sprintf("%s: %v", a.At, a.Why))
	}
	g, err := k.Open(Name)
	switch {
	case errors.Is(err, datapath.ErrNotFound):
		p.first = true
		if !part {
			p.places(nil)
		}
		p.params(nil)
		return p, p.contents(nil)
	case err != nil:
		return nil, err
	}
	defer g.Close()
	p.old = g.Number
	if !part {
		p.places(g)
	}
	now, err := g.Params()
	if err != nil {
		return nil, err
	}
	if len(d.Chains) > 0 {
		p.params(now)
		err = p.contents(g)
	}
	return p, err
}

// places compares places and what runs there. This process's own network namespace may
// have a name, too.
func (p *Plan) places(g *datapath.Generation) {
	were := map[attach.Where]*datapath.Attachment{}
	find := new(attach.Finder)
	if g != nil {
		for _, a := range g.Places() {
			if s := a.Standing(); s.There {
				w := find.Lasting(s.Where)
				w.Point = ""
				were[w] = a
			} else if len(p.d.Chains) == 0 && len(p.d.Absent) == 0 {
				were[a.Where] = a // where all places are gone that the config names, maps wait for them
			}
		}
	}
	for _, c := range p.d.Chains {
		w := find.Lasting(c.Where)
		a, had := were[w]
		delete(were, w)
		x := PlaceChange{Where: c.Where.String(), Chains: names(c.Program), Op: Change}
		switch {
		case !had:
			x.Op = Add
		case differs(a.Program, c.Program) != "":
			x.Why = differs(a.Program, c.Program)
		case elsewise(a, c.How) != "":
			x.Why = elsewise(a, c.How)
		default:
			p.Same++
			continue
		}
		p.Places = append(p.Places, x)
	}
	for w, a := range were {
		p.Places = append(p.Places, PlaceChange{Op: Remove, Where: w.String(), Chains: names(a.Program)})
	}
	slices.SortFunc(p.Places, func(a, b PlaceChange) int { return cmp.Compare(a.Where, b.Where) })
}

func names(p *lang.Program) (out []string) {
	for _, c := range p.Chains {
		if c.Func != "main" && !strings.HasSuffix(c.Name, ":"+c.Func) {
			c.Name += ":" + c.Func
		}
		out = append(out, c.Name)
	}
	return out
}

// differs says what of a program differs from the one that runs, or returns "".
// Compiling is pure: the same sources are the same program. From which folder they were
// read, and how that was written, makes no difference.
func differs(old, p *lang.Program) string {
	if !slices.EqualFunc(old.Chains, p.Chains, sameChain) {
		return "other chains"
	}
	if slices.EqualFunc(old.Sources, p.Sources, func(a, b lang.Source) bool { return bare(a) == bare(b) }) {
		return ""
	}
	had := map[lang.Source]bool{}
	for _, s := range old.Sources {
		had[bare(s)] = true
	}
	for _, s := range p.Sources {
		if !had[bare(s)] {
			return s.Name
		}
	}
	return "other files"
}

// bare is a source without its folder.
func bare(s lang.Source) lang.Source { return lang.Source{Name: path.Base(s.Name), Text: s.Text} }

func sameChain(a, b lang.Chain) bool {
	a.File, b.File = path.Base(a.File), path.Base(b.File)
	return a == b
}

// elsewise says in what a is attached otherwise than it shall be, or returns "".
func elsewise(a *datapath.Attachment, how *datapath.How) string {
	switch {
	case how.Mode != attach.Best && how.Mode != a.Mode:
		return fmt.Sprintf("mode %s, and it runs in mode %s", how.Mode, a.Mode)
	case how.Priority != nil && a.Where.Hook.Netfilter() && *how.Priority != a.Priority:
		return fmt.Sprintf("priority %d, and it runs at %d", *how.Priority, a.Priority)
	case how.Defrag && !a.Defrag:
		return "fragments are to be put together"
	}
	return ""
}

// params compares params with what they are set to.
func (p *Plan) params(now []datapath.ParamValue) {
	for _, name := range slices.Sorted(maps.Keys(p.d.Params)) {
		to := p.d.Params[name]
		i := slices.IndexFunc(now, func(x datapath.ParamValue) bool { return x.Name == name })
		if i < 0 {
			p.Params = append(p.Params, ParamChange{Name: name, To: to})
			continue
		}
		if w, err := now[i].Type.ParseWord(to); err != nil || w != now[i].Word {
			p.Params = append(p.Params, ParamChange{name, now[i].Text(), to})
		}
	}
}

// contents compares maps with what they shall hold.
func (p *Plan) contents(g *datapath.Generation) error {
	for i := range p.d.Maps {
		x := &p.d.Maps[i]
		c := MapChange{Name: x.Map.Name, content: x}
		if err := c.compare(g); err != nil {
			return err
		}
		if c.Add+c.Change+c.Remove > 0 {
			p.Maps = append(p.Maps, c)
		}
	}
	slices.SortFunc(p.Maps, func(a, b MapChange) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// told is how many entries of a map a plan names.
const told = 10

// compare finds what is to be put into a map and taken out. An array keeps all its
// entries: those that are not named become zero.
func (c *MapChange) compare(g *datapath.Generation) error {
	x := c.content
	there, err := held(g, x)
	if err != nil {
		return err
	}
	c.there = there
	text := func(k string) string { return x.Map.Key.Format([]byte(k)) }
	for _, k := range slices.Sorted(maps.Keys(x.Entries)) {
		v := x.Entries[k]
		was, ok := there[k]
		switch {
		case !ok:
			c.Add++
			c.tell("+ " + text(k))
		case !bytes.Equal(was, v):
			c.Change++
			c.tell("~ " + text(k) + " " + x.Map.Value.Format(v))
		default:
			continue
		}
		c.put = append(c.put, lang.Entry{Key: []byte(k), Value: v})
	}
	for _, k := range slices.Sorted(maps.Keys(x.Also)) {
		if v, ok := there[k]; !ok || isArray(x.Map) && zero(v) {
			c.Add++
			c.tell("+ " + text(k))
			c.put = append(c.put, lang.Entry{Key: []byte(k), Value: x.Also[k]})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(there)) {
		if x.holds(k) || x.Keep && !x.Gone[k] || isArray(x.Map) && zero(there[k]) {
			continue
		}
		c.Remove++
		c.tell("- " + text(k))
		c.take = append(c.take, k)
	}
	return nil
}

func (c *MapChange) tell(s string) {
	if len(c.Entries) < told {
		c.Entries = append(c.Entries, s)
	}
}

func isArray(m *lang.Map) bool { return m.Spec.Kind == ir.Array || m.Spec.Kind == ir.PerCPUArray }

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// held returns what a map of a generation holds; nothing if there is no such map. Where
// what else is there stays, only that is looked at of which x speaks.
func held(g *datapath.Generation, x *Content) (map[string][]byte, error) {
	there, m := map[string][]byte{}, x.Map
	if g == nil {
		return there, nil
	}
	now, err := g.Map(m.Name)
	if errors.Is(err, datapath.ErrNotFound) || err == nil && !(now.Key.Equal(m.Key) && now.Value.Equal(m.Value)) {
		return there, nil // it begins anew
	}
	if err != nil {
		return nil, err
	}
	if x.Keep && exact(x) {
		return there, x.find(now, there)
	}
	err = now.Each(func(k, v []byte) error {
		there[string(k)] = bytes.Clone(v)
		return nil
	})
	return there, err
}

// find looks up the keys of which x speaks.
func (x *Content) find(m *datapath.Map, there map[string][]byte) error {
	for _, keys := range []iter.Seq[string]{maps.Keys(x.Entries), maps.Keys(x.Also), maps.Keys(x.Gone)} {
		for k := range keys {
			v, ok, err := m.Lookup([]byte(k))
			if err != nil {
				return err
			}
			if ok {
				there[k] = bytes.Clone(v)
			}
		}
	}
	return nil
}

// exact reports whether looking up a key of a map finds that key and no other.
func exact(x *Content) bool { return x.Map.Spec.Kind != ir.LPMTrie }
