package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/config"
	"weir/datapath"
	"weir/internal/term"
	"weir/nf"
	"weir/state"
)

// desired is what commands have in common that read a config.
type desired struct {
	file string
	json bool
}

func (d *desired) flags(c *cobra.Command, jsonHelp string) {
	c.Args = wants()
	fileFlag(c, &d.file)
	jsonFlag(c, &d.json)
	c.Flags().Lookup("json").Usage = jsonHelp
}

// fileFlag adds -f.
func fileFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "file", "f", "", "the config (required)")
	c.MarkFlagRequired("file")
	c.RegisterFlagCompletionFunc("file", cobra.FixedCompletions([]string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt))
}

// plan reads the config and compares it with what runs.
func (a *app) plan(ctx context.Context, d *desired) (*state.Plan, error) {
	c, err := config.Load(d.file, nf.Options(nf.All()...))
	if err != nil {
		return nil, err
	}
	want, err := state.Resolve(ctx, c)
	if err != nil {
		return nil, err
	}
	a.printDiags(want.Warnings)
	return want.Plan(a.kernel)
}

func (a *app) apply() *cobra.Command {
	var d desired
	var o state.Options
	c := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make what runs what a config says",
		Long: `Reads a config, compiles its chains, compares all with what runs, and changes what
differs in one transaction: all programs are loaded and tried first, then all places
are swapped without missing a packet. If anything fails all stays as it was. Prints
what is changed (see weir diff).

All that a config says runs under the name config: weir show config, weir rollback
config. Maps are called CHAIN.MAP and params CHAIN.PARAM. Of chains and maps that stay
all that packets and people have put there is kept, but for maps that the config
fills: they hold what it says. Places that are not there are told, and left out.

--confirm waits after that, and takes all back when the time is over, at the end of
the input, at a hang-up and at ^C, unless you press Enter or give the command weir
confirm config elsewhere.`,
		Example: `  weir apply -f edge.yaml
  weir apply -f edge.yaml --confirm 60s`,
	}
	d.flags(c, "print a JSON object")
	c.Flags().DurationVar(&o.Confirm, "confirm", 0, "take it back after this long, as in 60s, unless it is confirmed")
	c.RunE = runs(func(ctx context.Context, _ []string) error {
		switch {
		case o.Confirm < 0:
			return usage("--confirm %v is in the past", o.Confirm)
		case o.Confirm == 0 && c.Flags().Changed("confirm"):
			return usage("--confirm 0s leaves no time (without it the state stays)")
		}
		return a.doApply(ctx, &d, o)
	})
	return c
}

func (a *app) doApply(ctx context.Context, d *desired, o state.Options) error {
	p, err := a.plan(ctx, d)
	if err != nil {
		return err
	}
	if err := a.tellPlan(p, d.json); err != nil {
		return err
	}
	if p.Empty() {
		return nil
	}
	if o.Confirm > 0 {
		defer unstoppable()()
	}
	done, err := p.Apply(ctx, a.kernel, o)
	if err != nil {
		return err
	}
	g := done.Generation
	if g == nil {
		return nil
	}
	defer g.Close()
	a.tellEnded(g)
	a.tellLost(g)
	if o.Confirm == 0 {
		return nil
	}
	if err := a.await(ctx, g); err != nil {
		return errors.Join(err, done.Undo(context.WithoutCancel(ctx)))
	}
	return nil
}

// tellLost says of which maps and params of the generation before something is lost.
func (a *app) tellLost(g *datapath.Generation) {
	for _, c := range g.MapChanges {
		if c.Fate == datapath.Emptied || c.Fate == datapath.Dropped || c.Left > 0 {
			fmt.Fprintf(a.err, "map %s: %s%s\n", c.Name, contentOf(a.err, c), why(c))
		}
	}
	for _, c := range g.ParamChanges {
		if c.Fate == datapath.Reset {
			fmt.Fprintf(a.err, "param %s: %s to %s%s\n", c.Name, c.Fate, c.Value, why(c))
		}
	}
}

func why(c datapath.Change) string {
	if c.Why == "" {
		return ""
	}
	return ", since " + c.Why
}

// tellPlan prints a plan.
func (a *app) tellPlan(p *state.Plan, asJSON bool) error {
	if asJSON {
		return term.JSON(a.out).Encode(p)
	}
	for _, s := range p.Absent {
		fmt.Fprintf(a.err, "%s: left out\n", s)
	}
	for _, l := range planLines(a.out, p) {
		fmt.Fprintln(a.out, l)
	}
	return nil
}

var planSigns = map[state.Op]string{state.Add: "+", state.Remove: "-", state.Change: "~"}

var planColours = map[string]term.Color{"+": term.Green, "-": term.Red, "~": term.Yellow}

// planLines draws a plan for people.
func planLines(t *term.Term, p *state.Plan) (out []string) {
	if p.Empty() {
		return []string{fmt.Sprintf("nothing to do: %d places are as they shall be", p.Same)}
	}
	sign := func(s string) string { return t.Paint(planColours[s], s) }
	for _, x := range groupPlaces(p.Places) {
		l := fmt.Sprintf("%s %s  %s", sign(planSigns[x.Op]), x.Where, strings.Join(x.Chains, ", "))
		if x.Why != "" {
			l += t.Paint(term.Faint, "  ("+x.Why+")")
		}
		out = append(out, l)
	}
	for _, x := range p.Params {
		if x.From == "" {
			out = append(out, fmt.Sprintf("%s param %s = %s", sign("+"), x.Name, x.To))
		} else {
			out = append(out, fmt.Sprintf("%s param %s = %s  (it is %s)", sign("~"), x.Name, x.To, x.From))
		}
	}
	for _, x := range p.Maps {
		var parts []string
		for _, n := range []struct {
			n    int
			what string
		}{{x.Add, "added"}, {x.Change, "changed"}, {x.Remove, "removed"}} {
			if n.n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n.n, n.what))
			}
		}
		out = append(out, fmt.Sprintf("%s map %s: %s", sign("~"), x.Name, strings.Join(parts, ", ")))
		for _, e := range x.Entries {
			out = append(out, "    "+sign(e[:1])+e[1:])
		}
		if n := x.Add + x.Change + x.Remove - len(x.Entries); n > 0 {
			out = append(out, fmt.Sprintf("    and %d more", n))
		}
	}
	if p.Same > 0 {
		out = append(out, fmt.Sprintf("  %d places are as they shall be", p.Same))
	}
	return out
}

// manyPlaces is from how many places on that change alike they are told as one.
const manyPlaces = 8

// groupPlaces makes one of many places where the same is done.
func groupPlaces(all []state.PlaceChange) (out []state.PlaceChange) {
	key := func(x state.PlaceChange) string { return fmt.Sprint(x.Op, x.Chains, x.Why) }
	count := map[string]int{}
	for _, x := range all {
		count[key(x)]++
	}
	var told []string
	for _, x := range all {
		k := key(x)
		switch {
		case count[k] < manyPlaces:
		case slices.Contains(told, k):
			continue
		default:
			told = append(told, k)
			x.Where = fmt.Sprintf("%s and %d places more", x.Where, count[k]-1)
		}
		out = append(out, x)
	}
	return out
}
