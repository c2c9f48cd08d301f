package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/internal/doctor"
	"weir/internal/spell"
	"weir/internal/term"
	"weir/lang/diag"
)

// A failure is an error of a command that was used rightly: exit code 1. All
// others are wrong usage: exit code 2.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// usage returns an error that says what was used wrongly.
func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

type usageError struct{ error }

// errBroken is errSilent with the exit code of wrong usage: what was given cannot be
// run as it stands.
var errBroken = errors.New("broken")

// errSilent fails a command that has said all that there is to say.
var errSilent = errors.New("failed")

// execute runs a command line and returns its exit code.
func (a *app) execute(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(negatives(root, args))
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		if err = a.out.Err(); err == nil || errors.Is(err, unix.EPIPE) { // who reads has enough
			return 0
		}
		err = failure{err}
	}
	var f failure
	if errors.Is(err, errBroken) {
		return 2
	}
	if errors.Is(err, errDiffers) {
		return 3
	}
	if !errors.As(err, &f) {
		fmt.Fprintf(a.err, "%s: %s\n", cmd.CommandPath(), cleanLines(oneLineFirst(err)))
		fmt.Fprintf(a.err, "run %q for help\n", cmd.CommandPath()+" --help")
		return 2
	}
	var ds diag.List
	var denied *attach.Denied
	switch {
	case errors.Is(err, errSilent):
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(a.err, "weir: interrupted")
	case errors.As(err, &ds):
		a.printDiags(ds)
	case errors.As(err, &denied):
		fmt.Fprintf(a.err, "weir: %s needs root (%s): %s\n", cmd.CommandPath(), denied.Needs, cleanLines(err.Error()))
	case errors.Is(err, os.ErrPermission) && !privileged():
		fmt.Fprintf(a.err, "weir: %s needs root (CAP_BPF, CAP_NET_ADMIN): %s\n", cmd.CommandPath(), cleanLines(err.Error()))
	default:
		fmt.Fprintf(a.err, "weir: %s\n", cleanLines(err.Error()))
	}
	return 1
}

// privileged reports whether this process has what the kernel asks for.
func privileged() bool {
	return doctor.Has(unix.CAP_NET_ADMIN) && (doctor.Has(unix.CAP_BPF) || doctor.Has(unix.CAP_SYS_ADMIN))
}

// oneLineFirst removes the blank line that cobra puts between an error and its
// suggestions.
func oneLineFirst(err error) string {
	return strings.TrimSpace(strings.ReplaceAll(err.Error(), "\n\n", "\n"))
}

// cleanLines is term.Clean for a text of several lines, as joined errors are.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = term.Clean(l)
	}
	return strings.Join(lines, "\n")
}

// takesValues marks commands whose arguments are keys and values, which may be
// negative numbers. Their flags have no values.
const takesValues = "values"

var negative = regexp.MustCompile(`^-[0-9]`)

// negatives returns a command line in which negative numbers among keys and
// values are no flags: they stand behind a "--", and flags before it.
func negatives(root *cobra.Command, args []string) []string {
	first := slices.IndexFunc(args, func(s string) bool { return s == "--" || negative.MatchString(s) })
	if first < 0 || args[first] == "--" {
		return args
	}
	if c, _, err := root.Find(args[:first]); err != nil || c.Annotations[takesValues] == "" {
		return args
	}
	var flags, rest []string
	for i, s := range args[first:] {
		switch {
		case s == "--":
			rest = append(rest, args[first+i+1:]...)
			return slices.Concat(args[:first], flags, []string{"--"}, rest)
		case len(s) > 1 && s[0] == '-' && !negative.MatchString(s):
			flags = append(flags, s)
		default:
			rest = append(rest, s)
		}
	}
	return slices.Concat(args[:first], flags, []string{"--"}, rest)
}

// root returns the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "Program the Linux data path with chains",
		Long: `weir compiles chains, short scripts in a Python-like language, to eBPF and
runs them at hooks on a packet's way: in the driver (xdp), in traffic control
(tc-ingress, tc-egress), where netfilter and cgroups see IP packets, at packet
sockets, and where connections are made (connect, sk-lookup). weir hooks lists
them.`,
		Example: `  weir demo                          see what it does, in half a minute
  weir check edge.weir               is this chain right?
  weir run edge.weir --on eth0       run it while you watch, until ^C
  weir attach edge.weir --on eth0    run it until weir detach edge`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
	}
	root.SetFlagErrorFunc(unknownFlag)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetIn(a.in)
	root.AddGroup(&cobra.Group{ID: "write", Title: "Write chains:"},
		&cobra.Group{ID: "run", Title: "Run chains:"})
	for _, c := range []*cobra.Command{a.check(), a.fmt(), a.lsp(), a.ir(), a.cat(), a.replay(), a.explain(), a.test(), a.profile(), a.new()} {
		c.GroupID = "write"
		root.AddCommand(c)
	}
	for _, c := range []*cobra.Command{a.run(), a.attach(), a.detach(), a.up(), a.apply(), a.diff(), a.agent(), a.audit(), a.config(), a.rollback(), a.confirm(), a.ls(), a.show(), a.set(), a.maps(), a.user(), a.metrics()} {
		c.GroupID = "run"
		root.AddCommand(c)
	}
	root.AddCommand(a.demo(), a.bench(), a.hooks(), a.doctor(), a.install(), a.uninstall(), a.version())
	root.SetHelpCommand(a.help(root))
	root.InitDefaultCompletionCmd()
	completionHelp(root)
	return root
}

// completionHelp adds to cobra's completion commands what all others have: an
// example, and that an unknown shell is wrong usage.
func completionHelp(root *cobra.Command) {
	examples := map[string]string{
		"completion": "source <(weir completion bash)",
		"bash":       "source <(weir completion bash)",
		"fish":       "weir completion fish >weir.fish",
		"powershell": "weir completion powershell >weir.ps1",
		"zsh":        "weir completion zsh >_weir",
	}
	c, _, err := root.Find([]string{"completion"})
	if err != nil {
		return // cobra adds none to a program without commands
	}
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		return c.Help()
	}
	for _, c := range append(c.Commands(), c) {
		c.Example = "  " + examples[c.Name()]
	}
}

// help is cobra's help command, but for an unknown topic being wrong usage.
func (a *app) help(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about any command",
		Example: `  weir help run`,
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(root, args[0])
			}
			return c.Help()
		},
	}
}

// flagName finds the flags in the lines that describe them.
var flagName = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+)`)

// unknownFlag is the error of a flag with, where one is near, what was meant.
func unknownFlag(c *cobra.Command, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return err
	}
	var names []string
	for _, m := range flagName.FindAllStringSubmatch(c.Flags().FlagUsages(), -1) {
		names = append(names, m[1])
	}
	if near := spell.Nearest(name, names); near != "" {
		return usage("%w: did you mean --%s?", err, near)
	}
	return usage("%w", err)
}

// unknownCommand names the commands that are near.
func unknownCommand(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(name); len(near) > 0 {
		return usage("unknown command %q, did you mean %s?", name, strings.Join(near, " or "))
	}
	return usage("unknown command %q", name)
}

// runs returns a function for cobra whose errors are failures, unless they are
// of usage.
func runs(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		err := f(c.Context(), args)
		var u usageError
		if err == nil || errors.As(err, &u) {
			return err
		}
		return failure{err}
	}
}

// wants returns the check of a command's arguments, which are named as in its
// usage line; a name that ends in … may come again, one in brackets may be
// missing.
func wants(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		least, most := 0, len(names)
		for _, n := range names {
			if strings.HasSuffix(strings.TrimSuffix(n, "]"), "…") {
				most = -1
			}
			if !strings.HasPrefix(n, "[") {
				least++
			}
		}
		switch {
		case len(args) < least:
			return usage("%s is missing", strings.TrimSuffix(names[len(args)], "…"))
		case most >= 0 && len(args) > most && most == 0:
			return usage("takes no arguments, but there is %q", args[0])
		case most >= 0 && len(args) > most:
			return usage("%q is one argument too many", args[most])
		}
		return nil
	}
}
