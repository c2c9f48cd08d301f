package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/datapath"
	"weir/internal/live"
	"weir/internal/term"
	"weir/lang"
)

func (a *app) show() *cobra.Command {
	var asJSON, withSource bool
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Show all there is to know about a running chain",
		Example: `  weir show edge
  weir show edge --source`,
		Args:              wants("NAME"),
		ValidArgsFunction: a.completeNames(1),
		RunE: runs(func(_ context.Context, args []string) error {
			g, err := a.kernel.Open(args[0])
			if err != nil {
				return err
			}
			defer g.Close()
			switch {
			case asJSON:
				return a.showJSON(g)
			case withSource:
				return a.showSource(g)
			}
			return a.showText(g)
		}),
	}
	jsonFlag(c, &asJSON)
	c.Flags().BoolVar(&withSource, "source", false, "print the sources that it was compiled from")
	return c
}

// sources are the texts that went into g, each once.
func sources(g *datapath.Generation) []lang.Source {
	var out []lang.Source
	seen := make(map[string]bool)
	for _, at := range g.Attachments {
		for _, s := range at.Program.Sources {
			if !seen[s.Name] {
				seen[s.Name] = true
				out = append(out, s)
			}
		}
	}
	return out
}

func (a *app) showSource(g *datapath.Generation) error {
	for i, s := range sources(g) {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		text := strings.TrimRight(s.Text, "\n")
		if s.Object() {
			text = fmt.Sprintf("# a C object of %d octets", len(s.Text))
		}
		fmt.Fprintf(a.out, "%s\n%s\n", a.out.Paint(term.Bold, "# "+s.Name), text)
	}
	return nil
}

func (a *app) showText(g *datapath.Generation) error {
	t := a.out
	var names []string
	for _, s := range sources(g) {
		names = append(names, s.Name)
	}
	head := func(s string) { fmt.Fprintf(t, "\n%s\n", t.Paint(term.Bold, s)) }
	fmt.Fprintf(t, "%s  generation %d, since %s%s\n", t.Paint(term.Bold, g.Name), g.Number, g.Time.Format(time.DateTime), before(g))
	if g.Confirm > 0 {
		fmt.Fprintln(t, toConfirm(g.Name, g.Confirm, g.Trial))
	}
	fmt.Fprintf(t, "from %s\n", term.Clean(strings.Join(names, ", ")))

	ps, err := g.Params()
	if err != nil {
		return err
	}
	if len(ps) > 0 {
		head("PARAMS")
		for _, p := range ps {
			fmt.Fprintln(t, paramLine(p))
		}
	}
	rows, err := mapRows(g)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		fmt.Fprintln(t)
		if err := mapTable(t, rows).Write(t); err != nil {
			return err
		}
	}
	return a.showCounters(g)
}

// before says which generation there is to go back to.
func before(g *datapath.Generation) string {
	if g.Previous == 0 {
		return ""
	}
	return fmt.Sprintf(", before it %d", g.Previous)
}

// exitTable is the ways in which packets ended.
func exitTable(t *term.Term, v live.View) *term.Table {
	tb := &term.Table{Head: []string{"VERDICT", "REASON", ">PACKETS", ">BYTES", "BY"}}
	for _, e := range v.Exits {
		tb.Add(live.Paint(t, e.Verdict), e.Reason, term.Count(e.Packets), term.Count(e.Bytes),
			live.At(t, e.File, e.Line)+"  "+e.Text)
	}
	return tb
}

// showCounters writes places, exits and counts.
func (a *app) showCounters(g *datapath.Generation) error {
	s, err := live.Take(g)
	if err != nil {
		return err
	}
	t := a.out
	tb := term.Table{Head: []string{"ON", "HOOK", "MODE", ">PACKETS", ">BYTES", "PROGRAM"}}
	places := g.Places()
	for i, p := range s.Places {
		mode := p.Mode
		if p.Priority != nil {
			mode += fmt.Sprintf(", priority %d", *p.Priority)
		}
		if p.Gone {
			mode = t.Paint(term.Red, "gone")
		}
		var r row
		r.standing(places[i])
		tb.Add(placeNow(t, p.Where, r.Now), p.Hook, mode, term.Count(p.Packets), term.Count(p.Bytes),
			fmt.Sprintf("id %d, tag %s", places[i].ProgramID(), places[i].Tag()))
	}
	fmt.Fprintln(t)
	if err := tb.Write(t); err != nil {
		return err
	}
	v := live.Make(g.Name, g.Time, s, s, live.Texts(g))
	if len(v.Chains) > 0 {
		fmt.Fprintln(t)
		tb := live.ChainTable(t, v.Chains)
		if err := tb.Write(t); err != nil {
			return err
		}
	}
	if len(v.Exits) > 0 {
		fmt.Fprintln(t)
		if err := exitTable(t, v).Write(t); err != nil {
			return err
		}
	}
	for _, l := range live.CountLines(t, v.Counts, false) {
		fmt.Fprintln(t, l)
	}
	for _, l := range live.HistLines(t, v.Hists) {
		fmt.Fprintln(t, l)
	}
	return nil
}

func (a *app) showJSON(g *datapath.Generation) error {
	s, err := live.Take(g)
	if err != nil {
		return err
	}
	counters, err := live.Make(g.Name, g.Time, s, s, live.Texts(g)).JSON()
	if err != nil {
		return err
	}
	ps, err := g.Params()
	if err != nil {
		return err
	}
	rows, err := mapRows(g)
	if err != nil {
		return err
	}
	type source struct {
		Name string `json:"name"`
		Text string `json:"text"`
	}
	var texts []source
	for _, s := range sources(g) {
		texts = append(texts, source(s))
	}
	return term.JSON(a.out).Encode(struct {
		Name       string          `json:"name"`
		Generation int             `json:"generation"`
		Previous   int             `json:"previous"` // 0: none
		Confirm    float64         `json:"confirm"`  // seconds left; 0: it stays
		Since      time.Time       `json:"since"`
		Sources    []source        `json:"sources"`
		Params     []paramRow      `json:"params"`
		Maps       []mapRow        `json:"maps"`
		Counters   json.RawMessage `json:"counters"`
	}{g.Name, g.Number, g.Previous, g.Confirm.Seconds(), g.Time, texts, paramRows(ps), rows, counters})
}
