package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"weir/datapath"
	"weir/internal/census"
	"weir/internal/cost"
	"weir/internal/holder"
	"weir/internal/term"
)

// listAll lists the programs of the machine, once or again and again.
func (a *app) listAll(ctx context.Context, l listing) error {
	if l.watch {
		return a.watchAll(ctx, l)
	}
	c, err := census.Take(ctx, orDefault(l.span, time.Second))
	if err != nil {
		return err
	}
	a.notes(c)
	rows := a.programRows(c)
	if l.json {
		return term.JSON(a.out).Encode(rows)
	}
	_, err = fmt.Fprintln(a.out, strings.Join(programLines(a.out, rows), "\n"))
	return err
}

// notes says what could not be asked.
func (a *app) notes(c census.Census) {
	for _, n := range c.Notes {
		fmt.Fprintf(a.err, "not listed: %s\n", term.Clean(n))
	}
}

func (a *app) watchAll(ctx context.Context, l listing) error {
	m, err := cost.Start()
	if err != nil {
		return err
	}
	defer m.Close()
	var before cost.Reading
	return a.again(ctx, l, func(first bool) ([]string, any, error) {
		c, err := census.List()
		if err != nil {
			return nil, nil, err
		}
		now := m.Read(c.IDs())
		c.Measure(now.Since(before))
		if before = now; first {
			a.notes(c)
		}
		rows := a.programRows(c)
		return programLines(a.out, rows), rows, nil
	})
}

// A programRow is one program in a listing.
type programRow struct {
	ID        uint32           `json:"id"`
	Type      string           `json:"type"`
	Name      string           `json:"name"`
	Tag       string           `json:"tag"`
	UID       uint32           `json:"uid"`
	Loaded    time.Time        `json:"loaded"`
	On        []programPlace   `json:"on"`
	Processes []programProcess `json:"processes"`
	Pins      []string         `json:"pins"`
	Weir      *programOwner    `json:"weir"` // null if it is not weir's
	CPU       *float64         `json:"cpu"`  // 1 is a whole one; null if it was not measured, as is the next
	PerSecond *float64         `json:"runs_per_second"`
	NsRun     *float64         `json:"ns_per_run"` // null if it did not run
}

type programPlace struct {
	Where    string `json:"where"`
	How      string `json:"how,omitempty"`
	Link     uint32 `json:"link,omitempty"`
	Position int    `json:"position,omitempty"`
	Of       int    `json:"of,omitempty"`
	text     string
}

type programProcess struct {
	PID  int    `json:"pid"`
	Comm string `json:"comm"`
}

// programOwner says which of weir's a program is.
type programOwner struct {
	Name       string `json:"name"`       // empty: of a weir that runs, which is among the processes
	Generation int    `json:"generation"` // 0 likewise
}

func (a *app) programRows(c census.Census) []programRow {
	ours := a.ourPrograms()
	rows := []programRow{}
	for _, p := range c.Programs {
		r := programRow{
			ID: uint32(p.ID), Type: p.Type, Name: p.Name, Tag: p.Tag, UID: p.UID, Loaded: p.Loaded,
			On: []programPlace{}, Processes: []programProcess{}, Pins: []string{}, Weir: owner(ours, p),
		}
		for _, at := range p.On {
			if o, ok := ours[p.ID]; ok && strings.HasPrefix(at.Where, "@netfilter") {
				at.Where = cmp.Or(o.where, at.Where+" that is gone, or out of reach") // the kernel does not tell it
			}
			r.On = append(r.On, programPlace{at.Where, at.How, uint32(at.Link), at.Position, at.Of, at.String()})
		}
		for _, by := range p.By.Processes {
			r.Processes = append(r.Processes, programProcess(by))
		}
		r.Pins = append(r.Pins, p.By.Pins...)
		if p.Use.Span > 0 {
			cpu, ps := p.Use.CPU(), p.Use.RunsPerSecond()
			r.CPU, r.PerSecond = &cpu, &ps
		}
		if p.Use.Runs > 0 {
			ns := p.Use.NsPerRun()
			r.NsRun = &ns
		}
		rows = append(rows, r)
	}
	return rows
}

// ourProgram is what a manifest says of a program.
type ourProgram struct {
	programOwner
	tag   string
	where string // at present; empty: nowhere, or out of reach
}

// ourPrograms are those that manifests have, also of generations that are kept for a
// rollback. What cannot be opened is not told to be weir's.
func (a *app) ourPrograms() map[cost.Program]ourProgram {
	gs, _ := a.kernel.List()
	defer closeAll(gs)
	kept := a.kernel.Kept()
	defer closeAll(kept)
	ours := map[cost.Program]ourProgram{}
	for _, g := range kept {
		for _, at := range g.Attachments {
			ours[at.ProgramID()] = ourProgram{programOwner{g.Name, g.Number}, at.Tag(), ""}
		}
	}
	for _, g := range gs {
		for _, at := range g.Attachments {
			o := ourProgram{programOwner{g.Name, g.Number}, at.Tag(), ""}
			if s := at.Standing(); s.There {
				o.where = s.Where.String()
			}
			ours[at.ProgramID()] = o
		}
	}
	return ours
}

// owner returns which of weir's p is: by the manifest, with the tag in it, or, of a
// chain that ends with its process, by the name.
func owner(ours map[cost.Program]ourProgram, p census.Program) *programOwner {
	if o, ok := ours[p.ID]; ok && o.tag == p.Tag {
		return &o.programOwner
	}
	if datapath.NamedByWeir(p.Name) && len(p.By.Processes) > 0 {
		return new(programOwner)
	}
	return nil
}

// programLines draws rows. Of several places each has a line.
func programLines(t *term.Term, rows []programRow) []string {
	tb := term.Table{Head: []string{">CPU", ">RUNS/S", ">NS/RUN", ">ID", "TYPE", "NAME", "TAG", "BY", "LOADED", "ON"}}
	for _, r := range rows {
		cpu := "–"
		if r.CPU != nil {
			cpu = fmt.Sprintf("%.2f%%", 100**r.CPU)
		}
		on := "–"
		if len(r.On) > 0 {
			on = r.On[0].text
		}
		tb.Add(cpu, number(r.PerSecond), number(r.NsRun), fmt.Sprint(r.ID), r.Type, r.Name, r.Tag, r.by(t),
			r.Loaded.Format(time.DateTime), on)
		for _, at := range r.On[min(1, len(r.On)):] {
			tb.Add("", "", "", "", "", "", "", "", "", at.text)
		}
	}
	return tb.Lines(t)
}

// by says in a few words who keeps a program.
func (r programRow) by(t *term.Term) string {
	process := ""
	if len(r.Processes) > 0 {
		process = holder.Process(r.Processes[0]).String()
		if more := len(r.Processes) - 1; more > 0 {
			process += fmt.Sprintf(" +%d", more)
		}
	}
	switch {
	case r.Weir != nil && r.Weir.Name != "":
		return t.Paint(term.Blue, "weir "+r.Weir.Name)
	case r.Weir != nil:
		return t.Paint(term.Blue, "weir") + " " + process
	case process != "":
		return process
	case len(r.Pins) > 0:
		return "pinned " + tail(r.Pins[0])
	case r.UID != 0:
		return fmt.Sprintf("user %d", r.UID)
	}
	return "–"
}

// tail is the end of a path, as much as a table has room for.
func tail(path string) string {
	const most = 32
	if r := []rune(path); len(r) > most {
		return "…" + string(r[len(r)-most+1:])
	}
	return path
}
