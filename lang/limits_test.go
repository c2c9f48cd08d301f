package lang

import (
	"fmt"
	"strings"
	"testing"

	"weir/hook"
)

// TestMapLimit: 64 maps compile, one more is an error at its place.
func TestMapLimit(t *testing.T) {
	chain := func(n int) string {
		var maps, uses strings.Builder
		for i := range n {
			fmt.Fprintf(&maps, "t%02d = table(u32, u64, size = 8)\n", i)
			fmt.Fprintf(&uses, "    t%02d[pkt.len] = 1\n", i)
		}
		return maps.String() + "def main(pkt):\n" + uses.String() + "    return PASS\n"
	}
	for _, tt := range []struct {
		maps int
		want string
	}{
		{62, ""},
		{63, "t.weir:63:12: error: the chain uses 65 maps, more than the limit of 64 of the kernel: 63 of its own, 2 that weir needs"},
		{70, "t.weir:63:12: error: the chain uses 72 maps"},
	} {
		_, err := Compile([]byte(chain(tt.maps)), Options{File: "t.weir", Hook: hook.XDP})
		if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%d maps: got %s, want %q", tt.maps, got, tt.want)
		}
	}
}
