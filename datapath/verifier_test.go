package datapath

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

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

// TestTooManyWays: what the verifier gave up on is told at the line where it did, with
// what to do. (To have it give up takes it half a minute.)
func TestTooManyWays(t *testing.T) {
	p, err := lang.Compile([]byte("def main(pkt):\n\n    return DROP if pkt.udp.dport == 9 else PASS\n"), lang.Options{File: "edge.weir", Hook: hook.XDP})
	if err != nil {
		t.Fatal(err)
	}
	ins, err := p.Instructions("", gen.AssembleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v := verifierError(p, ins, &ebpf.VerifierError{Cause: unix.E2BIG, Log: []string{
		"4: (79) r1 = *(u64 *)(r1 +0)", "BPF program is too large. Processed 1000001 insn",
		"processed 1000001 insns (limit 1000000) max_states_per_insn 33 total_states 45739 peak_states 215 mark_read 0",
	}})
	if v.Pos.Line != 3 || !strings.Contains(v.Message, "here it gave up: BPF program is too large") || !strings.Contains(v.Hint, "look in a table again") {
		t.Errorf("told as\n%v", v)
	}
}
