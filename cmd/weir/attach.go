package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"weir/datapath"
)

// attaching is the flags of attach.
type attaching struct {
	loading
	confirm time.Duration
	json    bool
}

func (a *app) attach() *cobra.Command {
	var l attaching
	c := &cobra.Command{
		Use:   "attach FILE[:FUNC]...|-e TEXT --on [NETNS/]INTERFACE[:HOOK]...",
		Short: "Attach a chain, to stay until it is detached",
		Long: `Compiles a chain and attaches it to all the places given, or to none. The
kernel keeps it: it runs on when this command has ended, until weir detach or
the next reboot. Prints the name alone; that a worse mode was taken than the
best is said on standard error.

` + orderHelp + `

--replace takes the place of the generation that runs under the name, if there
is one: the new one is compiled, loaded and tested first, then it is swapped in
at each place without missing a packet. Without --on it goes where that one is;
otherwise places are added and left as --on says. Maps of the same keys and
values are kept, with all that is in them; others are converted or emptied,
which is told below the name. Places keep their mode, order and priority; a flag
that asks for another is refused. Params that were set keep their values, counters
that the chain names go on; a program that would be the same stays, with all its
counters. weir rollback NAME swaps back. If anything fails,
all stays as it was.

--confirm waits after that, and takes the chain back when the time is over, at
the end of the input, at a hang-up and at ^C, unless you press Enter or give
the command weir confirm NAME elsewhere. If this command is killed, the next
weir command takes back what is overdue.`,
		Example: `  weir attach edge.weir --on eth0
  weir attach edge.weir --on eth0 --on eth1:tc-egress --name guard --set limit=500
  weir attach shield.weir edge.weir --on eth0 --set shield.limit=500
  weir attach edge.weir --replace
  weir attach edge.weir --replace --confirm 60s`,
		Args:              l.wants("FILE…"),
		ValidArgsFunction: completeChains,
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.doAttach(ctx, l.args(args), &l)
		}),
	}
	l.flags(a, c)
	f := c.Flags()
	f.BoolVar(&l.replace, "replace", false, "take the place of what runs under the name")
	f.DurationVar(&l.confirm, "confirm", 0, "take it back after this long, as in 60s, unless it is confirmed")
	jsonFlag(c, &l.json)
	f.Lookup("json").Usage = "print a JSON object"
	return c
}

func (a *app) doAttach(ctx context.Context, args []string, l *attaching) error {
	switch {
	case l.confirm < 0:
		return usage("--confirm %v is in the past", l.confirm)
	case l.confirm == 0 && l.given("confirm"):
		return usage("--confirm 0s leaves no time (without it the chain stays)")
	}
	o, err := l.options(ctx, a, args)
	if err != nil {
		return err
	}
	o.Pin, o.Replace, o.Confirm = true, l.replace, l.confirm
	if l.confirm > 0 {
		defer unstoppable()()
	}
	g, err := a.kernel.Attach(ctx, o)
	if err != nil {
		return err
	}
	defer g.Close()
	for _, at := range g.Places() {
		if at.Why != "" {
			fmt.Fprintf(a.err, "%s: mode %s, since %s\n", at.Where, at.Mode, at.Why)
		}
	}
	a.tellEnded(g)
	if l.json {
		err = a.attachedJSON(g)
	} else {
		err = a.attachedText(g)
	}
	if l.confirm > 0 {
		err = errors.Join(err, a.await(ctx, g))
	}
	return err
}

// tellEnded says which programs of others made way for good.
func (a *app) tellEnded(g *datapath.Generation) {
	for _, at := range g.Places() {
		if at.Ended != "" {
			fmt.Fprintf(a.err, "%s: %s made way, and cannot be put back: start what attached it again\n", at.Where, at.Ended)
		}
	}
}

func (a *app) detach() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "detach NAME...",
		Short: "Take chains away, with their maps",
		Example: `  weir detach edge
  weir detach --all`,
		Args: func(_ *cobra.Command, args []string) error {
			if all != (len(args) == 0) {
				return usage("give either names or --all")
			}
			return nil
		},
		ValidArgsFunction: a.completeNames(-1),
		RunE: runs(func(ctx context.Context, args []string) error {
			if all {
				_, err := a.kernel.DetachAll(ctx)
				return err
			}
			var errs []error
			for _, name := range args {
				errs = append(errs, a.kernel.Detach(ctx, name))
			}
			return errors.Join(errs...)
		}),
	}
	c.Flags().BoolVar(&all, "all", false, "detach everything that weir has attached")
	return c
}
