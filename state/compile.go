package state

import (
	"context"

	"weir/datapath"
	"weir/hook"
	"weir/internal/child"
)

// Compile compiles chains for hooks, with how many places they go to there; at XDP also
// for frames of several fragments: which of the two an interface needs is found when
// attaching. Where several places may share a program it is one that they can share.
func Compile(ctx context.Context, r child.Request, places map[hook.Hook]int, capture bool) (map[hook.Hook]datapath.Chain, error) {
	for _, h := range hook.All() {
		n, ok := places[h]
		if !ok {
			continue
		}
		f := child.Form{Hook: h, Capture: capture, Shared: n > 1 && h.Shares() && !capture}
		r.Forms = append(r.Forms, f)
		if f.Frags = h == hook.XDP; f.Frags {
			r.Forms = append(r.Forms, f)
		}
	}
	ps, _, err := child.Compile(ctx, r, child.Limits{})
	if err != nil {
		return nil, err
	}
	chains := map[hook.Hook]datapath.Chain{}
	for i, f := range r.Forms {
		c := chains[f.Hook]
		if f.Frags {
			c.Frags = ps[i]
		} else {
			c.Program = ps[i]
		}
		chains[f.Hook] = c
	}
	return chains, nil
}
