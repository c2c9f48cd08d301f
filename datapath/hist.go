package datapath

import (
	"fmt"
	"math"
	"slices"

	"github.com/cilium/ebpf"

	"weir/lang"
)

// A Hist is a histogram of a chain, summed over CPUs and attachments.
type Hist struct {
	Name string
	N    [lang.HistBuckets]uint64
}

// A Bucket is a part of a histogram: N values from From to To. From of the
// negative ones is the least integer. Its JSON form is fixed.
type Bucket struct {
	From Bound  `json:"from"`
	To   Bound  `json:"to"`
	N    uint64 `json:"n"`
}

// A Bound is the end of a bucket, an integer of 64 bits; negative ones are told
// apart by Negative.
type Bound struct {
	Bits     uint64
	Negative bool
}

// String returns the integer.
func (b Bound) String() string {
	if b.Negative {
		return fmt.Sprint(int64(b.Bits))
	}
	return fmt.Sprint(b.Bits)
}

// MarshalJSON gives the integer.
func (b Bound) MarshalJSON() ([]byte, error) { return []byte(b.String()), nil }

// bounds returns the ends of bucket i, as lang.HistBuckets numbers them.
func bounds(i int) (from, to Bound) {
	switch i {
	case 0:
		return Bound{1 << 63, true}, Bound{math.MaxUint64, true}
	case 1:
		return Bound{}, Bound{}
	}
	low := uint64(1) << (i - 2)
	return Bound{Bits: low}, Bound{Bits: low - 1 + low}
}

// Buckets returns the buckets from the first to the last that is not empty.
func (h Hist) Buckets() []Bucket {
	var out []Bucket
	filled := 0
	for i, n := range h.N {
		if n == 0 && len(out) == 0 {
			continue
		}
		from, to := bounds(i)
		out = append(out, Bucket{from, to, n})
		if n > 0 {
			filled = len(out)
		}
	}
	return out[:filled]
}

// Filled returns the buckets of histograms that are not empty, by name.
func Filled(hists []Hist) map[string][]Bucket {
	out := map[string][]Bucket{}
	for _, h := range hists {
		out[h.Name] = slices.DeleteFunc(h.Buckets(), func(b Bucket) bool { return b.N == 0 })
	}
	return out
}

// Hists returns the histograms of the chain, in their order.
func (s *State) Hists() ([]Hist, error) {
	var out []Hist
	index := map[string]int{}
	err := s.each(lang.HistMap, func(u *unit, m *ebpf.Map) error {
		for i, name := range u.prog.Hists {
			at, ok := index[name]
			if !ok {
				at = len(out)
				index[name] = at
				out = append(out, Hist{Name: name})
			}
			for _, i := range []int{i, len(u.prog.Hists) + i} { // its own, and those carried on
				if err := out[at].add(m, i); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return out, err
}

// add adds the i-th histogram of a map.
func (h *Hist) add(m *ebpf.Map, i int) error {
	for b := range lang.HistBuckets {
		var perCPU []uint64
		if err := m.Lookup(uint32(i*lang.HistBuckets+b), &perCPU); err != nil {
			return fmt.Errorf("read histogram %s: %w", h.Name, err)
		}
		for _, n := range perCPU {
			h.N[b] += n
		}
	}
	return nil
}
