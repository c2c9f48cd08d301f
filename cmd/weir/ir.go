package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"weir/internal/child"
	"weir/lang/opt"
)

// stages are what --stage may be.
var stages = []string{"check", "lower", "opt", "gen"}

func (a *app) ir() *cobra.Command {
	var hookName, stage, pass string
	var asm, jit bool
	var src chain
	c := &cobra.Command{
		Use:   "ir FILE[:FUNC]...|-e TEXT",
		Short: "Print a chain as the compiler sees it, stage by stage",
		Long: `Prints the text of one stage of the compiler: check (names and types), lower
(blocks in single assignment, packets as loads and helper calls), opt (the
same after the passes of the optimiser) or gen (eBPF). --pass shows what one
pass changed, before and after, each time that it ran. Several chains are one program,
in the order given. The passes:

` + passList() + `

--asm shows source, the middle form and eBPF side by side, place by place. --jit loads
the program and adds the machine code that this kernel makes of it, and what the
verifier says that it cost (as root).`,
		Example: `  weir ir edge.weir
  weir ir edge.weir --stage gen --hook tc-ingress
  weir ir edge.weir --pass dce
  weir ir edge.weir --asm --jit`,
		Args:              src.wants("FILE…"),
		ValidArgsFunction: completeChains,
		RunE: runs(func(ctx context.Context, args []string) error {
			if !slices.Contains(stages, stage) {
				return usage("no stage is named %q (there are %s)", stage, strings.Join(stages, ", "))
			}
			if pass != "" && !slices.Contains(opt.Names(), pass) {
				return usage("no pass is named %q (there are %s)", pass, strings.Join(opt.Names(), ", "))
			}
			r := src.request(src.args(args)...)
			r.Forms, r.Stages = []child.Form{{}}, true
			if err := compileAt(&r, hookName); err != nil {
				return err
			}
			if asm || jit {
				return a.showListing(ctx, r, jit)
			}
			return a.showStage(ctx, r, stage, pass)
		}),
	}
	src.flag(c)
	hookFlag(c, &hookName)
	c.Flags().StringVar(&stage, "stage", "opt", "the stage: "+strings.Join(stages, ", "))
	c.Flags().StringVar(&pass, "pass", "", "what this pass of the optimiser changes")
	c.Flags().BoolVar(&asm, "asm", false, "source, middle form and eBPF side by side")
	c.Flags().BoolVar(&jit, "jit", false, "the same with machine code, and what the verifier says of the program")
	c.MarkFlagsMutuallyExclusive("asm", "pass")
	c.MarkFlagsMutuallyExclusive("jit", "pass")
	c.MarkFlagsMutuallyExclusive("asm", "stage")
	c.MarkFlagsMutuallyExclusive("jit", "stage")
	c.RegisterFlagCompletionFunc("pass", completePasses)
	c.RegisterFlagCompletionFunc("stage", cobra.FixedCompletions(stages, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// showStage compiles r and prints the text of a stage, or what a pass changed.
func (a *app) showStage(ctx context.Context, r child.Request, stage, pass string) error {
	_, texts, err := child.Compile(ctx, r, child.Limits{})
	if err != nil && len(texts) == 0 {
		return err
	}
	if pass != "" {
		a.showPass(texts, pass)
		return err
	}
	for _, s := range texts {
		if s.Name == stage {
			fmt.Fprint(a.out, s.Text)
		}
	}
	return err
}

// showPass prints the forms before and after each run of a pass that changed
// something, as a difference.
func (a *app) showPass(texts []child.Stage, pass string) {
	fmt.Fprintf(a.out, "%s: %s\n", pass, opt.Contract(pass))
	runs := 0
	for i, s := range texts {
		if s.Name != "opt/"+pass || i == 0 {
			continue
		}
		runs++
		before := fmt.Sprintf("before %s, run %d", pass, runs)
		after := fmt.Sprintf("after %s, run %d", pass, runs)
		fmt.Fprintf(a.out, "\n%s", diff.Diff(before, []byte(texts[i-1].Text), after, []byte(s.Text)))
	}
	if runs == 0 {
		fmt.Fprintln(a.out, "It finds nothing to do in this chain.")
	}
}

// passList is the passes with what they promise, a line each.
func passList() string {
	var b strings.Builder
	for _, name := range opt.Names() {
		fmt.Fprintf(&b, "  %-8s%s\n", name, opt.Contract(name))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// completePasses completes the names of passes.
func completePasses(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, name := range opt.Names() {
		out = append(out, name+"\t"+opt.Contract(name))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
