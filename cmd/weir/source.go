package main

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"weir/hook"
	"weir/internal/child"
)

// fileFunc is FILE:FUNC.
var fileFunc = regexp.MustCompile(`^(.+):([A-Za-z_][A-Za-z0-9_]*)$`)

// request returns the compile of the chain that a FILE[:FUNC] argument names.
func request(arg string) child.Request {
	if m := fileFunc.FindStringSubmatch(arg); m != nil {
		return child.Request{File: m[1], Func: m[2]}
	}
	return child.Request{File: arg}
}

// hookFlag adds --hook with its completion.
func hookFlag(c *cobra.Command, name *string) {
	c.Flags().StringVar(name, "hook", hook.XDP.String(), "the hook to compile for")
	c.RegisterFlagCompletionFunc("hook", cobra.FixedCompletions(hook.Names(), cobra.ShellCompDirectiveNoFileComp))
}

// parseHook reads a --hook flag.
func parseHook(name string) (hook.Hook, error) {
	h, err := hook.Parse(name)
	if err != nil {
		return 0, usage("%w%s", err, didYouMean(name, hook.Names()))
	}
	return h, nil
}

// didYouMean offers those of names that are near what was written, if any are.
func didYouMean(name string, names []string) string {
	c := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, n := range names {
		c.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	near := c.SuggestionsFor(name)
	if name == "" || len(near) == 0 {
		return ""
	}
	return ", did you mean " + strings.Join(near, " or ") + "?"
}

// completeFiles completes names of chain files.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"weir"}, cobra.ShellCompDirectiveFilterFileExt
}
