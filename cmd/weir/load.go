package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/internal/child"
	"weir/lang"
	"weir/lang/diag"
	"weir/state"
)

// loading is what run and attach have in common: chains, the places for them,
// and their first settings.
type loading struct {
	chain
	on      []string
	name    string
	set     []string
	mode    string
	force   bool
	replace bool           // of attach alone
	orders  []attach.Order // of --before and --after
	first   bool

	priority int32
	defrag   bool
	capture  bool // hand what is dropped to user space

	given func(flag string) bool
}

// modes are what --mode may be.
var modes = []string{string(attach.Native), string(attach.Generic), string(attach.TCX), string(attach.Clsact)}

func (l *loading) flags(a *app, c *cobra.Command) {
	l.flag(c)
	f := c.Flags()
	l.given = f.Changed
	f.StringArrayVar(&l.on, "on", nil, "where: [NETNS/]INTERFACE[:HOOK] (hook xdp if none is given), [NETNS/]@netfilter-input, @cgroup-ingress=PATH; may be repeated")
	f.StringVar(&l.name, "name", "", "name of the attachment (default: base name of the first file, or line)")
	f.StringArrayVar(&l.set, "set", nil, "set a param at the start: PARAM=VALUE; may be repeated")
	f.StringVar(&l.mode, "mode", "", "attach in this mode only: "+strings.Join(modes, ", "))
	f.BoolVar(&l.force, "force", false, "take the place of a foreign XDP program")
	f.Int32Var(&l.priority, "priority", 0, "at netfilter: programs of lower numbers come first (iptables and nftables filter at 0)")
	f.BoolVar(&l.defrag, "defrag", false, "at netfilter: put fragments together before the chain sees them")
	l.orderFlags(a, c)
	c.RegisterFlagCompletionFunc("on", completePlaces)
	c.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions(modes, cobra.ShellCompDirectiveNoFileComp))
}

// options compiles the chains for each hook that they go to. What they are warned
// of is printed once.
func (l *loading) options(ctx context.Context, a *app, args []string) (datapath.Options, error) {
	o := datapath.Options{Name: l.name, How: datapath.How{Force: l.force, Mode: attach.Mode(l.mode), Defrag: l.defrag}}
	if l.given("priority") {
		o.Priority = &l.priority
	}
	err := l.wrong()
	if err != nil {
		return o, err
	}
	if o.Order, err = l.order(); err != nil {
		return o, err
	}
	if o.Set, err = settings(l.set); err != nil {
		return o, err
	}
	places, err := l.places(a, l.request(args...))
	if err != nil {
		return o, err
	}
	if err := l.fits(places, o.Order); err != nil {
		return o, err
	}
	if l.capture {
		for _, w := range places {
			if !w.Hook.Info().Keep {
				return o, usage("-w cannot keep packets at %s (it can at %s)", w.Hook, hookList(func(h hook.Hook) bool { return h.Info().Keep }))
			}
		}
	}
	count := map[hook.Hook]int{}
	for _, w := range places {
		count[w.Hook]++
	}
	compiled, err := state.Compile(ctx, l.request(args...), count, l.capture)
	if err != nil {
		return o, err
	}
	var warnings diag.List
	for _, w := range places {
		c := compiled[w.Hook]
		c.Where = w
		o.Chains = append(o.Chains, c)
		warnings = append(warnings, c.Program.Warnings...)
	}
	if o.Name == "" {
		o.Name = o.Chains[0].Program.Name
	}
	a.printDiags(warnings.Sort())
	return o, nil
}

// wrong says what is wrong with the flags, whatever the places.
func (l *loading) wrong() error {
	if len(l.on) == 0 && !l.replace {
		return usage(`required flag "on" not set (where to? as in --on eth0)`)
	}
	if err := datapath.CheckName(l.name); l.name != "" && err != nil {
		return usageError{err}
	}
	if l.mode != "" && !slices.Contains(modes, l.mode) {
		return usage("no mode is named %q (there are %s)", l.mode, strings.Join(modes, ", "))
	}
	return nil
}

// orderFlags add the flags for a place among others to a command.
func (l *loading) orderFlags(a *app, c *cobra.Command) {
	f := c.Flags()
	side := func(name string, side attach.Side, help string) {
		f.Func(name, help, func(s string) error {
			anchor, err := attach.ParseAnchor(s)
			l.orders = append(l.orders, attach.Order{Side: side, Anchor: anchor})
			return err
		})
		c.RegisterFlagCompletionFunc(name, a.completeNames(-1))
	}
	side("before", attach.Before, "at tc and cgroups: run before this program: `NAME` of weir's, id:NUMBER or name:PROGRAM")
	side("after", attach.After, "at tc and cgroups: run after this program: `NAME` of weir's, id:NUMBER or name:PROGRAM")
	f.BoolVar(&l.first, "first", false, "at tc and cgroups: run before all that are there (default: after all)")
}

// order is where among others the chain is to run.
func (l *loading) order() (attach.Order, error) {
	all := l.orders
	if l.first {
		all = append(all, attach.Order{Side: attach.First})
	}
	switch len(all) {
	case 0:
		return attach.Order{}, nil
	case 1:
		return all[0], nil
	}
	return attach.Order{}, usage("give one of --before, --after and --first")
}

// places returns where the chain goes: where it is said to, or where the
// generation is that it replaces.
func (l *loading) places(a *app, r child.Request) (places []attach.Where, err error) {
	for _, s := range l.on {
		w, err := attach.ParseWhere(s)
		if err != nil {
			return nil, usageError{err}
		}
		if slices.ContainsFunc(places, func(x attach.Where) bool { return x.Lasting() == w.Lasting() }) {
			return nil, usage("--on %s is given twice", w)
		}
		if l.capture && w.Hook.Info().Conn {
			return nil, usage("-w keeps packets, and at %s there are none", w.Hook)
		}
		places = append(places, w)
	}
	if len(l.on) > 0 {
		return places, nil
	}
	name := l.name
	if name == "" {
		if name = lang.Name(r.File); r.Line {
			name = lang.LineName
		}
	}
	g, err := a.kernel.Open(name)
	if errors.Is(err, datapath.ErrNotFound) {
		return nil, fmt.Errorf("%w: say with --on where it is to go", err)
	}
	if err != nil {
		return nil, err
	}
	for _, at := range g.Places() {
		w := at.Where
		if s := at.Standing(); s.There {
			w = s.Where // which may have another name by now
		}
		w.Point = ""
		places = append(places, w)
	}
	return places, g.Close()
}

// settings reads PARAM=VALUE arguments.
func settings(args []string) (map[string]string, error) {
	m := make(map[string]string)
	for _, s := range args {
		name, val, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, usage("%q is not PARAM=VALUE", s)
		}
		m[name] = val
	}
	return m, nil
}
