package lab

import "time"

const (
	spanLeast   = 3 * time.Millisecond
	glanceMost  = 20 * time.Microsecond // a glance that took longer was disturbed
	glanceEvery = 500 * time.Microsecond
)

// A glance is how many frames had been sent at a time.
type glance struct {
	at time.Time
	n  uint64
}

// watch looks at the counter of a flood until the function that it returns is called,
// which gives the least time of a packet in any span.
func (s *floodSource) watch() (done func() (ns float64)) {
	quit, result := make(chan struct{}), make(chan float64)
	go func() {
		var seen []glance
		for {
			before := time.Now()
			n, err := s.sent()
			if at := time.Now(); err == nil && at.Sub(before) < glanceMost {
				seen = append(seen, glance{at, n})
			}
			select {
			case <-quit:
				result <- fastest(seen)
				return
			case <-time.After(glanceEvery):
			}
		}
	}()
	return func() float64 { close(quit); return <-result }
}

// fastest returns the least time of a frame between two glances that are a span apart,
// in ns; 0 if there are none.
func fastest(seen []glance) float64 {
	least := 0.0
	from := 0
	for to := range seen {
		for from+1 < to && seen[to].at.Sub(seen[from+1].at) >= spanLeast {
			from++
		}
		d, n := seen[to].at.Sub(seen[from].at), seen[to].n-seen[from].n
		if d < spanLeast || n == 0 {
			continue
		}
		if ns := float64(d.Nanoseconds()) / float64(n); least == 0 || ns < least {
			least = ns
		}
	}
	return least
}
