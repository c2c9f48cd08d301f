package cost

import (
	"context"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Runs are counted exactly, and only while somebody looks.
func TestMeter(t *testing.T) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	run := func(n uint32) {
		t.Helper()
		// A test run counts as one; each of them is a run of its own.
		for range n {
			if _, err := p.Run(&ebpf.RunOptions{Data: make([]byte, 64)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	const gone = 1 << 30
	ids := []Program{id, gone}
	before := m.Read(ids)
	run(5)
	use := m.Read(ids).Since(before)
	if got := use[id]; got.Runs != 5 || got.Time <= 0 || got.NsPerRun() <= 0 || got.RunsPerSecond() <= 0 || got.CPU() <= 0 {
		t.Errorf("after 5 runs: %+v", got)
	}
	if _, ok := use[gone]; ok {
		t.Errorf("a program that is not there has used %+v", use[gone])
	}
	if all := Now(ids).Used(id); all.Runs < 5 || all.Time <= 0 {
		t.Errorf("in all after 5 runs: %+v", all)
	}
	// One who looks adds to each run, and what a program takes has that in it.
	if share, err := m.Share(); err != nil || share <= 0 {
		t.Errorf("the share of the statistics is %v ns: %v", share, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if use, err = Measure(context.Background(), time.Millisecond, ids); err != nil || use[id].Runs != 0 || use[id].NsPerRun() != 0 {
		t.Errorf("nothing ran: %+v, %v", use, err)
	}
}
