package datapath

import (
	"fmt"
	"slices"

	"weir/attach"
	"weir/hook"
)

// A Standing is where an attachment is at present.
type Standing struct {
	There bool         // the program is at a place that can be reached
	Where attach.Where // that place: not the record's if the interface was renamed or moved

	// Position among the programs and filters that packets meet there, from 1, and
	// how many there are. 0 where there is no order that the kernel tells: an
	// interface has one XDP program.
	Position, Of int
}

// Standing returns where a is at present.
func (a *Attachment) Standing() Standing {
	if a.link == nil {
		return Standing{}
	}
	w, ok := a.link.Now()
	if !ok {
		return Standing{}
	}
	s := Standing{There: true, Where: w}
	if w.Hook == hook.XDP {
		return s
	}
	row, err := attach.Row(w)
	if err != nil {
		return s // gone since
	}
	id := a.ProgramID()
	s.Position = 1 + slices.IndexFunc(row, func(x attach.Standing) bool { return x.Program == id })
	if s.Of = len(row); s.Position == 0 {
		s.Of = 0
	}
	return s
}

// RunsAt returns the priority of a program at netfilter at present; see
// [attach.Link.RunsAt].
func (a *Attachment) RunsAt() int32 {
	if a.link == nil {
		return a.Priority
	}
	return a.link.RunsAt()
}

// freeXDP refuses interfaces whose XDP is weir's own, under another name.
func (k Kernel) freeXDP(o Options, seats []attach.Seat) error {
	if !slices.ContainsFunc(o.Chains, func(c Chain) bool { return c.Where.Hook == hook.XDP }) {
		return nil
	}
	taken := k.xdp(o.Name)
	for i, c := range o.Chains {
		if a, ok := taken[seats[i].Spot]; ok && seats[i].Err == nil {
			return fmt.Errorf("attach %s on %s: %w by weir's own %s: detach that first", o.Name, c.Where, attach.ErrInUse, a.Chain)
		}
	}
	return nil
}

// xdp returns where XDP programs of weir's are at present that have not this name. What of
// them cannot be read is left out: it is not in the way, or the kernel will say so.
func (k Kernel) xdp(but string) map[attach.Spot]attach.Record {
	var links []*attach.Link
	ms, _ := k.manifests()
	for _, m := range ms {
		for _, a := range m.Attachments {
			if m.Name == but || a.Record.Where.Hook != hook.XDP {
				continue
			}
			if l, err := attach.Open(a.Record); err == nil {
				defer l.Close()
				links = append(links, l)
			}
		}
	}
	out := map[attach.Spot]attach.Record{}
	for i, spot := range attach.Spots(links) {
		if spot != (attach.Spot{}) {
			out[spot] = links[i].Record
		}
	}
	return out
}
