package census

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// A congestion control is a struct of programs: each is told to be in it.
func TestStructOps(t *testing.T) {
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	value := &btf.Struct{Name: "tcp_congestion_ops"}
	programs := map[string]*ebpf.ProgramSpec{}
	for _, m := range []string{"ssthresh", "cong_avoid", "undo_cwnd"} {
		value.Members = append(value.Members, btf.Member{
			Name: m, Type: &btf.Pointer{Target: &btf.FuncProto{Return: u32}}, Offset: btf.Bits(8 * value.Size),
		})
		value.Size += 8
		programs[m] = &ebpf.ProgramSpec{
			Name: m, Type: ebpf.StructOps, AttachTo: "tcp_congestion_ops:" + m, License: "GPL", SectionName: "struct_ops/" + m,
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
		}
	}
	char := &btf.Int{Name: "char", Size: 1, Encoding: btf.Char}
	value.Members = append(value.Members, btf.Member{Name: "name", Type: &btf.Array{Type: char, Index: u32, Nelems: 16}, Offset: btf.Bits(8 * value.Size)})
	value.Size += 16
	content := make([]byte, value.Size)
	copy(content[24:], "weir_census")
	c, err := ebpf.NewCollection(&ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{"cc": {
			Name: "cc", Type: ebpf.StructOpsMap, MaxEntries: 1, Flags: unix.BPF_F_LINK, Key: u32, KeySize: 4,
			Value: value, ValueSize: value.Size, Contents: []ebpf.MapKV{{Key: uint32(0), Value: content}},
		}},
		Programs: programs, Variables: map[string]*ebpf.VariableSpec{},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, err := link.AttachStructOps(link.StructOpsOptions{Map: c.Maps["cc"]})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, p := range c.Programs {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		got := find(t, id)
		if got.Type != "struct_ops" || len(got.On) != 1 || got.On[0].Where != "struct_ops cc" || got.On[0].Link == 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
