package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"weir/datapath"
	"weir/internal/term"
)

func (a *app) mapsDump() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "dump NAME MAP",
		Short: "Print all entries, in the form that load reads",
		Long: `Prints a line for each entry: its key, and its value if the map is not a set.
With --json an object a line. Entries that come or go meanwhile may be missed.`,
		Example: `  weir maps dump edge blocked >prefixes.txt
  weir maps dump edge bucket.state --json`,
		Args:              wants("NAME", "MAP"),
		ValidArgsFunction: a.completeMaps,
		RunE: runs(func(ctx context.Context, args []string) error {
			if done, err := a.sockets(args, dumpSockets(asJSON)); done {
				return err
			}
			return a.withMap(args[0], args[1], func(m *datapath.Map) error {
				w := bufio.NewWriter(a.out)
				if err := dump(ctx, w, m, asJSON); err != nil {
					return err
				}
				return w.Flush()
			})
		}),
	}
	jsonFlag(c, &asJSON)
	return c
}

func dump(ctx context.Context, w io.Writer, m *datapath.Map, asJSON bool) error {
	enc := term.JSON(w)
	return m.Each(func(key, val []byte) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		k := m.Key.Format(key)
		switch {
		case asJSON && m.Set():
			return enc.Encode(map[string]string{"key": k})
		case asJSON:
			return enc.Encode(map[string]string{"key": k, "value": m.Value.Format(val)})
		case m.Set():
			_, err := fmt.Fprintln(w, k)
			return err
		}
		_, err := fmt.Fprintln(w, k, m.Value.Format(val))
		return err
	})
}

func (a *app) mapsLoad() *cobra.Command {
	var skip bool
	c := &cobra.Command{
		Use:   "load NAME MAP FILE|-",
		Short: "Add the entries of a file",
		Long: `Adds entries from lines "KEY" (of a set) or "KEY VALUE". Empty lines and what
follows a # are skipped. If a line cannot be read nothing is loaded, unless
--skip is given. FILE - is standard input.`,
		Example: `  weir maps load edge blocked prefixes.txt
  grep -v ^# list | weir maps load edge blocked -`,
		Args:              wants("NAME", "MAP", "FILE"),
		ValidArgsFunction: a.completeMaps,
		RunE: runs(func(ctx context.Context, args []string) error {
			in, size, err := a.open(args[2])
			if err != nil {
				return fmt.Errorf("%v", err) // of the file: not a lack of rights for the kernel
			}
			defer in.Close()
			return a.withMap(args[0], args[1], func(m *datapath.Map) error {
				n, err := a.load(ctx, m, in, size, skip)
				if n > 0 && a.err.Terminal {
					fmt.Fprintf(a.err, "%s loaded into %s\n", term.Plural(uint64(n), "line"), m.Name)
				}
				return err
			})
		}),
	}
	c.Flags().BoolVar(&skip, "skip", false, "skip lines that cannot be read, and tell them at the end")
	return c
}

// load fills a map under two bars: one while lines are read, one while entries
// go into the kernel.
func (a *app) load(ctx context.Context, m *datapath.Map, in io.Reader, size int64, skip bool) (int, error) {
	reading := &meter{r: in, bar: term.NewProgress(a.err, "reading", uint64(size))}
	var filling *term.Progress
	n, err := m.Load(ctx, reading, datapath.FillOptions{Skip: skip, Progress: func(done, n int) {
		if filling == nil {
			reading.bar.Done()
			filling = term.NewProgress(a.err, "loading", uint64(n))
		}
		filling.Set(uint64(done), uint64(done))
	}})
	reading.bar.Done()
	if filling != nil {
		filling.Done()
	}
	return n, err
}

// A meter moves a bar with what is read.
type meter struct {
	r     io.Reader
	bar   *term.Progress
	lines uint64
	bytes uint64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.bytes += uint64(n)
	for _, c := range p[:n] {
		if c == '\n' {
			m.lines++
		}
	}
	m.bar.Set(m.bytes, m.lines)
	return n, err
}
