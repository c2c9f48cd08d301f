package disasm

import (
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"
)

// disassemble returns the instructions of a function from one octet to another. What is
// no instruction that is known is shown as octets.
func disassemble(code []byte, from, to int) (out []string) {
	for at := from; at < to; {
		text, n := one(code[at:to], uint64(at))
		if n == 0 {
			text, n = fmt.Sprintf(".byte 0x%02x", code[at]), 1
		}
		out = append(out, fmt.Sprintf("%4x: %s", at, text))
		at += n
	}
	return out
}

func one(b []byte, pc uint64) (string, int) {
	switch runtime.GOARCH {
	case "amd64":
		i, err := x86asm.Decode(b, 64)
		if err != nil {
			return "", 0
		}
		return strings.ToLower(x86asm.IntelSyntax(i, pc, nil)), i.Len
	case "arm64":
		i, err := arm64asm.Decode(b)
		if err != nil {
			return "", 0
		}
		return strings.ToLower(i.String()), 4
	}
	return "", 0
}
