package differ

import (
	"encoding/binary"
	"fmt"
	"maps"

	"github.com/google/go-cmp/cmp"

	"weir/lang"
)

// reach notes a statement that the reference reached.
func (k *kernel) reach(file string, line, col int) {
	if k.c.lines {
		k.lines[lang.Line{File: file, Line: line, Col: col}]++
	}
}

// compareLines compares how often each statement was reached.
func (k *kernel) compareLines() error {
	m := k.state.SystemMap(k.prog, lang.LineMap)
	if m == nil {
		return nil
	}
	b, err := m.LookupBytes(uint32(0))
	if err != nil {
		return fmt.Errorf("lines: %w", err)
	}
	got := map[lang.Line]uint64{}
	for i, l := range k.prog.Lines {
		got[l] = binary.NativeEndian.Uint64(b[8*i:])
	}
	maps.DeleteFunc(got, func(_ lang.Line, n uint64) bool { return n == 0 })
	if d := cmp.Diff(k.lines, got); d != "" {
		return fmt.Errorf("lines reached (-reference +kernel):\n%s", d)
	}
	return nil
}
