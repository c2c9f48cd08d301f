package check_test

import (
	"strings"
	"testing"

	"weir/hook"
	"weir/lang/check"
)

// What the kernel keeps beside a packet is checked by the hook.
func TestKernelFields(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		hook       hook.Hook
		want       string // of the error; empty for none
	}{
		{"mark read at tc", "return DROP if pkt.mark else PASS", hook.TCIngress, ""},
		{"mark written at tc", "pkt.mark |= 1", hook.TCEgress, ""},
		{"priority of a field", "pkt.priority = pkt.ip4.dscp", hook.TCEgress, ""},
		{"hash read at tc", "return DROP if pkt.hash & 1 else PASS", hook.TCEgress, ""},
		{"segments everywhere", "count(\"s\", pkt.segments)", hook.XDP, ""},
		{"mark at xdp", "pkt.mark = 1", hook.XDP, "pkt.mark is not there at xdp"},
		{"hash at xdp", "return DROP if pkt.hash else PASS", hook.XDP, "pkt.hash is not there at xdp"},
		{"hash written", "pkt.hash = 1", hook.TCIngress, "pkt.hash cannot be assigned to"},
		{"len written", "pkt.len = 1", hook.TCIngress, "pkt.len cannot be assigned to"},
		{"mark too large", "pkt.mark = 0x100000000", hook.TCIngress, "4294967296 does not fit pkt.mark, which is a u32"},
		{"mark of an address", "pkt.mark = pkt.ip4.src", hook.TCIngress, "pkt.mark holds a u32, not an ip4"},
		{"mark of a bool", "pkt.mark = pkt.tcp.syn", hook.TCIngress, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := "def main(pkt):\n    " + tt.body + "\n"
			_, list := check.Check("t.weir", []byte(src), check.Options{Hook: tt.hook})
			errs := list.Errors()
			switch {
			case tt.want == "" && len(errs) > 0:
				t.Errorf("%s: %v, want none", tt.body, list)
			case tt.want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Message, tt.want)):
				t.Errorf("%s: %v, want %q", tt.body, list, tt.want)
			}
		})
	}
}
