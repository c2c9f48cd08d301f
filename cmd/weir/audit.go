package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"weir/agent/audit"
	"weir/internal/term"
	"weir/state"
)

// stateFlag adds --state.
func (a *app) stateFlag(c *cobra.Command, dir *string, usage string) {
	def := defaultState
	if a.kernel.Root != "" {
		def = "" // the agent of other pins has a folder of its own, if it is given one
	}
	c.Flags().StringVar(dir, "state", def, usage)
	c.RegisterFlagCompletionFunc("state", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
}

// defaultState is the StateDirectory of the unit that weir install writes.
const defaultState = "/var/lib/weir"

func (a *app) audit() *cobra.Command {
	var dir string
	var last int
	var asJSON bool
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show what the agent has changed, for whom",
		Long: `Prints the last records of the agent's audit log: when, who, what, what differed, and
what came of it. Who is file PATH where the agent's own file has changed, or agent
where it put something right.

The log is DIR/audit.jsonl, with a record a line; at 16 MiB it becomes audit.jsonl.1,
in the place of the one before.`,
		Example: `  weir audit
  weir audit --last 100 --json`,
		Args: wants(),
		RunE: runs(func(context.Context, []string) error {
			if last < 0 {
				return usage("--last %d is less than 0", last)
			}
			all, err := audit.Read(dir, last)
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%w: no agent has changed anything there: name the folder of its state with --state", err)
			}
			if err != nil {
				return err
			}
			return a.tellAudit(all, asJSON)
		}),
	}
	a.stateFlag(c, &dir, "the folder of the agent's state")
	c.Flags().IntVar(&last, "last", 20, "print so many; 0: all")
	jsonFlag(c, &asJSON)
	return c
}

// tellAudit prints records.
func (a *app) tellAudit(all []audit.Record, asJSON bool) error {
	for _, r := range all {
		if asJSON {
			if err := term.JSON(a.out).Encode(r); err != nil {
				return err
			}
			continue
		}
		line := fmt.Sprintf("%s  %s: %s", r.Time.Local().Format(time.DateTime), r.Who, r.What)
		if r.Config != "" {
			line += " " + r.Config
		}
		if r.Why != "" {
			line += " (" + r.Why + ")"
		}
		fmt.Fprintln(a.out, term.Clean(line))
		var p state.Plan
		if json.Unmarshal(r.Difference, &p) == nil && !p.Empty() {
			p.Same = 0
			for _, l := range planLines(a.out, &p) {
				fmt.Fprintln(a.out, "  "+l)
			}
		}
		if r.Outcome != audit.Done {
			fmt.Fprintln(a.out, "  "+a.out.Paint(term.Red, "failed: "+term.Clean(r.Outcome)))
		}
	}
	return nil
}
