package disasm

import "fmt"

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
