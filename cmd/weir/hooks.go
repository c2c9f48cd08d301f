package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"weir/hook"
	"weir/internal/doctor"
	"weir/internal/term"
)

func (a *app) hooks() *cobra.Command {
	var asJSON, measure bool
	c := &cobra.Command{
		Use:   "hooks [NAME]",
		Short: "List the places where chains run, and what they see and may do there",
		Long: `Lists the hooks, or tells all of one. IN, THROUGH and OUT are the ways of packets:
to a socket of this host, to another host for which this one is a router, and
from a socket of this host; a number is the hook's place on that way. A packet
socket sees a packet twice on the way through.

SEES is what a packet begins with: frames with the Ethernet header, IP packets
with the IP header; connections have no packet yet. MAY is what a chain can do with
it: drop it, write fields and payload, move bytes (push, pop, trim, tags), send it
elsewhere (TX, redirect), reject it with an answer, send it to another cpu, into the
peer of a veth, write its mark; rewrite where a connection goes, choose the socket
that takes it.

HERE are the modes in which chains run there on this machine. That is found by
trying, in a network namespace and a cgroup that are gone afterwards.

--measure sends packets through a small network of namespaces and tells in ns what
they cost at each hook that is here. CHAIN is a run of a chain that looks for a port,
by the kernel's statistics. NONE is a packet on its whole way without a chain, PASS
with one that lets it pass. DROP is a packet that the chain drops, up to there. The
way in begins with the generator of the packets and ends at a socket, the way out
begins with a system call. Compare figures of one way only. It needs root, and some
20 seconds of a machine that does nothing else.`,
		Example: `  weir hooks
  weir hooks tc-ingress
  weir hooks --json
  weir hooks xdp --measure`,
		Args: wants("[NAME]"),
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.doHooks(ctx, args, measure, asJSON)
		}),
		ValidArgsFunction: completeFirst(hooksByName()),
	}
	jsonFlag(c, &asJSON)
	c.Flags().BoolVar(&measure, "measure", false, "measure what packets cost at each hook")
	return c
}

// doHooks tells of all hooks, or of one that is named.
func (a *app) doHooks(ctx context.Context, args []string, measure, asJSON bool) error {
	hooks := hook.All()
	if len(args) > 0 {
		h, err := parseHook(args[0])
		if err != nil {
			return err
		}
		hooks = []hook.Hook{h}
	}
	rows := hookRows(hooks...)
	switch {
	case measure:
		return a.measureHooks(ctx, rows, asJSON)
	case asJSON:
		return a.hooksJSON(rows, len(args) > 0)
	case len(args) > 0:
		return a.showHook(rows[0])
	}
	return a.listHooks(rows)
}

// hooksByName are the names of hooks for completion, each with what it is.
func hooksByName() []string {
	var out []string
	for _, h := range hook.All() {
		out = append(out, h.String()+"\t"+h.Info().Summary)
	}
	return out
}

// hooksJSON prints an array of hooks, or one that was asked for.
func (a *app) hooksJSON(rows []hookRow, one bool) error {
	if one {
		return term.JSON(a.out).Encode(rows[0])
	}
	return term.JSON(a.out).Encode(rows)
}

// A hookRow is one hook in a listing.
type hookRow struct {
	Name      string            `json:"name"`
	Summary   string            `json:"summary"`
	On        string            `json:"on"` // how --on names a place of it
	In        []int             `json:"in"` // places on the way in, from 1
	Through   []int             `json:"through"`
	Out       []int             `json:"out"`
	Sees      string            `json:"sees"`
	Abilities map[string]string `json:"abilities"` // yes, no, read, or read and write
	Needs     string            `json:"needs"`
	Available *bool             `json:"available"` // null: it could not be tried
	Here      []hookMode        `json:"here"`

	hook hook.Hook
}

// A hookMode is a way to attach, and what came of trying it.
type hookMode struct {
	Mode   string        `json:"mode"`
	Status doctor.Status `json:"status"`
	Detail string        `json:"detail,omitempty"`
	Do     string        `json:"do,omitempty"`
}

// hookRows tries hooks.
func hookRows(hooks ...hook.Hook) []hookRow {
	checks := doctor.Attaching(hooks...)
	var rows []hookRow
	for _, h := range hooks {
		i := h.Info()
		r := hookRow{
			Name: i.Name, Summary: i.Summary, On: onHook(h), Needs: i.Needs, hook: h, Abilities: map[string]string{},
			In: places(h, hook.In), Through: places(h, hook.Through), Out: places(h, hook.Out), Sees: sees(h),
		}
		for _, b := range hook.Abilities() {
			r.Abilities[b.Name] = extent(b, b.At(h))
		}
		available, known := false, true
		for _, c := range checks {
			if c.Hook != i.Name {
				continue
			}
			name, _, _ := strings.Cut(c.Name, " at ")
			if _, mtu, ok := strings.Cut(c.Name, ", "); ok {
				name += ", " + mtu
			}
			r.Here = append(r.Here, hookMode{name, c.Status, c.Detail, c.Do})
			available = available || c.Status == doctor.OK
			known = known && c.Status != doctor.Unknown
		}
		if available || known {
			r.Available = &available
		}
		rows = append(rows, r)
	}
	return rows
}

// places is Positions, never nil: JSON has [].
func places(h hook.Hook, w hook.Way) []int { return append([]int{}, h.Positions(w)...) }

// onHook says how a place of a hook is written.
func onHook(h hook.Hook) string {
	switch h.Info().Place {
	case hook.Netns:
		return "[NETNS/]@" + h.String()
	case hook.Cgroup:
		return "@" + h.String() + "=PATH"
	}
	return "[NETNS/]INTERFACE:" + h.String()
}

func sees(h hook.Hook) string {
	switch i := h.Info(); {
	case i.Ethernet:
		return "frames"
	case i.Conn:
		return "connections"
	}
	return "IP packets"
}

// extent says how far an ability goes.
func extent(b hook.Ability, a hook.Access) string {
	switch {
	case a == hook.NoAccess:
		return "no"
	case b.Mixed && a == hook.Read:
		return "read"
	case b.Mixed:
		return "read and write"
	}
	return "yes"
}

func (a *app) listHooks(rows []hookRow) error {
	tb := term.Table{Head: []string{"HOOK", ">IN", ">THROUGH", ">OUT", "SEES", "MAY", "HERE"}}
	for _, r := range rows {
		tb.Add(r.Name, positions(r.In), positions(r.Through), positions(r.Out), r.Sees, may(r.hook), a.here(r))
	}
	if err := tb.Write(a.out); err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(rows), func(r hookRow) bool { return r.Available != nil && *r.Available })
	return a.whyNot(a.out, missing...)
}

// positions writes places, and - for none.
func positions(at []int) string {
	if len(at) == 0 {
		return "-"
	}
	var out []string
	for _, n := range at {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ", ")
}

// may lists in short words what a chain may do.
func may(h hook.Hook) string {
	var words []string
	for _, b := range hook.Abilities() {
		if b.Word != "" && b.At(h) == hook.ReadWrite {
			words = append(words, b.Word)
		}
	}
	if len(words) == 0 {
		return "observe"
	}
	return strings.Join(words, " ")
}

// here lists the modes that work.
func (a *app) here(r hookRow) string {
	var modes []string
	for _, m := range r.Here {
		if name, _, rest := strings.Cut(m.Mode, ","); m.Status == doctor.OK && !rest {
			modes = append(modes, name)
		}
	}
	switch {
	case len(modes) > 0:
		return a.out.Paint(term.Green, strings.Join(modes, ", "))
	case r.Available == nil:
		return a.out.Paint(term.Yellow, "not tried")
	}
	return a.out.Paint(term.Red, "no")
}

// whyNot says why hooks are not there, and what to do: once for all that lack the same.
func (a *app) whyNot(t *term.Term, rows ...hookRow) error {
	var reasons []hookMode // without Mode
	lacking := map[hookMode][]string{}
	for _, r := range rows {
		for _, m := range r.Here {
			if m.Status == doctor.OK {
				continue
			}
			name := r.Name + " (" + m.Mode + ")"
			if m.Mode = ""; lacking[m] == nil {
				reasons = append(reasons, m)
			}
			lacking[m] = append(lacking[m], name)
		}
	}
	var b strings.Builder
	for _, m := range reasons {
		fmt.Fprintf(&b, "\n%s: %s\n", strings.Join(lacking[m], ", "), t.Paint(statusColors[m.Status], string(m.Status)))
		if m.Detail != "" {
			fmt.Fprintf(&b, "  %s\n", cleanLines(m.Detail))
		}
		if m.Do != "" {
			fmt.Fprintf(&b, "  %s\n", m.Do)
		}
	}
	_, err := io.WriteString(t, b.String())
	return err
}

// showHook tells all of a hook.
func (a *app) showHook(r hookRow) error {
	h, t := r.hook, a.out
	fmt.Fprintf(t, "%s: %s\n\n", t.Paint(term.Bold, r.Name), r.Summary)
	tb := term.Table{Head: []string{"", ""}}
	tb.Add("on", r.On)
	for _, w := range hook.Ways() {
		tb.Add("way "+w.String(), a.path(h, w))
	}
	tb.Add("sees", r.Sees)
	for _, b := range hook.Abilities() {
		tb.Add(b.Name, r.Abilities[b.Name])
	}
	tb.Add("needs", r.Needs)
	for _, m := range r.Here {
		tb.Add(m.Mode, t.Paint(statusColors[m.Status], string(m.Status))+" here")
	}
	if _, err := fmt.Fprintln(t, strings.Join(tb.Lines(t)[1:], "\n")); err != nil {
		return err
	}
	return a.whyNot(t, r)
}

// path draws a way with h marked on it.
func (a *app) path(h hook.Hook, w hook.Way) string {
	if len(h.Positions(w)) == 0 {
		return "not on it"
	}
	var steps []string
	for _, x := range hook.Path(w) {
		s := x.String()
		if x == h {
			s = a.out.Paint(term.Bold, "["+s+"]")
		}
		steps = append(steps, s)
	}
	return strings.Join(steps, " > ")
}
