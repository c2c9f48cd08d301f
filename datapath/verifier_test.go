package datapath

import (
	"testing"

	"github.com/cilium/ebpf"

	"weir/hook"
	"weir/lang"
	"weir/lang/gen"
)

// TestVerifierPlace: the number of an instruction leads to its line, where the log
// names none (before Linux 6.10), of each program that a chain is.
func TestVerifierPlace(t *testing.T) {
	for h, source := range map[hook.Hook]string{
		hook.XDP:      "def main(pkt):\n\n    return DROP if pkt.udp.dport == 9 else PASS\n",
		hook.SkLookup: "def main(conn):\n\n    return DROP if conn.dport == 9 else PASS\n",
		hook.Connect:  "def main(conn):\n\n    return DROP if conn.dport == 9 else PASS\n",
	} {
		p, err := lang.Compile([]byte(source), lang.Options{File: "edge.weir", Hook: h})
		if err != nil {
			t.Fatal(err)
		}
		for _, point := range points(p) {
			ins, err := p.Instructions(point, gen.AssembleOptions{})
			if err != nil {
				t.Fatal(err)
			}
			v := verifierError(p, ins, &ebpf.VerifierError{Log: []string{"4: (79) r1 = *(u64 *)(r1 +0)", "invalid read"}})
			if v.Pos.File != "edge.weir" || v.Pos.Line != 3 || v.Text != "    return DROP if "+map[bool]string{true: "conn", false: "pkt.udp"}[h.Info().Conn]+".dport == 9 else PASS" {
				t.Errorf("%s %s: %v, %q", h, point, v.Pos, v.Text)
			}
		}
	}
}
