package main

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"weir/hook"
	"weir/internal/child"
	"weir/lang"
)

// fileFunc is FILE:FUNC.
var fileFunc = regexp.MustCompile(`^(.+):([A-Za-z_][A-Za-z0-9_]*)$`)

// part returns the chain that a FILE[:FUNC] argument names.
func part(arg string) lang.Part {
	if m := fileFunc.FindStringSubmatch(arg); m != nil {
		return lang.Part{File: m[1], Func: m[2]}
	}
	return lang.Part{File: arg}
}

// A chain is what a command is given to compile: files, or a text of lines (see
// docs/oneliners.md).
type chain struct{ lines []string }

// flag adds -e.
func (s *chain) flag(c *cobra.Command) {
	c.Flags().StringArrayVarP(&s.lines, "expr", "e", nil, "a line of a chain instead of FILE, the body of def main(pkt); may be repeated")
}

// wants is the check of arguments, of which -e stands for the first.
func (s *chain) wants(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(s.lines) == 0 {
			return wants(names...)(c, args)
		}
		if len(args) >= len(names) {
			return usage("give either -e or a FILE, but there is %q", args[0])
		}
		return wants(names[1:]...)(c, args)
	}
}

// orderHelp is what commands that take several chains say of that.
const orderHelp = `Several chains become one program, in the order given: a packet that one lets
PASS goes on to the next, and every other verdict ends. Maps, params and counts
are then called CHAIN.NAME. A program of a C object, FILE.o:FUNC, stands there as
a chain does.`

// args returns args, or what stands for -e in their place.
func (s *chain) args(args []string) []string {
	if len(s.lines) == 0 {
		return args
	}
	return append([]string{"-e"}, args...)
}

// request returns the compile of the chains that args name, one after another.
func (s *chain) request(args ...string) child.Request {
	first := part(args[0])
	r := child.Request{File: first.File, Func: first.Func}
	if len(s.lines) > 0 {
		return child.Request{File: args[0], Source: []byte(strings.Join(s.lines, "\n") + "\n"), Line: true}
	}
	for _, arg := range args[1:] {
		r.Then = append(r.Then, part(arg))
	}
	return r
}

// hookFlag adds --hook with its completion.
func hookFlag(c *cobra.Command, name *string) {
	c.Flags().StringVar(name, "hook", "", "the hook to compile for (default xdp; of chains of connections connect or sk-lookup)")
	c.RegisterFlagCompletionFunc("hook", cobra.FixedCompletions(hook.Names(), cobra.ShellCompDirectiveNoFileComp))
}

// compileAt sets the hook of all forms of r to that of a --hook flag, or leaves it to
// the chain.
func compileAt(r *child.Request, flag string) error {
	if r.Default = flag == ""; r.Default {
		return nil
	}
	h, err := parseHook(flag)
	for i := range r.Forms {
		r.Forms[i].Hook = h
	}
	return err
}

// parseHook reads the name of a hook.
func parseHook(name string) (hook.Hook, error) {
	h, err := hook.Parse(name)
	if err != nil {
		return 0, usage("%w", err)
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

// completeChains completes names of what can stand in the order of a hook: chain files,
// and C objects.
func completeChains(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"weir", "o"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeFiles completes names of chain files.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"weir"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeFirst completes the first argument by one of words.
func completeFirst(words []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}
