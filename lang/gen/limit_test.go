package gen

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"weir/lang/ir"
)

// use writes all of a slot and reads from it.
func (m *maker) use(s *ir.Slot) *ir.Value {
	for i := 0; i < s.Size; i += 8 {
		m.store(m.slot(s), i, 8, m.c(int64(i)))
	}
	return m.load(m.slot(s), 0, 8)
}

func TestSlotsShare(t *testing.T) {
	m := xdp(128)
	sum := m.c(0)
	for i := range 20 {
		sum = m.i(ir.OpAdd, sum, m.use(m.newSlot(fmt.Sprintf("s%d", i), 64)))
	}
	m.pass(sum)
	p := program(m.f)
	code, diags := Generate(p)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if got := code.Funcs[0].Stack; got != 64 {
		t.Errorf("20 slots of 64 octets one after another take %d octets, want 64", got)
	}
	check(t, p, packets(9)...)
}

func TestStackLimit(t *testing.T) {
	m := xdp(128)
	a, b := m.newSlot("table", 400), m.newSlot("key", 200)
	x, y := m.use(a), m.use(b)
	m.pass(m.i(ir.OpAdd, m.i(ir.OpAdd, x, y), m.i(ir.OpAdd, m.load(m.slot(a), 8, 8), m.load(m.slot(b), 8, 8))))
	_, diags := Generate(program(m.f))
	if len(diags) != 1 || diags[0].Code != "limit" {
		t.Fatalf("got %v", diags)
	}
	want := "entry needs 600 bytes of stack, 88 more than the 512 there are: 400 for table (hand.weir:"
	if !strings.HasPrefix(diags[0].Message, want) {
		t.Errorf("got %q, want %q…", diags[0].Message, want)
	}
}

func TestStackLimitOfCalls(t *testing.T) {
	inner := newMaker("inner", ir.Static, 1)
	inner.param(0, ir.Int)
	inner.b.Return(inner.use(inner.newSlot("s", 304)))
	m := xdp(128)
	s := m.newSlot("mine", 256)
	x := m.use(s)
	m.pass(m.i(ir.OpAdd, m.call(inner.f, x), m.load(m.slot(s), 8, 8)))
	_, diags := Generate(program(m.f, inner.f))
	if len(diags) != 1 {
		t.Fatalf("got %v", diags)
	}
	if want := "calls need 576 bytes of stack, 64 more than the 512 there are: entry 256, inner 320"; diags[0].Message != want {
		t.Errorf("got  %q\nwant %q", diags[0].Message, want)
	}
}

// TestLines reads the line information back from the kernel.
func TestLines(t *testing.T) {
	if _, err := exec.LookPath("bpftool"); err != nil {
		t.Fatal(err)
	}
	m := xdp(64)
	m.pass(m.i(ir.OpAdd, m.load(m.data, 0, 8), m.c(5)))
	coll := load(t, program(m.f))
	defer coll.Close()
	info, err := coll.Programs["entry"].Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	out, err := exec.Command("bpftool", "prog", "dump", "xlated", "id", fmt.Sprint(id), "linum").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	line := m.data.Pos.Line
	if want := fmt.Sprintf("; line %d [file:hand.weir line_num:%d line_col:5]", line, line); !strings.Contains(string(out), want) {
		t.Errorf("no %q in\n%s", want, out)
	}
}
