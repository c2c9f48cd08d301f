package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/demo"
	"weir/internal/term"
)

func (a *app) demo() *cobra.Command {
	var list bool
	var names []string
	for _, d := range demo.All() {
		names = append(names, d.Name)
	}
	c := &cobra.Command{
		Use:   "demo [NAME]",
		Short: "Show a chain at work, on a network made for it",
		Long: `Makes a network of namespaces on this machine, runs real traffic over it and
shows what a chain does. Nothing of it is left afterwards. Needs root.`,
		Example: `  weir demo
  weir demo --list`,
		Args: wants("[NAME]"),
		RunE: runs(func(ctx context.Context, args []string) error {
			if list {
				return a.listDemos()
			}
			name := strings.Join(append(args, demo.Default)[:1], "")
			for _, d := range demo.All() {
				if d.Name == name {
					return d.Run(ctx, a.out)
				}
			}
			return usage("no demo is named %q (there are: %s)", name, strings.Join(names, ", "))
		}),
		ValidArgsFunction: cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp),
	}
	c.Flags().BoolVar(&list, "list", false, "list the demos")
	return c
}

func (a *app) listDemos() error {
	tb := term.Table{Head: []string{"NAME", "SHOWS"}}
	for _, d := range demo.All() {
		tb.Add(d.Name, d.Summary)
	}
	if err := tb.Write(a.out); err != nil {
		return fmt.Errorf("list demos: %w", err)
	}
	return nil
}
