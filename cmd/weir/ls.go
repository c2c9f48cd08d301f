package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/datapath"
	"weir/internal/live"
	"weir/internal/term"
	"weir/lang"
)

func (a *app) ls() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls",
		Short: "List what is attached",
		Example: `  weir ls
  weir ls --json`,
		Args: wants(),
		RunE: runs(func(context.Context, []string) error {
			// What can be opened is listed even if something cannot.
			gs, err := a.kernel.List()
			rows, rerr := attachedRows(gs)
			for _, g := range gs {
				g.Close()
			}
			if asJSON {
				err = errors.Join(err, rerr, term.JSON(a.out).Encode(rows))
			} else {
				err = errors.Join(err, rerr, writeRows(a.out, rows))
			}
			return err
		}),
	}
	jsonFlag(c, &asJSON)
	return c
}

// A row is one attachment in a listing.
type row struct {
	Name    string    `json:"name"`
	On      string    `json:"on"`
	Hook    string    `json:"hook"`
	Mode    string    `json:"mode"`
	Gone    bool      `json:"gone"`
	Packets uint64    `json:"packets"`
	Bytes   uint64    `json:"bytes"`
	Dropped uint64    `json:"dropped"`
	File    string    `json:"file"` // of the first chain
	Func    string    `json:"func"`
	Chains  []chainOf `json:"chains"` // in the order in which packets go through them
	Since   time.Time `json:"since"`
}

func attachedRows(gs []*datapath.Generation) ([]row, error) {
	rows := []row{}
	var errs []error
	for _, g := range gs {
		s, err := live.Take(g)
		errs = append(errs, err)
		for i, p := range s.Places {
			prog := g.Attachments[i].Program
			r := row{
				Name: g.Name, On: p.Where, Hook: p.Hook, Mode: p.Mode, Gone: p.Gone, Packets: p.Packets,
				Bytes: p.Bytes, File: prog.Chains[0].File, Func: prog.Chains[0].Func,
				Chains: chainsOf(prog), Since: g.Time,
			}
			for _, e := range p.Exits {
				if e.Verdict == "DROP" {
					r.Dropped += e.Packets
				}
			}
			rows = append(rows, r)
		}
	}
	return rows, errors.Join(errs...)
}

// A chainOf is a chain of an attachment in a listing.
type chainOf struct {
	Name string `json:"name"`
	File string `json:"file"`
	Func string `json:"func"`
}

func chainsOf(p *lang.Program) []chainOf {
	var out []chainOf
	for _, c := range p.Chains {
		out = append(out, chainOf(c))
	}
	return out
}

// order is the files of chains as packets go through them, with the function where
// it is not main: edge.weir → guard.weir:outgoing.
func order(cs []chainOf) string {
	var out []string
	for _, c := range cs {
		s := c.File
		if c.Func != "main" {
			s += ":" + c.Func
		}
		out = append(out, term.Clean(s))
	}
	return strings.Join(out, " → ")
}

func writeRows(t *term.Term, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	tb := term.Table{Head: []string{"NAME", "ON", "HOOK", "MODE", ">PACKETS", ">DROPPED", "SINCE", "FILE"}}
	for _, r := range rows {
		mode := r.Mode
		if r.Gone {
			mode = t.Paint(term.Red, "gone")
		}
		tb.Add(t.Paint(term.Blue, r.Name), r.On, r.Hook, mode, term.Count(r.Packets), term.Count(r.Dropped),
			r.Since.Format(time.DateTime), order(r.Chains))
	}
	return tb.Write(t)
}
