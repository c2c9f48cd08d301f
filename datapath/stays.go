package datapath

import (
	"fmt"
	"slices"

	"weir/attach"
	"weir/hook"
)

// how returns how a chain is to be attached.
func (o Options) how(c Chain) How {
	if c.How != nil {
		return *c.How
	}
	return o.How
}

// at returns the options for a chain's place: without what its hook has not.
func (o Options) at(c Chain) attach.Options {
	h, how := c.Where.Hook, o.how(c)
	out := attach.Options{Chain: o.Name, Force: how.Force && h == hook.XDP, Defrag: how.Defrag && h.Netfilter()}
	if slices.Contains(attach.Modes(h), how.Mode) {
		out.Mode = how.Mode
	}
	if how.Order.Check(h) == nil {
		out.Order = how.Order
	}
	if how.Priority != nil && h.Netfilter() {
		out.Priority = *how.Priority
	}
	return out
}

// stays refuses options for w that a does not have, which has that place and keeps it: a
// may be nil. What is not asked for stays as it is; asked says that a priority is.
func (t *transaction) stays(a *Attachment, w attach.Where, o attach.Options, asked bool) error {
	if a == nil {
		return nil
	}
	refuse := func(what string, args ...any) error {
		return fmt.Errorf("replace %s on %s: %s while packets flow: detach it first", t.o.Name, w, fmt.Sprintf(what, args...))
	}
	switch {
	case o.Mode != attach.Best && o.Mode != a.link.Mode:
		return refuse("it runs in mode %s, which cannot become %s", a.link.Mode, o.Mode)
	case asked && w.Hook.Netfilter() && o.Priority != a.Priority:
		return refuse("it runs at priority %d, which cannot become %d", a.Priority, o.Priority)
	case o.Defrag && !a.Defrag:
		return refuse("packets are not put together before it, which cannot change")
	case o.Order.Side == attach.Last || attach.WayBack(w.Point):
		return nil
	}
	row, err := attach.Row(w)
	if err == nil {
		err = o.Order.Holds(row, a.ProgramID())
	}
	if err != nil {
		return refuse("%v, and its position cannot change", err)
	}
	return nil
}
