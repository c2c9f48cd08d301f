package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"weir/attach"
	"weir/config"
	"weir/datapath"
	"weir/hook"
	"weir/internal/child"
	"weir/internal/spell"
	"weir/lang"
	"weir/lang/diag"
)

// A resolver turns a config into a Desired.
type resolver struct {
	c      *config.Config
	d      *Desired
	diags  diag.List
	ifaces map[string][]config.Iface // by network namespace
	gone   map[string]error
	params map[string]lang.Param
	maps   map[string]*lang.Map

	found func(key []byte, pos diag.Pos) // is told of each entry; nil: nobody
}

// Resolve finds what a config means on this machine. Its error is a [diag.List] where
// the config or a chain is wrong, and then with all that is.
func Resolve(ctx context.Context, c *config.Config) (*Desired, error) {
	r := &resolver{
		c: c, d: &Desired{Params: map[string]string{}}, ifaces: map[string][]config.Iface{}, gone: map[string]error{},
		params: map[string]lang.Param{}, maps: map[string]*lang.Map{},
	}
	found, err := r.places()
	if err != nil {
		return nil, err
	}
	if err := r.compile(ctx, found); err != nil {
		return nil, err
	}
	r.settings()
	if err := r.contents(ctx); err != nil {
		return nil, err
	}
	if err := r.diags.Sort().Err(); err != nil {
		return nil, err
	}
	r.d.Warnings = r.d.Warnings.Sort()
	r.d.config, r.d.params, r.d.maps = c, r.params, r.maps
	return r.d, nil
}

func (r *resolver) errorf(pos diag.Pos, hint, format string, args ...any) {
	r.diags = append(r.diags, diag.Diagnostic{Pos: pos, Code: "config", Message: fmt.Sprintf(format, args...), Hint: hint})
}

// A spot is a place that is there, and what the config says of it.
type spot struct {
	where attach.Where
	place *config.Place
}

// places finds the places that there are. Of an interface that several selectors mean,
// its own name comes first; two others would be a riddle.
func (r *resolver) places() ([]spot, error) {
	found := map[attach.Where]spot{}
	for i := range r.c.Places {
		p := &r.c.Places[i]
		ws, err := r.wheres(p)
		if err != nil {
			return nil, err
		}
		for _, w := range ws {
			was, twice := found[w]
			switch {
			case !twice || p.Iface.Exact() && !was.place.Iface.Exact():
				found[w] = spot{w, p}
			case was.place.Iface.Exact() && !p.Iface.Exact():
			default:
				r.errorf(p.Pos, "say under its name what runs there", "%s is meant by %s here and by %s at %s", w, p.Iface, was.place.Iface, was.place.Pos)
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b spot) int { return cmp.Compare(a.where.String(), b.where.String()) }), nil
}

// wheres returns the places that p means.
func (r *resolver) wheres(p *config.Place) ([]attach.Where, error) {
	w := attach.Where{Netns: p.Netns, Cgroup: p.Cgroup, Hook: p.Hook}
	at := p.Hook.Info().Place
	if at != hook.Interface {
		if at == hook.Cgroup && !strings.HasPrefix(w.Cgroup, "/") {
			w.Cgroup = "/" + w.Cgroup
		}
		if _, err := w.Spot(); err != nil {
			return nil, r.absent(p, w.String(), err)
		}
		return []attach.Where{w}, nil
	}
	w.Interface = p.Iface.String()
	if err := r.look(p.Netns); err != nil {
		return nil, r.absent(p, w.String(), err)
	}
	var out []attach.Where
	for _, i := range r.ifaces[p.Netns] {
		if p.Iface.Matches(i) {
			w.Interface = i.Name
			out = append(out, w)
		}
	}
	if len(out) == 0 && p.Iface.Exact() {
		return nil, r.absent(p, w.String(), attach.ErrNoInterface)
	}
	return out, nil
}

// absent notes a place that is not there; other errors are given back.
func (r *resolver) absent(p *config.Place, at string, err error) error {
	for _, is := range []error{attach.ErrNoInterface, attach.ErrNoNetns, attach.ErrNoCgroup} {
		if errors.Is(err, is) {
			r.d.Absent = append(r.d.Absent, Absent{*p, at, is})
			return nil
		}
	}
	return fmt.Errorf("look at %s: %w", at, err)
}

// look lists the interfaces of a network namespace once.
func (r *resolver) look(netns string) error {
	if _, ok := r.ifaces[netns]; !ok && r.gone[netns] == nil {
		r.ifaces[netns], r.gone[netns] = interfaces(netns)
	}
	return r.gone[netns]
}

// compile compiles each list of chains once, for all hooks that it runs at. Lists at
// places that are not there are compiled, too: what is wrong with them is told at once.
func (r *resolver) compile(ctx context.Context, found []spot) error {
	counts := map[string]map[hook.Hook]int{} // of a list's places by their hook
	lists := map[string][]config.Chain{}
	var among []lang.Part
	names := map[string]string{}
	for _, p := range r.c.Places {
		key := listKey(p.Run.Chains)
		lists[key] = p.Run.Chains
		if counts[key] == nil {
			counts[key] = map[hook.Hook]int{}
		}
		counts[key][p.Hook] += 0
		for _, c := range p.Run.Chains {
			name := lang.Name(c.File)
			switch was, ok := names[name]; {
			case !ok:
				names[name] = c.File
				among = append(among, lang.Part{File: c.File})
			case was != c.File:
				r.errorf(c.Pos, "rename one of the files: maps, params and counts are called after it", "two chains are called %s: %s and %s", name, was, c.File)
			}
		}
	}
	if r.diags.Err() != nil {
		return r.diags.Sort()
	}
	for _, s := range found {
		counts[listKey(s.place.Run.Chains)][s.where.Hook]++
	}
	slices.SortFunc(among, func(a, b lang.Part) int { return cmp.Compare(a.File, b.File) })
	compiled := map[string]map[hook.Hook]datapath.Chain{}
	for _, key := range slices.Sorted(maps.Keys(lists)) {
		var err error
		if compiled[key], err = r.chains(ctx, lists[key], among, counts[key]); err != nil {
			return err
		}
	}
	if r.diags.Err() != nil {
		return r.diags.Sort()
	}
	for _, s := range found {
		c := compiled[listKey(s.place.Run.Chains)][s.where.Hook]
		c.Where, c.How = s.where, how(s.place.Run)
		r.d.Chains = append(r.d.Chains, c)
	}
	return nil
}

// how returns how what runs at a place is attached.
func how(r config.Run) *datapath.How {
	h := &datapath.How{Mode: attach.Mode(r.Mode), Priority: r.Priority, Defrag: r.Defrag, Force: r.Force}
	if r.First {
		h.Order.Side = attach.First
	}
	return h
}

// listKey tells lists of chains apart.
func listKey(cs []config.Chain) string {
	var b strings.Builder
	for _, c := range cs {
		fmt.Fprintf(&b, "%s:%s:%v\n", c.File, c.Func, c.Observe)
	}
	return b.String()
}

// chains compiles a list for hooks.
func (r *resolver) chains(ctx context.Context, list []config.Chain, among []lang.Part, hooks map[hook.Hook]int) (map[hook.Hook]datapath.Chain, error) {
	q := child.Request{File: list[0].File, Func: list[0].Func, Observe: list[0].Observe, Among: among, Embedded: r.c.Embedded}
	if r.c.Bundle != nil {
		q.Files = r.c.Bundle.Sources()
	}
	for _, c := range list[1:] {
		q.Then = append(q.Then, lang.Part{File: c.File, Func: c.Func, Observe: c.Observe})
	}
	out, err := Compile(ctx, q, hooks, false)
	var ds diag.List
	if errors.As(err, &ds) {
		r.diags = append(r.diags, ds...)
		return nil, nil
	}
	for _, c := range out {
		r.has(c.Program)
	}
	return out, err
}

// has notes what can be set in a program.
func (r *resolver) has(p *lang.Program) {
	r.d.Warnings = append(r.d.Warnings, p.Warnings...)
	for _, x := range p.Params {
		r.params[x.Name] = x
	}
	for _, m := range p.Maps {
		if m.System == lang.User {
			r.maps[m.Name] = &m // what it begins with in p becomes another
		}
	}
}

// settings reads what params are set to.
func (r *resolver) settings() {
	for _, p := range r.c.Params {
		x, ok := r.params[p.Name]
		if !ok {
			r.unknown(p.Pos, "param", p.Name, slices.Collect(maps.Keys(r.params)))
			continue
		}
		if _, err := x.Type.Parse(p.Value); err != nil {
			r.errorf(p.Pos, "", "param %s: %v", p.Name, err)
			continue
		}
		r.d.Params[p.Name] = p.Value
	}
}

// unknown tells of a name that no chain has.
func (r *resolver) unknown(pos diag.Pos, what, name string, all []string) {
	slices.Sort(all)
	hint := "the chains have " + strings.Join(all, ", ")
	if near := spell.Nearest(name, all); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	} else if len(all) == 0 {
		hint = "the chains have none"
	}
	r.errorf(pos, hint, "no chain of this config has the %s %s", what, name)
}
