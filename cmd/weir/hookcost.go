package main

import (
	"context"
	"errors"
	"fmt"

	"weir/attach"
	"weir/internal/doctor"
	"weir/internal/term"
	"weir/internal/toll"
)

// A costRow is what packets cost at a hook, in a mode.
type costRow struct {
	Hook    string   `json:"hook"`
	Mode    string   `json:"mode"`
	Way     string   `json:"way"`
	Chain   float64  `json:"chain_ns"` // a run of the chain
	None    float64  `json:"none_ns"`  // a packet on its way, without a chain
	Pass    float64  `json:"pass_ns"`
	Drop    *float64 `json:"drop_ns"` // null where nothing can be dropped
	Sent    uint64   `json:"sent"`
	Counted uint64   `json:"counted"`
	Valid   bool     `json:"valid"`
}

// measureHooks measures hooks in all modes that work here. A row that is not valid
// fails the command.
func (a *app) measureHooks(ctx context.Context, rows []hookRow, asJSON bool) error {
	points := pointsOf(rows)
	if len(points) == 0 {
		return errors.Join(errors.New("there is nothing to measure: no chain can be attached here"), a.whyNot(a.err, rows...))
	}
	bar := term.NewProgress(a.err, "measuring", 0)
	costs, err := toll.Measure(ctx, points, toll.Options{Progress: func(done, total int) { bar.Part(done, total) }})
	bar.Done()
	if err != nil {
		return err
	}
	var out []costRow
	invalid := ""
	for _, c := range costs {
		r := costRow{Hook: c.Hook.String(), Mode: string(c.Mode), Way: c.Way().String(), Chain: c.Chain, None: c.None, Pass: c.Pass,
			Sent: c.Sent, Counted: c.Counted, Valid: c.Valid()}
		if c.Drop > 0 {
			r.Drop = &c.Drop
		}
		if !r.Valid {
			invalid = fmt.Sprintf("%s, %s: not valid: %d sent, %d counted", r.Hook, r.Mode, r.Sent, r.Counted)
		}
		out = append(out, r)
	}
	if asJSON {
		err = term.JSON(a.out).Encode(out)
	} else {
		err = a.showCosts(out)
	}
	if err == nil && invalid != "" {
		return fmt.Errorf("measure: %s", invalid)
	}
	return err
}

// pointsOf lists the modes that work, each once.
func pointsOf(rows []hookRow) []toll.Point {
	var out []toll.Point
	for _, r := range rows {
		for _, m := range attach.Modes(r.hook) {
			for _, h := range r.Here {
				if h.Mode == string(m) && h.Status == doctor.OK {
					out = append(out, toll.Point{Hook: r.hook, Mode: m})
				}
			}
		}
	}
	return out
}

func (a *app) showCosts(rows []costRow) error {
	tb := term.Table{Head: []string{"HOOK", "MODE", "WAY", ">CHAIN", ">NONE", ">PASS", ">DROP"}}
	for _, r := range rows {
		drop := "-"
		if r.Drop != nil {
			drop = fmt.Sprintf("%.0f", *r.Drop)
		}
		cells := []string{r.Hook, r.Mode, r.Way, fmt.Sprintf("%.0f", r.Chain), fmt.Sprintf("%.0f", r.None), fmt.Sprintf("%.0f", r.Pass), drop}
		if !r.Valid {
			cells = []string{r.Hook, r.Mode, r.Way, a.out.Paint(term.Red, "INVALID")}
		}
		tb.Add(cells...)
	}
	if err := tb.Write(a.out); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.out, "\nns per packet; compare figures of one way")
	return err
}
