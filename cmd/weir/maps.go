package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/datapath"
	"weir/internal/term"
)

func (a *app) maps() *cobra.Command {
	c := &cobra.Command{
		Use:   "maps",
		Short: "Read and change maps of running chains",
		Long: `Maps are named as the file reaches them: blocked, bucket.state, tables[0].
Keys and values are written as people write them: 192.0.2.1, 10.0.0.0/8, 443,
True, 02:00:00:00:00:01, (192.0.2.1, 53), {a: 1, b: 2}.`,
		Example: `  weir maps ls edge
  weir maps put edge blocked 203.0.113.0/24
  weir maps load edge blocked prefixes.txt`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return usage("a command is missing: ls, get, test, put, del, dump, load, flush, reset or tail")
		},
	}
	c.AddCommand(a.mapsLs(), a.mapsGet(), a.mapsPut(), a.mapsDel(), a.mapsDump(), a.mapsLoad(),
		a.mapsTest(), a.mapsFlush(), a.mapsReset(), a.mapsTail())
	return c
}

// withMap runs f with a map of a running chain.
func (a *app) withMap(name, mapName string, f func(*datapath.Map) error) error {
	g, err := a.kernel.Open(name)
	if err != nil {
		return err
	}
	defer g.Close()
	m, err := mapOf(g, mapName)
	if err != nil {
		return err
	}
	return f(m)
}

// declared is a map as its chain declares it: lpm(prefix4, size = 1000).
func declared(m *datapath.Map) string {
	var parts []string
	if m.Kind != "array" && !m.Keyless() {
		parts = append(parts, m.Key.String())
	}
	if !m.Set() {
		parts = append(parts, m.Value.String())
	}
	parts = append(parts, fmt.Sprintf("size = %d", m.Size))
	if m.TTL > 0 {
		parts = append(parts, fmt.Sprintf("expiring = %q", term.Duration(m.TTL)))
	}
	if m.PerCPU() {
		parts = append(parts, "percpu = True")
	}
	return m.Kind + "(" + strings.Join(parts, ", ") + ")"
}

// entries counts what is in a map; of an array everything always is, of a ring it
// is the bytes that wait to be read. What the kernel cannot list counts as 0.
func entries(m *datapath.Map) (int, error) {
	switch {
	case m.Kind == "array":
		return m.Size, nil
	case m.Kind == "ring":
		return m.Waiting()
	case !m.Listed():
		return 0, nil
	}
	n := 0
	err := m.Each(func(_, _ []byte) error { n++; return nil })
	return n, err
}

func (a *app) mapsLs() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:               "ls NAME",
		Short:             "List the maps of a chain",
		Example:           `  weir maps ls edge`,
		Args:              wants("NAME"),
		ValidArgsFunction: a.completeNames(1),
		RunE: runs(func(_ context.Context, args []string) error {
			g, err := a.kernel.Open(args[0])
			if err != nil {
				return err
			}
			defer g.Close()
			rows, err := mapRows(g)
			if err != nil {
				return err
			}
			if asJSON {
				return term.JSON(a.out).Encode(rows)
			}
			if len(rows) == 0 {
				return nil
			}
			return mapTable(a.out, rows).Write(a.out)
		}),
	}
	jsonFlag(c, &asJSON)
	return c
}

// A mapRow is a map in a listing.
type mapRow struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Size    int    `json:"size"`
	Entries int    `json:"entries"`
	Refused uint64 `json:"refused"`
	Forgot  uint64 `json:"forgot"`
	Lost    uint64 `json:"lost,omitempty"`
	unknown bool   // how many entries there are
}

// lost says which keys the map could not keep.
func (r mapRow) lost() string {
	switch {
	case r.Refused > 0:
		return "refused " + term.Count(r.Refused)
	case r.Forgot > 0:
		return "forgot " + term.Count(r.Forgot)
	case r.Lost > 0:
		return "lost " + term.Count(r.Lost)
	}
	return ""
}

func mapRows(g *datapath.Generation) ([]mapRow, error) {
	refused, err := g.Refused()
	if err != nil {
		return nil, err
	}
	forgot, err := g.Forgotten()
	if err != nil {
		return nil, err
	}
	gone, err := g.Lost()
	if err != nil {
		return nil, err
	}
	byName := func(list []datapath.Count, name string) uint64 {
		i := slices.IndexFunc(list, func(c datapath.Count) bool { return c.Name == name })
		if i < 0 {
			return 0
		}
		return list[i].N
	}
	rows := []mapRow{}
	for _, m := range g.Maps() {
		n, err := entries(m)
		if err != nil {
			return nil, err
		}
		rows = append(rows, mapRow{
			m.Name, declared(m), m.Size, n, byName(refused, m.Name), byName(forgot, m.Name), byName(gone, m.Name),
			m.Kind != "ring" && !m.Listed(),
		})
	}
	return socketRow(g, rows)
}

func mapTable(t *term.Term, rows []mapRow) *term.Table {
	tb := &term.Table{Head: []string{"MAP", ">ENTRIES", ">FULL", "LOST KEYS", "DECLARED AS"}}
	for _, r := range rows {
		full := fmt.Sprintf("%.0f%%", 100*float64(r.Entries)/float64(max(r.Size, 1)))
		lost := "–"
		if r.lost() != "" {
			lost = t.Paint(term.Yellow, r.lost())
		}
		n := term.Count(uint64(r.Entries))
		if r.unknown {
			n, full = "–", "–"
		}
		tb.Add(t.Paint(term.Blue, r.Name), n, full, lost, r.Type)
	}
	return tb
}

func (a *app) mapsGet() *cobra.Command {
	return &cobra.Command{
		Use:               "get NAME MAP KEY",
		Short:             "Print the value of a key, of an lpm that of the longest prefix",
		Example:           `  weir maps get edge bucket.state 192.0.2.1`,
		Args:              wants("NAME", "MAP", "KEY"),
		Annotations:       map[string]string{takesValues: "yes"},
		ValidArgsFunction: a.completeMaps,
		RunE: runs(func(_ context.Context, args []string) error {
			if done, err := a.sockets(args, getSocket); done {
				return err
			}
			return a.withMap(args[0], args[1], func(m *datapath.Map) error {
				v, err := m.Get(args[2])
				if err != nil {
					return err
				}
				if m.Set() {
					v = "True"
				}
				_, err = fmt.Fprintln(a.out, v)
				return err
			})
		}),
	}
}

func (a *app) mapsPut() *cobra.Command {
	return &cobra.Command{
		Use:   "put NAME MAP KEY [VALUE]",
		Short: "Set the value of a key, add a key to a set, or push a value",
		Long: `Sets the value of a key, adds a key to a set, or pushes a value.

The map sockets of a chain at sk-lookup has the names of to_socket(); get, put, del
and dump know it. Its values are sockets that a process has: tcp:ADDRESS:PORT and
udp:ADDRESS:PORT in the network namespace of the chain (ADDRESS may be *), or
pid:NUMBER/fd:NUMBER. Without a value the name itself is looked for, as after a
server has started again: weir maps put steer sockets web tcp:127.0.0.1:8080`,
		Example: `  weir maps put edge blocked 203.0.113.0/24
  weir maps put edge hits 192.0.2.1 0`,
		Args:              wants("NAME", "MAP", "KEY", "[VALUE]"),
		Annotations:       map[string]string{takesValues: "yes"},
		ValidArgsFunction: a.completeMaps,
		RunE: runs(func(_ context.Context, args []string) error {
			if done, err := a.sockets(args, putSocket); done {
				return err
			}
			return a.withMap(args[0], args[1], func(m *datapath.Map) error {
				if m.Keyless() {
					if len(args) != 3 {
						return usage("%s is a %s: it takes a value and no key", m.Name, m.Kind)
					}
					return m.Put("", args[2])
				}
				if m.Set() != (len(args) == 3) {
					if m.Set() {
						return usage("%s is a set: its keys have no value", m.Name)
					}
					return usage("VALUE is missing: %s is %s", m.Name, declared(m))
				}
				return m.Put(args[2], strings.Join(args[3:], ""))
			})
		}),
	}
}

func (a *app) mapsDel() *cobra.Command {
	return &cobra.Command{
		Use:               "del NAME MAP KEY...",
		Short:             "Remove keys",
		Example:           `  weir maps del edge blocked 203.0.113.0/24`,
		Args:              wants("NAME", "MAP", "KEY…"),
		Annotations:       map[string]string{takesValues: "yes"},
		ValidArgsFunction: a.completeMaps,
		RunE: runs(func(_ context.Context, args []string) error {
			if done, err := a.sockets(args, delSocket); done {
				return err
			}
			return a.withMap(args[0], args[1], func(m *datapath.Map) error {
				var errs []error
				for _, k := range args[2:] {
					errs = append(errs, m.Delete(k))
				}
				return errors.Join(errs...)
			})
		}),
	}
}

// open opens FILE, or standard input for "-", and says how long it is (0: not
// known).
func (a *app) open(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(a.in), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	var size int64
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	return f, size, nil
}
