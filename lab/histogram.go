package lab

import (
	"math/bits"
	"time"
)

// subBits is the precision of a Histogram: 2^subBits buckets for each doubling,
// so that a value is known to 1/64.
const subBits = 6

// A Histogram counts durations with an error of at most 1.6 %, in fixed
// memory. The zero value is empty and ready.
type Histogram struct {
	counts [(64 - subBits + 1) << subBits]uint64
	n      uint64
	max    time.Duration
}

func (h *Histogram) add(d time.Duration) {
	h.counts[bucket(uint64(max(d, 0)))]++
	h.n++
	h.max = max(h.max, d)
}

// bucket returns the index for ns. Below 2^subBits each value has its own;
// above, the leading subBits+1 bits choose.
//
//	ns = 1 b b b b b b x x x x    shift = number of x, index = shift<<6 + 1bbbbbb
func bucket(ns uint64) int {
	shift := max(bits.Len64(ns)-subBits-1, 0)
	return shift<<subBits + int(ns>>shift)
}

// upper returns the largest value of a bucket.
func upper(i int) time.Duration {
	if i < 1<<(subBits+1) {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	lead := uint64(i - shift<<subBits)
	return time.Duration((lead+1)<<shift - 1)
}

func (h *Histogram) merge(o *Histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// Count returns how many durations were counted.
func (h *Histogram) Count() uint64 { return h.n }

// Max returns the longest.
func (h *Histogram) Max() time.Duration { return h.max }

// Percentile returns the duration that p percent of those counted do not
// exceed (0 < p <= 100); zero if there are none.
func (h *Histogram) Percentile(p float64) time.Duration {
	want := uint64(p / 100 * float64(h.n))
	want = min(max(want, 1), h.n)
	var seen uint64
	for i, c := range h.counts {
		if seen += c; c > 0 && seen >= want {
			return min(upper(i), h.max)
		}
	}
	return 0
}
