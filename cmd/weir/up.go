package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"weir/state"
)

func (a *app) up() *cobra.Command {
	var d desired
	var once bool
	r := running{interval: time.Second}
	c := &cobra.Command{
		Use:   "up -f FILE",
		Short: "Make what runs what a config says, and show it live",
		Long: `Applies a config as weir apply does, and then shows its counters until ^C. What
runs stays: weir detach config takes it away. With --once it is weir apply.`,
		Example: `  weir up -f edge.yaml
  weir up -f edge.yaml --for 10s
  weir up -f edge.yaml --once`,
	}
	d.flags(c, "print a JSON object every interval")
	f := c.Flags()
	f.BoolVar(&once, "once", false, "show nothing, and end")
	f.DurationVar(&r.duration, "for", 0, "end after this long, as in 10s")
	f.DurationVar(&r.interval, "interval", time.Second, "show it this often; 0: only at the end")
	c.RunE = runs(func(ctx context.Context, _ []string) error {
		if once {
			return a.doApply(ctx, &d, state.Options{})
		}
		if r.duration < 0 || r.interval < 0 {
			return usage("--for and --interval take a time that is to come")
		}
		r.json = d.json
		return a.doUp(ctx, &d, &r)
	})
	return c
}

func (a *app) doUp(ctx context.Context, d *desired, r *running) error {
	defer unpiped()()
	p, err := a.plan(ctx, d)
	if err != nil {
		return err
	}
	done, err := p.Apply(ctx, a.kernel, state.Options{})
	if err != nil {
		return err
	}
	if done.Generation == nil {
		return errors.New("the config names no place that is there")
	}
	defer done.Generation.Close()
	a.tellEnded(done.Generation)
	if r.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.duration)
		defer cancel()
	}
	return a.watch(ctx, done.Generation, r, nil)
}
