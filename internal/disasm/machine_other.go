//go:build !amd64 && !arm64

package disasm

// one knows no instructions of this machine: they are shown as octets.
func one([]byte, uint64) (string, int) { return "", 0 }
