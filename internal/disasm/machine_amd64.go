package disasm

import (
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// one returns the first instruction of b, which stands at pc, and its octets; 0 if
// there is none.
func one(b []byte, pc uint64) (string, int) {
	i, err := x86asm.Decode(b, 64)
	if err != nil {
		return "", 0
	}
	return strings.ToLower(x86asm.IntelSyntax(i, pc, nil)), i.Len
}
