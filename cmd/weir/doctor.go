package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"weir/internal/doctor"
	"weir/internal/term"
)

func (a *app) doctor() *cobra.Command {
	var asJSON bool
	var report string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what works on this machine, and what is missing",
		Long: `Tries what weir needs: loads chains, makes maps, and attaches to interfaces of
its own in a network namespace that is gone afterwards. Of what is missing it
says what that is needed for, and what to do. Without root it tells what it
could not try.

The exit code is 1 if something is missing without which no chain runs. --report
writes a file for a bug report: versions, results, and what is attached, by name
and generation; interfaces have numbers for names, and no address or content of
a map is in it.`,
		Example: `  weir doctor
  weir doctor --report weir-bug.txt`,
		Args: wants(),
		RunE: runs(func(context.Context, []string) error {
			r := doctor.NewReport(version, a.kernel)
			var err error
			if report != "" {
				err = a.writeReport(report, r)
			}
			if asJSON {
				err = errors.Join(err, term.JSON(a.out).Encode(r))
			} else {
				err = errors.Join(err, a.showDoctor(r))
			}
			if err == nil && !r.Healthy {
				return errSilent
			}
			return err
		}),
	}
	jsonFlag(c, &asJSON)
	c.Flags().StringVar(&report, "report", "", "write a bug report to this file")
	return c
}

func (a *app) writeReport(name string, r doctor.Report) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("%v", err) // of the file: not a lack of rights for the kernel
	}
	return errors.Join(r.Write(f, a.kernel), f.Close())
}

var statusColors = map[doctor.Status]term.Color{doctor.OK: term.Green, doctor.Missing: term.Red, doctor.Unknown: term.Yellow}

// showDoctor writes the checks, and then what to do.
func (a *app) showDoctor(r doctor.Report) error {
	t := a.out
	fmt.Fprintf(t, "weir %s on Linux %s (%s)\n\n", r.Weir, r.Kernel, r.Arch)
	tb := term.Table{Head: []string{"STATUS", "AREA", "WHAT", "NEEDED FOR"}}
	for _, c := range r.Checks {
		tb.Add(t.Paint(statusColors[c.Status], string(c.Status)), c.Area, c.Name, c.For)
	}
	if err := tb.Write(t); err != nil {
		return err
	}
	for _, c := range r.Checks {
		if c.Status == doctor.OK {
			continue
		}
		fmt.Fprintf(t, "\n%s %s: needed for %s\n", t.Paint(statusColors[c.Status], string(c.Status)), term.Clean(c.Name), c.For)
		if c.Detail != "" {
			fmt.Fprintf(t, "  %s\n", cleanLines(c.Detail))
		}
		fmt.Fprintf(t, "  %s\n", c.Do)
	}
	verdict := "chains run on this machine"
	if !r.Healthy {
		verdict = "chains do not run on this machine"
	}
	_, err := fmt.Fprintf(t, "\n%s\n", verdict)
	return err
}
