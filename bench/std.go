package bench

import (
	"context"
	"errors"
	"fmt"

	"weir/bench/twins"
	"weir/lang/diag"
)

// library measures what the sample of each module of the standard library takes of a
// packet. There is no peer, and no goal: the floor is an empty program's.
func library(ctx context.Context, o Options, row func(Row)) error {
	some := false
	for _, name := range twins.Samples() {
		for _, h := range langHooks {
			title := fmt.Sprintf("%s, %s", name, h)
			if o.Hook != "" && o.Hook != h.String() || o.Rows != nil && !o.Rows.MatchString(title) {
				continue
			}
			p, err := twins.Sample(name, h)
			if refused(err) {
				continue
			}
			if err != nil {
				return err
			}
			ts, err := p.Measure(ctx, twins.Options{})
			if err = errors.Join(err, p.Close()); err != nil {
				return err
			}
			some = true
			ours, again := middle(ts.Ours.NS), middle(ts.Again.NS)
			r := Row{
				Row: title, Unit: "ns/packet", Ours: ours, AA: max(ours, again) / min(ours, again), Floor: middle(ts.Floor.NS),
				Insns: ts.Ours.Insns, Holds: true, Sent: ts.Ours.Sent, Counted: ts.Ours.Counted(),
			}
			r.Valid = r.Sent == r.Counted
			row(r)
		}
	}
	if !some {
		return ErrNoRow
	}
	return nil
}

// refused reports whether a chain is not for its hook.
func refused(err error) bool {
	var list diag.List
	return errors.As(err, &list) && len(list) > 0 && list[0].Code == "hook"
}
