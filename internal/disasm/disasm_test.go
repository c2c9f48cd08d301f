package disasm

import (
	"fmt"
	"strings"
	"testing"

	"weir/examples/modules"
	"weir/hook"
	"weir/lang"
)

const chain = `seen = table(ip4, u64, size = 16)

def main(pkt):
    if pkt.ip4:
        seen[pkt.ip4.src] += 1
    for i in range(2000):
        if pkt.payload.u8(i) == 7:
            return DROP
    return PASS
`

// TestRuns: every instruction stands in one run, in order, and every octet of machine
// code too, in functions of any number.
func TestRuns(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress, hook.CgroupEgress} {
		var lines string
		p, err := lang.Compile([]byte(chain), lang.Options{File: "a.weir", Hook: h, Dump: func(stage, text string) {
			if stage == "lines" {
				lines = text
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		runs, err := Runs(p, lines)
		if err != nil {
			t.Fatal(err)
		}
		cost, err := Machine(p, runs)
		if err != nil {
			t.Fatal(err)
		}
		var bpf, ir, machine int
		funcs := map[string]bool{}
		at := map[string]int{} // where the next machine instruction of a function may begin
		for _, r := range runs {
			bpf += len(r.BPF)
			ir += len(r.IR)
			funcs[r.Func] = true
			if len(r.Machine) > 0 {
				machine++
			}
			for _, m := range r.Machine {
				var off int
				if _, err := fmt.Sscanf(m, "%x:", &off); err != nil || off < at[r.Func] || strings.Contains(m, ".byte") {
					t.Errorf("%s: machine code %q behind %x: %v", h, m, at[r.Func], err)
				}
				at[r.Func] = off + 1
			}
		}
		if want := strings.Count(lines, "\n"); bpf != len(p.Code.Insns) || len(funcs) != len(p.Code.Funcs) || len(funcs) < 3 || ir == 0 || ir > want || machine < len(runs)*3/4 {
			t.Errorf("%s: %d instructions of %d, %d functions of %d, %d values of %d, machine code for %d of %d runs", h, bpf, len(p.Code.Insns), len(funcs), len(p.Code.Funcs), ir, want, machine, len(runs))
		}
		if !strings.HasSuffix(cost.Instructions, " of 1000000") || !strings.Contains(cost.States, "at once") || cost.Stack == "" {
			t.Errorf("%s: cost %+v", h, cost)
		}
		if runs[0].Source != "if pkt.ip4:" {
			t.Errorf("%s: begins with %q", h, runs[0].Source)
		}
	}
}

// TestForeign: functions of C objects stand behind those of the chain, at the lines of
// their source.
func TestForeign(t *testing.T) {
	src, err := modules.Load("acl.weir")
	if err != nil {
		t.Fatal(err)
	}
	p, err := lang.Compile(src, lang.Options{File: "acl.weir", Load: modules.Load})
	if err != nil {
		t.Fatal(err)
	}
	runs, err := Runs(p, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Machine(p, runs); err != nil {
		t.Fatal(err)
	}
	var bpf, machine []string
	for _, r := range runs {
		if r.Func == "acl__score" && r.Source == "sum += tiny;" {
			bpf, machine = append(bpf, r.BPF...), append(machine, r.Machine...)
		}
	}
	if !strings.Contains(strings.Join(bpf, "\n"), "value of .params") || len(machine) == 0 {
		t.Errorf("the line of C is %q, and in machine code %q", bpf, machine)
	}
}
