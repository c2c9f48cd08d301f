package gen_test

import (
	"fmt"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"weir/lang"
)

func zzSource(n int) string {
	var b strings.Builder
	b.WriteString("def main(pkt):\n    x = 0\n")
	for i := range n {
		fmt.Fprintf(&b, "    if pkt.u8(%d) == %d:\n        x += pkt.payload.u16(%d)\n", i, i%256, i)
	}
	b.WriteString("    if x > 100:\n        return DROP\n    return PASS\n")
	return b.String()
}

func TestZZ(t *testing.T) {
	for _, n := range []int{50, 100, 200, 400, 800} {
		t0 := time.Now()
		p, err := lang.Compile([]byte(zzSource(n)), lang.Options{File: "a.weir"})
		if err != nil {
			t.Fatal(n, err)
		}
		d := time.Since(t0)
		t.Log(n, d, fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint(p.Code))))[:12])
		if d > 15*time.Second { break }
	}
}
