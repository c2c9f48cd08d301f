package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/datapath"
	"weir/internal/cost"
	"weir/internal/live"
	"weir/internal/term"
	"weir/lang"
)

// glance is how long weir ls measures where nobody says: a moment for a person.
const glance = 100 * time.Millisecond

// listing is what weir ls was asked for.
type listing struct {
	all, json, watch bool
	span             time.Duration // to measure
}

func (a *app) ls() *cobra.Command {
	var l listing
	c := &cobra.Command{
		Use:   "ls",
		Short: "List what is attached",
		Long: `Lists what weir has attached, a row for each place. ORDER is the position among
all programs that packets meet there, weir's and others'; at netfilter, whose others
the kernel does not tell, it is the priority. NS/PACKET is how long
the chain took for a packet, measured while this command looks: the kernel
counts only then.

With --all, lists every BPF program of the machine, the costliest first: its
share of one CPU, runs a second and ns a run in the second that this command
looks; what it is attached to; and by whom it is kept: by weir under a NAME, by
a process that has it or its link open, or by a pin. JSON has all of these.`,
		Example: `  weir ls
  weir ls --for 2s          measure longer
  weir ls --watch           show it again every second
  weir ls --json
  weir ls --all             every BPF program of the machine
  weir ls --all --watch     and what they cost, again every second`,
		Args: wants(),
		RunE: runs(func(ctx context.Context, _ []string) error {
			switch {
			case l.span < 0:
				return usage("--for %v is in the past", l.span)
			case l.all:
				return a.listAll(ctx, l)
			case l.watch:
				return a.watchAttached(ctx, l)
			}
			return a.listAttached(ctx, l)
		}),
	}
	jsonFlag(c, &l.json)
	c.Flags().BoolVarP(&l.all, "all", "a", false, "list every BPF program of the machine")
	c.Flags().BoolVarP(&l.watch, "watch", "w", false, "show it again and again, until ^C")
	c.Flags().DurationVar(&l.span, "for", 0, "measure for so long (default 0.1s, with --all or --watch 1s)")
	return c
}

func (a *app) listAttached(ctx context.Context, l listing) error {
	// What can be opened is listed even if something cannot.
	gs, err := a.kernel.List()
	defer closeAll(gs)
	var used uses
	if ids := programIDs(gs); len(ids) > 0 {
		var merr error
		used.before = packetsAt(gs)
		if used.by, merr = cost.Measure(ctx, orDefault(l.span, glance), ids); ctx.Err() != nil {
			return ctx.Err()
		}
		a.unmeasured(merr)
	}
	rows, rerr := attachedRows(gs, used)
	return errors.Join(err, rerr, a.writeAttached(rows, l))
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// unmeasured says why there are no times; everything else is listed all the same.
func (a *app) unmeasured(err error) {
	if err != nil {
		fmt.Fprintf(a.err, "no times: %v\n", err)
	}
}

// watchAttached lists until ctx ends.
func (a *app) watchAttached(ctx context.Context, l listing) error {
	m, err := cost.Start()
	if err != nil {
		return err
	}
	defer m.Close()
	var before cost.Reading
	var used uses
	return a.again(ctx, l, func(bool) ([]string, any, error) {
		gs, err := a.kernel.List()
		defer closeAll(gs)
		now := m.Read(programIDs(gs))
		used.by = now.Since(before)
		rows, rerr := attachedRows(gs, used)
		before, used.before = now, packetsAt(gs)
		return attachedLines(a.out, rows, true), rows, errors.Join(err, rerr)
	})
}

// again shows what look returns, as lines or as JSON, until ctx ends. The first
// time nothing is measured yet: only a screen, which is drawn over, shows it.
func (a *app) again(ctx context.Context, l listing, look func(first bool) ([]string, any, error)) error {
	var screen *term.Screen
	if a.out.Terminal && !l.json {
		screen = term.NewScreen(a.out)
		defer screen.Close()
	}
	for first := true; ; first = false {
		lines, rows, err := look(first)
		switch {
		case screen != nil:
			screen.Draw(lines)
		case first:
		case l.json:
			err = errors.Join(err, term.JSON(a.out).Encode(rows))
		default:
			_, werr := fmt.Fprintln(a.out, strings.Join(lines, "\n"))
			err = errors.Join(err, werr)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(orDefault(l.span, time.Second)):
		}
	}
}

func closeAll(gs []*datapath.Generation) {
	for _, g := range gs {
		g.Close()
	}
}

func programIDs(gs []*datapath.Generation) []cost.Program {
	var ids []cost.Program
	for _, g := range gs {
		for _, at := range g.Attachments {
			ids = append(ids, at.ProgramID())
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids) // places may share one
}

// A row is one attachment in a listing.
type row struct {
	Name       string    `json:"name"`
	Generation int       `json:"generation"`
	On         string    `json:"on"`
	Hook       string    `json:"hook"`
	Mode       string    `json:"mode"`
	Gone       bool      `json:"gone"`
	Packets    uint64    `json:"packets"`
	Bytes      uint64    `json:"bytes"`
	Dropped    uint64    `json:"dropped"`
	File       string    `json:"file"` // of the first chain
	Func       string    `json:"func"`
	Chains     []chainOf `json:"chains"` // in the order in which packets go through them
	Since      time.Time `json:"since"`
	Confirm    float64   `json:"confirm"`            // seconds left; 0: it stays
	Now        string    `json:"now,omitempty"`      // where it is, if the interface was renamed or moved
	Position   int       `json:"position,omitempty"` // among those at the place, from 1
	Of         int       `json:"of,omitempty"`       // how many are there
	Priority   *int32    `json:"priority,omitempty"` // at netfilter
	Program    uint32    `json:"program"`
	Tag        string    `json:"tag"`
	NsPacket   *float64  `json:"ns_per_packet"` // null if none came while it was measured
	PPS        *float64  `json:"pps"`           // null if it was not measured

	trial bool // it is profiled
}

func attachedRows(gs []*datapath.Generation, used uses) ([]row, error) {
	rows := []row{}
	var errs []error
	for _, g := range gs {
		s, err := live.Take(g)
		errs = append(errs, err)
		places, shared := g.Places(), sharedPrograms(g)
		for i, p := range s.Places {
			at := places[i]
			r := row{
				Name: g.Name, Generation: g.Number, Confirm: g.Confirm.Seconds(), On: p.Where, Hook: p.Hook, Mode: p.Mode, Packets: p.Packets,
				Bytes: p.Bytes, File: at.Program.Chains[0].File, Func: at.Program.Chains[0].Func,
				Chains: chainsOf(at.Program), Since: g.Time, Priority: p.Priority,
				Program: uint32(at.ProgramID()), Tag: at.Tag(), trial: g.Trial,
			}
			for _, e := range p.Exits {
				if e.Verdict == "DROP" {
					r.Dropped += e.Packets
				}
			}
			r.standing(at)
			u := used.of(g, at)
			if shared[at.ProgramID()] {
				u = used.part(u, g, at, p.Packets)
			}
			r.measured(u)
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

	Observe bool `json:"observe,omitempty"`
}

func chainsOf(p *lang.Program) []chainOf {
	var out []chainOf
	for _, c := range p.Chains {
		out = append(out, chainOf(c))
	}
	return out
}

// files is the files of chains as packets go through them, with the function where
// it is not main: edge.weir → guard.weir:outgoing.
func files(cs []chainOf) string {
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

// standing fills in where the program is at present.
func (r *row) standing(at *datapath.Attachment) {
	s := at.Standing()
	if r.Gone = !s.There; r.Gone {
		return
	}
	r.Position, r.Of = s.Position, s.Of
	if s.Where != at.Where {
		r.Now = s.Where.On()
	}
}

// order says which of those at its place the program is.
func (r *row) order() string {
	switch {
	case r.Gone:
	case r.Priority != nil:
		return fmt.Sprintf("priority %d", *r.Priority)
	case r.Of > 0:
		return fmt.Sprintf("%d/%d", r.Position, r.Of)
	}
	return "–"
}

// placeNow is where an attachment is for a table: as it was attached, and where that is
// now if the interface was renamed or has moved.
func placeNow(t *term.Term, on, now string) string {
	if now == "" {
		return on
	}
	return on + t.Paint(term.Yellow, ", now "+now)
}

func (r *row) measured(u cost.Use) {
	if u.Span == 0 {
		return
	}
	pps := u.RunsPerSecond()
	r.PPS = &pps
	if u.Runs > 0 {
		ns := u.NsPerRun()
		r.NsPacket = &ns
	}
}

func (a *app) writeAttached(rows []row, l listing) error {
	if l.json {
		return term.JSON(a.out).Encode(rows)
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(a.out, strings.Join(attachedLines(a.out, rows, false), "\n"))
	return err
}

// attachedLines draws rows; with rates if they are shown again and again.
func attachedLines(t *term.Term, rows []row, rates bool) []string {
	head := []string{"NAME", ">GEN", "ON", "HOOK", ">ORDER", "MODE", ">PACKETS", ">DROPPED", ">NS/PACKET"}
	if rates {
		head = append(head, ">PPS")
	}
	tb := term.Table{Head: append(head, "SINCE", "FILE")}
	for _, r := range rows {
		mode := r.Mode
		if r.Gone {
			mode = t.Paint(term.Red, "gone")
		}
		cells := []string{t.Paint(term.Blue, r.Name), fmt.Sprint(r.Generation), placeNow(t, r.On, r.Now), r.Hook, r.order(), mode,
			term.Count(r.Packets), term.Count(r.Dropped), number(r.NsPacket)}
		if rates {
			cells = append(cells, number(r.PPS))
		}
		tb.Add(append(cells, r.Since.Format(time.DateTime), files(r.Chains))...)
	}
	return append(tb.Lines(t), waiting(t, rows)...)
}

// waiting says which generations are taken back unless they are confirmed, a line for
// each.
func waiting(t *term.Term, rows []row) (lines []string) {
	said := map[string]bool{}
	for _, r := range rows {
		if r.Confirm == 0 || said[r.Name] {
			continue
		}
		said[r.Name] = true
		left := time.Duration(r.Confirm * float64(time.Second))
		lines = append(lines, t.Paint(term.Yellow, fmt.Sprintf("%s: generation %d is %s", r.Name, r.Generation, toConfirm(r.Name, left, r.trial))))
	}
	return lines
}

// toConfirm says how long is left, and what to do.
func toConfirm(name string, left time.Duration, trial bool) string {
	if trial {
		return fmt.Sprintf("profiled for %s at most, then the plain chain runs again", left.Round(time.Second))
	}
	return fmt.Sprintf("to be confirmed within %s, or it is taken back (weir confirm %s)", left.Round(time.Second), name)
}

func number(x *float64) string {
	if x == nil {
		return "–"
	}
	return term.Number(*x)
}
