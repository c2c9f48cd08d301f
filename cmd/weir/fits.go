package main

import (
	"slices"
	"strings"

	"weir/attach"
	"weir/hook"
)

// fits refuses flags that none of the places has a use for.
func (l *loading) fits(places []attach.Where, order attach.Order) error {
	netfilter := hook.Hook.Netfilter
	for _, x := range []struct {
		flag  string
		given bool
		at    func(hook.Hook) bool
	}{
		{"mode " + l.mode, l.mode != "", func(h hook.Hook) bool { return slices.Contains(attach.Modes(h), attach.Mode(l.mode)) }},
		{"priority", l.given("priority"), netfilter},
		{"defrag", l.defrag, netfilter},
		{"force", l.force, func(h hook.Hook) bool { return h == hook.XDP }},
	} {
		if x.given && !anyAt(places, x.at) {
			return usage("--%s has no meaning at %s (it is for %s)", x.flag, placeList(places), hookList(x.at))
		}
	}
	if !anyAt(places, func(h hook.Hook) bool { return order.Check(h) == nil }) {
		return usageError{order.Check(places[0].Hook)}
	}
	return nil
}

func anyAt(places []attach.Where, at func(hook.Hook) bool) bool {
	return slices.ContainsFunc(places, func(w attach.Where) bool { return at(w.Hook) })
}

func placeList(places []attach.Where) string {
	var out []string
	for _, w := range places {
		out = append(out, w.String())
	}
	return strings.Join(out, ", ")
}

// hookList names the hooks of which at is true.
func hookList(at func(hook.Hook) bool) string {
	var out []string
	for _, h := range hook.All() {
		if at(h) {
			out = append(out, h.String())
		}
	}
	return strings.Join(out, ", ")
}
