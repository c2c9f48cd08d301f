package datapath

import (
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
