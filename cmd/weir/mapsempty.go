package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/internal/live"
	"weir/internal/term"
	"weir/lang"
)

func (a *app) mapsTest() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "test NAME MAP KEY",
		Short: "Tell by the exit code whether a key is in a map",
		Long: `Ends with 0 if the key is there, with 1 if it is not, and prints nothing. For an
lpm KEY is an address, and it is there if a prefix holds it. A bloom may say that
a key is there which is not.`,
		Example: `  weir maps test edge blocked 203.0.113.9 && echo blocked
  weir maps test edge seen 192.0.2.1 --json`,
		Args:              wants("NAME", "MAP", "KEY"),
		Annotations:       map[string]string{takesValues: "yes"},
		ValidArgsFunction: a.completeMaps,
		RunE: runs(func(_ context.Context, args []string) error {
			return a.withMap(args[0], args[1], func(m *datapath.Map) error {
				there, err := m.Has(args[2])
				if err != nil {
					return err
				}
				if asJSON {
					err = term.JSON(a.out).Encode(map[string]any{"key": args[2], "there": there})
				}
				if err == nil && !there {
					err = errSilent // the exit code tells
				}
				return err
			})
		}),
	}
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) mapsFlush() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "flush NAME MAP...",
		Short: "Remove all entries",
		Long: `Removes all entries of maps. Those of an array become zero; from a ring, queue
or stack everything is taken out. What packets put in meanwhile may stay.`,
		Example: `  weir maps flush edge blocked
  weir maps flush edge seen flows --json`,
		Args:              wants("NAME", "MAP…"),
		ValidArgsFunction: a.completeAllMaps,
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.eachMap(args, func(_ *datapath.Generation, m *datapath.Map) error {
				n, err := m.Flush(ctx)
				if asJSON && err == nil {
					err = term.JSON(a.out).Encode(flushed{Map: m.Name, Removed: n})
				}
				return err
			})
		}),
	}
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) mapsReset() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "reset NAME MAP...",
		Short: "Bring maps back to their first content",
		Long: `Removes all entries of maps and puts in what the chain declares as init =. The
sources that were attached say what that is: see weir show NAME --source.`,
		Example: `  weir maps reset edge blocked
  weir maps reset edge seen flows`,
		Args:              wants("NAME", "MAP…"),
		ValidArgsFunction: a.completeAllMaps,
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.eachMap(args, func(g *datapath.Generation, m *datapath.Map) error {
				first, err := firstContent(g, m.Name)
				if err != nil {
					return err
				}
				if err := m.Reset(ctx, first); err != nil || !asJSON {
					return err
				}
				return term.JSON(a.out).Encode(restored{Map: m.Name, Entries: len(first)})
			})
		}),
	}
	jsonFlag(c, &asJSON)
	return c
}

// What flush and reset tell of a map.
type (
	flushed struct {
		Map     string `json:"map"`
		Removed int    `json:"removed"`
	}
	restored struct {
		Map     string `json:"map"`
		Entries int    `json:"entries"`
	}
)

// eachMap runs f with each map of NAME MAP…, which are all there.
func (a *app) eachMap(args []string, f func(*datapath.Generation, *datapath.Map) error) error {
	g, err := a.kernel.Open(args[0])
	if err != nil {
		return err
	}
	defer g.Close()
	var all []*datapath.Map
	for _, name := range args[1:] {
		m, err := mapOf(g, name)
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	var errs []error
	for _, m := range all {
		errs = append(errs, f(g, m))
	}
	return errors.Join(errs...)
}

// firstContent returns what a map of g held first. The kernel keeps the sources,
// not what came of them: build time is run again, which gives the same.
func firstContent(g *datapath.Generation, name string) ([]lang.Entry, error) {
	for _, at := range g.Attachments {
		again, err := at.Program.Again(lang.Options{})
		if err != nil {
			return nil, fmt.Errorf("first content of %s: %w", name, err)
		}
		for i := range again.Maps {
			if m := &again.Maps[i]; m.System == lang.User && m.Name == name {
				return m.Init, nil
			}
		}
	}
	return nil, fmt.Errorf("first content of %s: the chain declares no such map", name)
}

// completeAllMaps completes NAME MAP….
func (a *app) completeAllMaps(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	return a.completeMaps(c, args[:min(len(args), 1)], begun)
}

func (a *app) mapsTail() *cobra.Command {
	var asJSON bool
	var duration time.Duration
	var most int
	c := &cobra.Command{
		Use:   "tail NAME [RING...]",
		Short: "Print what comes into rings, until ^C",
		Long: `Prints a line for each record that the chain puts into rings, and without RING
also for each line of log(). What is printed is taken out: two who watch one ring
share what comes. With --json an object a line.`,
		Example: `  weir maps tail edge events
  weir maps tail edge events -n 10 --json
  weir maps tail edge --for 5s`,
		Args:              wants("NAME", "[RING…]"),
		ValidArgsFunction: a.completeAllMaps,
		RunE: runs(func(ctx context.Context, args []string) error {
			if duration < 0 || most < 0 {
				return usage("--for and -n are not below 0")
			}
			return a.tail(ctx, args[0], args[1:], asJSON, duration, most)
		}),
	}
	jsonFlag(c, &asJSON)
	c.Flags().DurationVar(&duration, "for", 0, "end after this long, as in 10s")
	c.Flags().IntVarP(&most, "number", "n", 0, "end after so many records")
	return c
}

func (a *app) tail(ctx context.Context, name string, rings []string, asJSON bool, duration time.Duration, most int) error {
	g, err := a.kernel.Open(name)
	if err != nil {
		return err
	}
	defer g.Close()
	w, err := g.Watch(rings...)
	if err != nil {
		return err
	}
	defer w.Close()
	if w.Empty() {
		return fmt.Errorf("%s has no rings and no log()", name)
	}
	if duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	n := 0
	err = w.Follow(ctx, func(e datapath.Event) error {
		if n++; most > 0 && n > most {
			return errEnough
		}
		var err error
		if asJSON {
			err = term.JSON(a.out).Encode(e)
		} else {
			_, err = fmt.Fprintln(a.out, live.EventLine(a.out, e))
		}
		if err == nil && n == most {
			return errEnough
		}
		return err
	})
	if errors.Is(err, errEnough) || errors.Is(err, unix.EPIPE) {
		return nil
	}
	return err
}

// errEnough ends a tail that has printed what was asked for.
var errEnough = errors.New("enough")
