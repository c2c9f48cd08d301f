package gen

import (
	"bytes"
	"encoding/binary"

	"github.com/cilium/ebpf/btf"
)

// Fields of the kernel's line information (struct bpf_line_info): ten bits of
// column, the rest is the line.
const (
	maxColumn = 1<<10 - 1
	maxLine   = 1<<22 - 1
)

// lineInfos makes cilium/ebpf's form of line information. That library builds
// it from bytes only, so that a BTF blob with nothing but strings is made first:
//
//	| header, 24 octets | "\0" file "\0" text "\0" … |
//
// and then records that point into it.
func lineInfos(lines []Line, source func(file string, line int) string) (btf.LineOffsets, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	pool := bytes.NewBuffer([]byte{0})
	known := map[string]uint32{"": 0}
	add := func(s string) uint32 {
		s = string(bytes.ReplaceAll([]byte(s), []byte{0}, []byte{' '}))
		off, ok := known[s]
		if !ok {
			off = uint32(pool.Len())
			known[s] = off
			pool.WriteString(s)
			pool.WriteByte(0)
		}
		return off
	}
	order := binary.NativeEndian
	var records []byte
	for i, l := range lines {
		text := ""
		if source != nil {
			text = source(l.Pos.File, l.Pos.Line)
		}
		records = order.AppendUint32(records, uint32(i)) // keeps their order; the offset proper is the instruction's
		records = order.AppendUint32(records, add(l.Pos.File))
		records = order.AppendUint32(records, add(text))
		records = order.AppendUint32(records, uint32(min(l.Pos.Line, maxLine))<<10|uint32(min(l.Pos.Col, maxColumn)))
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(stringBlob(pool.Bytes())))
	if err != nil {
		return nil, err
	}
	return btf.LoadLineInfos(bytes.NewReader(records), order, uint32(len(lines)), spec)
}

// stringBlob wraps a string section in a BTF header (struct btf_header).
func stringBlob(pool []byte) []byte {
	order := binary.NativeEndian
	b := order.AppendUint16(nil, 0xeb9f)
	b = append(b, 1, 0)           // version, flags
	b = order.AppendUint32(b, 24) // length of the header
	b = order.AppendUint32(b, 0)  // types: offset, length
	b = order.AppendUint32(b, 0)  //
	b = order.AppendUint32(b, 0)  // strings: offset, length
	b = order.AppendUint32(b, uint32(len(pool)))
	return append(b, pool...)
}
