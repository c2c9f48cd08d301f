package gen

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"weir/lang/ir"
	"weir/lang/ir/irtest"
)

var mapTypes = map[ir.MapKind]ebpf.MapType{ir.Array: ebpf.Array, ir.Hash: ebpf.Hash, ir.PerCPUArray: ebpf.PerCPUArray}

// tryLoad puts p into the kernel as a program of the type that its
// context belongs to.
func tryLoad(t *testing.T, p *ir.Program) (*ebpf.Collection, error) {
	t.Helper()
	for _, f := range p.Funcs {
		if err := ir.Verify(f); err != nil {
			t.Fatalf("%v\n%s", err, f)
		}
	}
	code, diags := Generate(p)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	insns, err := code.Assemble(AssembleOptions{Source: func(file string, line int) string { return fmt.Sprintf("line %d", line) }})
	if err != nil {
		t.Fatal(err)
	}
	kind := ebpf.XDP
	if p.Funcs[0].Context == "__sk_buff" {
		kind = ebpf.SchedCLS
	}
	spec := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{
		"entry": {Name: "entry", Type: kind, Instructions: insns, License: "Dual BSD/GPL"}}}
	for _, m := range p.Maps {
		spec.Maps[m.Name] = &ebpf.MapSpec{Name: m.Name, Type: mapTypes[m.Kind], KeySize: uint32(m.KeySize),
			ValueSize: uint32(m.ValueSize), MaxEntries: m.MaxEntries}
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		var ve *ebpf.VerifierError
		if errors.As(err, &ve) {
			return nil, fmt.Errorf("%w\n%s\n%s", err, lastLines(ve.Log, 60), code)
		}
		return nil, fmt.Errorf("%w\n%s", err, code)
	}
	return coll, nil
}

// load puts p into the kernel or ends the test.
func load(t *testing.T, p *ir.Program) *ebpf.Collection {
	t.Helper()
	coll, err := tryLoad(t, p)
	if err != nil {
		t.Fatalf("%v\n%s", err, p)
	}
	t.Cleanup(coll.Close)
	return coll
}

func lastLines(l []string, n int) string {
	return strings.Join(l[max(0, len(l)-n):], "\n")
}

// check loads p and compares it with its meaning.
func check(t *testing.T, p *ir.Program, packets ...[]byte) {
	t.Helper()
	compare(t, load(t, p), p, p, packets...)
}

// compare runs p in the kernel and the program model in the interpreter on the
// same packets and compares verdicts and packets.
func compare(t *testing.T, coll *ebpf.Collection, p, model *ir.Program, packets ...[]byte) {
	t.Helper()
	m := &irtest.Machine{}
	for _, pkt := range packets {
		m.Packet = bytes.Clone(pkt)
		want, err := m.Run(model)
		if err != nil {
			t.Fatalf("%v\n%s", err, model)
		}
		got, out, err := coll.Programs["entry"].Test(pkt)
		if err != nil {
			t.Fatal(err)
		}
		if got != uint32(want) || !bytes.Equal(out, m.Packet) {
			code, _ := Generate(p)
			t.Fatalf("kernel gives %d\n%x\nwant %d\n%x\n%s\n%s", got, out, want, m.Packet, code, p)
		}
	}
}
