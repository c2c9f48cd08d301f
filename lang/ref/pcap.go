package ref

import (
	"encoding/binary"
	"errors"

	"go.starlark.net/starlark"

	"weir/lang/pcap"
)

// A filter is what pcap_filter("…") gives.
type filter struct {
	opaque
	f *pcap.Filter
}

func (f *filter) String() string { return "filter" }
func (f *filter) Type() string   { return "filter" }

func newFilter(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args)+len(kwargs) != 1 {
		return nil, errors.New("pcap_filter: want one argument")
	}
	for _, kw := range kwargs {
		args = kw[1:]
	}
	text, ok := starlark.AsString(args[0])
	if !ok {
		return nil, errors.New("pcap_filter: want a string")
	}
	f, err := pcap.Parse(text)
	return &filter{f: f}, err
}

// matches is f(pkt).
func (e *evaluator) matches(f *filter, args []value) value {
	if len(args) == 1 {
		if p, ok := args[0].(*packet); ok {
			return starlark.Bool(FilterHolds(f.f, p.frame, e.ethernet()))
		}
	}
	refuse("a filter takes the packet")
	return nil
}

// FilterHolds reports whether a filter of tcpdump holds for a frame. Where packets
// come without an Ethernet header, 14 zeros begin the frame.
func FilterHolds(f *pcap.Filter, frame []byte, ethernet bool) (holds bool) {
	defer func() {
		if r := recover(); r != nil {
			if r != (beyond{}) {
				panic(r)
			}
			holds = false
		}
	}()
	n, of := f.Root, filtering{frame, ethernet}
	for n.Test != nil {
		if n.Test.Op.Holds(of.value(n.Test.X), of.value(n.Test.Y)) {
			n = n.Yes
		} else {
			n = n.No
		}
	}
	return n == pcap.Holds
}

// beyond is what a filter ends with that reads past the frame's end, or divides by
// zero: nothing of it holds then.
type beyond struct{}

type filtering struct {
	frame    []byte
	ethernet bool
}

func (f filtering) value(v pcap.Value) uint32 {
	switch v := v.(type) {
	case pcap.Number:
		return uint32(v)
	case pcap.Len:
		return uint32(len(f.frame))
	case pcap.EtherType:
		if !f.ethernet {
			return map[uint32]uint32{4: 0x0800, 6: 0x86dd}[f.octets(14, 1)>>4]
		}
		return f.octets(12, 2)
	case *pcap.Load:
		at := uint64(v.Off)
		if v.Index != nil {
			at += uint64(f.value(v.Index))
		}
		return f.octets(at, v.Size)
	case *pcap.Negated:
		return -f.value(v.X)
	case *pcap.Arith:
		x := f.value(v.X)
		z, ok := v.Op.Calc(x, f.value(v.Y))
		if !ok {
			panic(beyond{})
		}
		return z
	}
	refuse("pcap_filter: there is no value %T", v)
	return 0
}

func (f filtering) octets(at uint64, n int) uint32 {
	if at+uint64(n) > uint64(len(f.frame)) {
		panic(beyond{})
	}
	var word [4]byte
	copy(word[4-n:], f.frame[at:])
	return binary.BigEndian.Uint32(word[:])
}
