package main

import (
	"fmt"
	"time"

	"weir/datapath"
	"weir/internal/live"
	"weir/internal/term"
)

// looking ticks as often as rings are looked at, if there are any: a ring of 64
// KiB then has room for a hundred thousand small records a second.
func looking(events *datapath.Watcher) (tick <-chan time.Time, stop func()) {
	if events.Empty() {
		return nil, func() {}
	}
	t := time.NewTicker(10 * time.Millisecond)
	return t.C, t.Stop
}

// shownEvents is how many events stay under a view that is drawn in place.
const shownEvents = 10

// event shows what the chain told: at once, or where the view is drawn in place
// with the next one.
func (s *shower) event(e datapath.Event) error {
	switch {
	case s.json:
		return term.JSON(s.t).Encode(e)
	case s.screen != nil:
		s.events = append(s.events, live.EventLine(s.t, e))
		s.events = s.events[max(0, len(s.events)-shownEvents):]
		return nil
	}
	_, err := fmt.Fprintln(s.t, live.EventLine(s.t, e))
	return err
}
