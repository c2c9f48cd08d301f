package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/child"
)

// stages are what --stage may be.
var stages = []string{"check", "lower", "opt", "gen"}

func (a *app) ir() *cobra.Command {
	var hookName, stage, pass string
	var src chain
	c := &cobra.Command{
		Use:   "ir FILE[:FUNC]|-e TEXT",
		Short: "Print a chain as the compiler sees it, stage by stage",
		Long: `Prints the text of one stage of the compiler: check (names and types), lower
(blocks in single assignment, packets as loads and helper calls), opt (the
same after the passes of the optimiser) or gen (eBPF). --pass prints the form
after one pass.`,
		Example: `  weir ir edge.weir
  weir ir edge.weir --stage gen --hook tc-ingress
  weir ir edge.weir --pass dce`,
		Args:              src.wants("FILE"),
		ValidArgsFunction: completeFiles,
		RunE: runs(func(ctx context.Context, args []string) error {
			if !slices.Contains(stages, stage) {
				return usage("no stage is named %q (there are %s)", stage, strings.Join(stages, ", "))
			}
			h, err := parseHook(hookName)
			if err != nil {
				return err
			}
			r := src.request(src.args(args)[0])
			r.Forms, r.Stages = []child.Form{{Hook: h}}, true
			_, texts, err := child.Compile(ctx, r, child.Limits{})
			if err != nil && len(texts) == 0 {
				return err
			}
			text, ok := pick(texts, stage, pass)
			switch {
			case ok:
				fmt.Fprint(a.out, text)
			case err == nil && pass != "":
				return usage("no pass is named %q (there are %s)", pass, strings.Join(passes(texts), ", "))
			}
			return err
		}),
	}
	src.flag(c)
	hookFlag(c, &hookName)
	c.Flags().StringVar(&stage, "stage", "opt", "the stage: "+strings.Join(stages, ", "))
	c.Flags().StringVar(&pass, "pass", "", "the form after this pass of the optimiser")
	c.RegisterFlagCompletionFunc("stage", cobra.FixedCompletions(stages, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// pick returns the text of a stage or of a pass.
func pick(texts []child.Stage, stage, pass string) (string, bool) {
	if pass != "" {
		stage = "opt/" + pass
	}
	for _, s := range texts {
		if s.Name == stage {
			return s.Text, true
		}
	}
	return "", false
}

// passes lists the passes that ran.
func passes(texts []child.Stage) []string {
	var names []string
	for _, s := range texts {
		if p, ok := strings.CutPrefix(s.Name, "opt/"); ok && !slices.Contains(names, p) {
			names = append(names, p)
		}
	}
	return names
}
