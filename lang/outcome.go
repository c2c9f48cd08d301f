package lang

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// OutcomeSize is the octets of the value of a TraceMap.
const OutcomeSize = 32

// An Outcome is what a program that was compiled with Options.Trace wrote at the
// end of a packet.
type Outcome struct {
	Exit   uint64 // index in Program.Exits
	To     uint32 // interface that a redirect went to; of an Exit.ToGroup the index in Program.Groups
	Length int    // octets of the frame on the wire
	tag    uint32
}

// DecodeOutcome reads the value of a TraceMap, in the machine's order.
func DecodeOutcome(b []byte) (Outcome, error) {
	if len(b) != OutcomeSize {
		return Outcome{}, fmt.Errorf("decode outcome: %d octets, want %d", len(b), OutcomeSize)
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(b[8*i:]) }
	return Outcome{Exit: word(0), To: uint32(word(1)), Length: int(word(2)), tag: uint32(word(3))}, nil
}

// Frame returns the frame on the wire, of the data that the kernel had at the end:
// the outer tag, if it stood beside them, is at offset 12. The result may be data
// itself.
func (o Outcome) Frame(data []byte) []byte {
	if o.tag == 0 || len(data) < 12 {
		return data
	}
	return slices.Insert(slices.Clone(data), 12, binary.BigEndian.AppendUint32(nil, o.tag)...)
}
