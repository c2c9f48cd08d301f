package bench

import (
	"context"
	"fmt"

	"weir/bench/twins"
	"weir/hook"
)

// Goals of the hooks bench: ours over the peer's.
const (
	goalTwin  = 1.05 // of the same in C at the hook
	goalPlace = 1.00 // of what else filters at the place
)

// hooks measures the small filter of package twins at every hook of packets: beside the
// same in C by test runs, then beside others at the same place on packets that arrive.
func hooks(ctx context.Context, o Options, row func(Row)) error {
	some := false
	show := func(r Row) {
		some = true
		row(r)
	}
	for _, h := range hook.All() {
		if h.Info().Conn || o.Hook != "" && o.Hook != h.String() {
			continue // there are no packets at hooks of connections
		}
		for _, t := range []twins.Twin{twins.Drop(), twins.Pass()} {
			if o.Rows != nil && !o.Rows.MatchString(fmt.Sprintf("%s, %s", t.Title, h)) {
				continue
			}
			rows, err := compareTwin(ctx, t, h, goalTwin)
			if err != nil {
				return err
			}
			for _, r := range rows {
				show(r)
			}
		}
	}
	if err := meet(ctx, o, show); err != nil {
		return err
	}
	if !some {
		return ErrNoRow
	}
	return nil
}

// meet measures beside others at the places where there are any.
func meet(ctx context.Context, o Options, row func(Row)) error {
	for _, at := range places {
		if o.Hook != "" && o.Hook != at.hook.String() {
			continue
		}
		for _, what := range []struct {
			title string
			port  uint16
		}{{"drop", dropped}, {"pass", unwatched}} {
			if o.Rows != nil && !o.Rows.MatchString(arriving(what.title, at.hook)) {
				continue
			}
			if err := compare(ctx, at, what.title, what.port, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// arriving is the name of a row of packets that arrive.
func arriving(title string, h hook.Hook) string {
	return fmt.Sprintf("%s, %s, packets that arrive", title, h)
}
