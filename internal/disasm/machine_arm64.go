package disasm

import (
	"strings"

	"golang.org/x/arch/arm64/arm64asm"
)

// one returns the first instruction of b and its octets; 0 if there is none.
func one(b []byte, _ uint64) (string, int) {
	i, err := arm64asm.Decode(b)
	if err != nil {
		return "", 0
	}
	return strings.ToLower(i.String()), 4
}
