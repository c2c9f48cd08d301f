package codetest

import (
	"time"

	"github.com/cilium/ebpf/asm"

	"weir/hook"
	"weir/lang"
	"weir/lang/ir"
	"weir/lang/value"
)

// ChainOptions are options of [Chain].
type ChainOptions struct {
	Trace    bool
	Redirect string // an interface to redirect to instead of passing
	Bad      bool   // the verifier refuses it, at line 7
	Swap     bool   // changes octet 0 of each frame
}

// Lines of the chain that [Chain] makes.
const (
	PassLine = 6
	DropLine = 5
	BadLine  = 7
)

// Chain makes the program of this source by hand, for a hook:
//
//	limit = param(u32, 1, unit = "pps")
//	def main(pkt):
//	    count("seen")
//	    if limit == 0:
//	        return drop("limited")
//	    return PASS
//
// with maps of every kind that nothing uses: blocked, hits, recent, per_cpu, arr.
func Chain(h hook.Hook, o ChainOptions) *lang.Program {
	p := &lang.Program{
		Name: "edge", Chains: []lang.Chain{{Name: "edge", File: "edge.weir", Func: "main"}}, Hook: h,
		Counts: []string{"seen"},
		Params: []lang.Param{{Name: "limit", Type: value.U32, Default: 1, Unit: "pps", Line: 1}},
		Exits: []lang.Exit{
			{Verdict: "PASS", File: "edge.weir", Line: PassLine},
			{Verdict: "DROP", Reason: "limited", File: "edge.weir", Line: DropLine},
		},
		Sources: []lang.Source{{Name: "edge.weir", Text: source}},
		Maps:    append(userMaps(), systemMaps(o.Trace)...),
	}
	if o.Redirect != "" {
		p.Exits[0].Verdict = "REDIRECT"
	}
	context := "__sk_buff"
	if h == hook.XDP {
		context = "xdp_md"
	}
	p.Code = Code(context, p.Chains[0].File, map[int]int{0: 2, 1: 3}, instructions(h, o))
	if o.Bad {
		p.Code.Lines[1].Pos.Line = BadLine
	}
	return p
}

const source = `limit = param(u32, 1, unit = "pps")
def main(pkt):
    count("seen")
    if limit == 0:
        return drop("limited")
    return PASS
    # the bad line
`

func userMaps() []lang.Map {
	stats := value.Type{Kind: value.Record, Names: []string{"n", "src"}, Elems: []value.Type{value.U64, value.IP4T}}
	prefix := value.Type{Kind: value.Prefix4}
	user := func(name, kind string, k ir.MapKind, key, val value.Type, size int, ttl time.Duration) lang.Map {
		m := lang.Map{Name: name, Kind: kind, Key: key, Value: val, Size: size, TTL: ttl}
		m.Spec = ir.Map{Name: name, Kind: k, KeySize: key.Size(), ValueSize: val.Size(), MaxEntries: uint32(size)}
		if ttl > 0 {
			m.Spec.ValueSize = (val.Size()+7)&^7 + 8
		} else if val.Kind == value.None {
			m.Spec.ValueSize = 1
		}
		return m
	}
	blocked := user("blocked", "lpm", ir.LPMTrie, prefix, value.Type{}, 1_100_000, 0)
	blocked.Init = []lang.Entry{{Key: must(prefix.Parse("203.0.113.0/24"))}}
	hits := user("hits.state", "table", ir.Hash, value.IP4T, stats, 4, 0)
	hits.Init = []lang.Entry{{Key: must(value.IP4T.Parse("192.0.2.1")), Value: must(stats.Parse("{n: 7, src: 192.0.2.9}"))}}
	recent := user("recent", "table", ir.Hash, value.IP4T, value.U16, 100, time.Hour)
	recent.Init = []lang.Entry{{Key: must(value.IP4T.Parse("192.0.2.1")), Value: []byte{5, 0}}}
	return []lang.Map{
		blocked, hits, recent,
		user("seen", "lru", ir.LRUHash, value.IP4T, value.Type{}, 100, time.Hour),
		user("per_cpu", "table", ir.PerCPUHash, value.IP4T, stats, 100, 0),
		user("arr[0]", "array", ir.Array, value.U32, value.U64, 4, 0),
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func systemMaps(trace bool) []lang.Map {
	sys := func(name string, use lang.System, k ir.MapKind, size, n int) lang.Map {
		return lang.Map{System: use, Spec: ir.Map{Name: name, Kind: k, KeySize: 4, ValueSize: size, MaxEntries: uint32(n)}}
	}
	ms := []lang.Map{
		sys(".param", lang.ParamMap, ir.Array, 8, 1), sys(".count", lang.CountMap, ir.PerCPUArray, 8, 1),
		sys(".exit", lang.ExitMap, ir.PerCPUArray, 16, 2), sys(".refused", lang.RefusedMap, ir.PerCPUArray, 8, 12),
	}
	if trace {
		ms = append(ms, sys(".trace", lang.TraceMap, ir.Array, lang.OutcomeSize, 1))
	}
	return ms
}

// instructions: r6 the context, r7 the exit, r8 the verdict, r9 the length.
func instructions(h hook.Hook, o ChainOptions) asm.Instructions {
	pass, drop, redirect := int32(-1), int32(2), asm.FnRedirect
	length := asm.Instructions{asm.LoadMem(asm.R9, asm.R6, 0, asm.Word)}
	data, end := int16(76), int16(80) // of __sk_buff
	if h == hook.XDP {
		pass, drop = 2, 1
		data, end = 0, 4
		length = asm.Instructions{
			asm.LoadMem(asm.R9, asm.R6, 4, asm.Word), asm.LoadMem(asm.R1, asm.R6, 0, asm.Word), asm.Sub.Reg(asm.R9, asm.R1),
		}
	}
	ins := append(asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}, length...)
	if o.Bad {
		ins = append(ins, asm.LoadMem(asm.R0, asm.R5, 0, asm.DWord))
	}
	if o.Swap {
		ins = append(ins,
			asm.LoadMem(asm.R1, asm.R6, data, asm.Word), asm.LoadMem(asm.R2, asm.R6, end, asm.Word),
			asm.Mov.Reg(asm.R3, asm.R1), asm.Add.Imm(asm.R3, 1), asm.JGT.Reg(asm.R3, asm.R2, "short"),
			asm.LoadMem(asm.R3, asm.R1, 0, asm.Byte), asm.Xor.Imm(asm.R3, 1), asm.StoreMem(asm.R1, 0, asm.R3, asm.Byte),
			asm.Mov.Imm(asm.R3, 0).WithSymbol("short"))
	}
	ins = append(ins, lookup(".count", asm.Mov.Imm(asm.R1, 0))...)
	ins = append(ins,
		asm.JEq.Imm(asm.R0, 0, "params"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		MapValue(asm.R1, ".param", 0).WithSymbol("params"), asm.LoadMem(asm.R1, asm.R1, 0, asm.Word),
		asm.Mov.Imm(asm.R7, 1), asm.Mov.Imm(asm.R8, drop), asm.JEq.Imm(asm.R1, 0, "exit"),
		asm.Mov.Imm(asm.R7, 0), asm.Mov.Imm(asm.R8, pass))
	if o.Redirect != "" {
		ins = append(ins, Interface(asm.R1, o.Redirect), asm.Mov.Imm(asm.R2, 0), redirect.Call(), asm.Mov.Reg(asm.R8, asm.R0))
	}
	exit := asm.Mov.Reg(asm.R1, asm.R7).WithSymbol("exit")
	if o.Trace {
		ins = append(ins, MapValue(asm.R1, ".trace", 0).WithSymbol("exit"), asm.StoreMem(asm.R1, 0, asm.R7, asm.DWord), asm.StoreMem(asm.R1, 16, asm.R9, asm.DWord))
		if o.Redirect != "" {
			ins = append(ins, Interface(asm.R2, o.Redirect), asm.StoreMem(asm.R1, 8, asm.R2, asm.DWord))
		}
		exit = asm.Mov.Reg(asm.R1, asm.R7)
	}
	ins = append(ins, lookup(".exit", exit)...)
	return append(ins,
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R0, 8, asm.DWord), asm.Add.Reg(asm.R1, asm.R9), asm.StoreMem(asm.R0, 8, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R0, asm.R8).WithSymbol("out"), asm.Return())
}

// lookup looks up an index, which the first instruction puts into r1.
func lookup(name string, index asm.Instruction) asm.Instructions {
	return asm.Instructions{
		index, asm.StoreMem(asm.RFP, -4, asm.R1, asm.Word), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		Map(asm.R1, name), asm.FnMapLookupElem.Call(),
	}
}
