package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

const (
	xdpDrop = 1

	bpfProgTestRun       = 10     // BPF_PROG_TEST_RUN of enum bpf_cmd
	testXDPLiveFrames    = 1 << 1 // BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18
	liveBatch            = 64     // frames between two flushes; a veth ring holds 256
	maxRewrite           = 128    // bytes of the template that each packet gets anew
	sourceEntrySize      = 24     // sourceEntry
	sourceEntrySumOffset = 16
)

// send hands n packets to the interface, fewer if a signal comes between. The
// kernel flushes them in batches.
//
// ebpf.Program.Run starts anew after a signal, and so sends more than asked
// for; therefore the bare system call.
func (s *floodSource) send(n uint32) error {
	// The BPF_PROG_TEST_RUN member of union bpf_attr (linux/bpf.h).
	attr := struct {
		progFD, retval, dataSizeIn, dataSizeOut uint32
		dataIn                                  unsafe.Pointer
		dataOut                                 uint64
		repeat, duration, ctxSizeIn, ctxSizeOut uint32
		ctxIn, ctxOut                           uint64
		flags, cpu, batchSize, _                uint32
	}{
		progFD: uint32(s.prog.FD()), dataSizeIn: uint32(len(s.frame)),
		dataIn: unsafe.Pointer(&s.frame[0]),
		repeat: n, flags: testXDPLiveFrames, batchSize: min(n, liveBatch),
	}
	var pin runtime.Pinner
	pin.Pin(&s.frame[0])
	defer pin.Unpin()
	_, _, errno := unix.Syscall(unix.SYS_BPF, bpfProgTestRun, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(s)
	switch errno {
	case 0, unix.EINTR:
		return nil
	case unix.EINVAL:
		return fmt.Errorf("live test run of %d bytes: %w (needs Linux 5.18, and a frame that fits a page)", len(s.frame), errno)
	}
	return fmt.Errorf("live test run: %w", errno)
}

// newFloodSource assembles and loads the program for a flood out of an
// interface.
func newFloodSource(o Flood, ifindex int) (*floodSource, error) {
	p, err := planFlood(o)
	if err != nil {
		return nil, err
	}
	s := &floodSource{frame: o.Template}
	fail := func(err error) (*floodSource, error) {
		s.close()
		return nil, err
	}
	s.counter, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "flood_sent", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1,
	})
	if err != nil {
		return fail(err)
	}
	if len(o.SourceSet) > 0 {
		if s.sources, err = newSourceMap(o.SourceSet); err != nil {
			return fail(err)
		}
	}
	s.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "flood", Type: ebpf.XDP, License: "Dual BSD/GPL",
		Instructions: p.assemble(s.counter.FD(), s.sources, len(o.SourceSet), ifindex),
	})
	if err != nil {
		return fail(fmt.Errorf("load flood program: %w", err))
	}
	return s, nil
}

// A floodPlan is a flood with everything computed that is the same for all
// packets. Words and sums are as a load on this machine gives them: a one's
// complement sum is right in any byte order (RFC 1071 section 2).
type floodPlan struct {
	layout
	frame      []byte // the template's first bytes, at most maxRewrite
	fromSet    bool
	randomSrc  bool
	randomPort bool
	varied     int    // offset of the 4 varying bytes of the source address
	base, mask uint32 // source = base | random & mask
	ipSum      uint32 // of the IPv4 header without source and checksum
	l4Sum      uint32 // of pseudo header and L4, without what varies and the checksum
	l4Write    bool   // the L4 checksum is written
}

func planFlood(o Flood) (*floodPlan, error) {
	l, err := parseLayout(o.Template)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	p := &floodPlan{
		layout: l, frame: o.Template[:min(len(o.Template), maxRewrite)],
		fromSet: len(o.SourceSet) > 0, randomSrc: o.Sources.IsValid(), randomPort: o.RandomPort,
		varied: l.src + l.addrLen - 4,
	}
	if p.fromSet && p.randomSrc {
		return nil, errors.New("both Sources and SourceSet are set")
	}
	if p.randomPort && !l.hasPorts() {
		return nil, fmt.Errorf("RandomPort: template has no ports (protocol %d)", l.proto)
	}
	for _, a := range o.SourceSet {
		if err := p.checkFamily(a); err != nil {
			return nil, err
		}
	}
	// What varies is taken out of a copy, and the rest is summed.
	f := append([]byte(nil), o.Template...)
	if p.randomSrc {
		if err := p.checkFamily(o.Sources.Addr()); err != nil {
			return nil, err
		}
		net := o.Sources.Masked()
		copy(f[l.src:], net.Addr().AsSlice())
		p.frame = append([]byte(nil), f[:len(p.frame)]...) // with the high bits of the network
		free := min(net.Addr().BitLen()-net.Bits(), 32)
		p.base = binary.NativeEndian.Uint32(f[p.varied:])
		p.mask = binary.NativeEndian.Uint32(binary.BigEndian.AppendUint32(nil, uint32(1<<free-1)))
		clear(f[p.varied : p.varied+4])
	}
	if p.fromSet {
		clear(f[l.src : l.src+l.addrLen])
	}
	p.sum(f)
	return p, nil
}

// sum adds up what is the same in all packets of f, a template without what
// varies.
func (p *floodPlan) sum(f []byte) {
	if p.ipCsum > 0 {
		clear(f[p.ipCsum : p.ipCsum+2])
		p.ipSum = swapSum(onesSum(f[p.ip : p.ip+int(f[p.ip]&15)*4]))
	}
	if p.l4 > 0 {
		p.l4Write = p.proto != protoUDP || binary.BigEndian.Uint16(f[p.l4Csum:]) != 0
		clear(f[p.l4Csum : p.l4Csum+2])
		if p.randomPort {
			clear(f[p.l4 : p.l4+2])
		}
		p.l4Sum = swapSum(p.pseudoSum(f) + onesSum(f[p.l4:p.end]))
	}
}

func (p *floodPlan) checkFamily(a netip.Addr) error {
	if a.Is6() != p.v6 || !a.IsValid() {
		return fmt.Errorf("source %s: not of the template's family", a)
	}
	return nil
}

// swapSum folds a sum of network-order words and turns it into one of words as
// this machine loads them.
func swapSum(sum uint32) uint32 {
	return uint32(networkOrder(fold(sum)))
}

// newSourceMap holds an entry for each address: its bytes, and the sum of them.
func newSourceMap(addrs []netip.Addr) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "flood_sources", Type: ebpf.Array, KeySize: 4, ValueSize: sourceEntrySize,
		MaxEntries: uint32(len(addrs)),
	})
	if err != nil {
		return nil, err
	}
	const chunk = 1 << 14
	keys := make([]uint32, 0, chunk)
	values := make([]byte, 0, chunk*sourceEntrySize)
	for i, a := range addrs {
		var e [sourceEntrySize]byte
		copy(e[:], a.AsSlice())
		binary.NativeEndian.PutUint32(e[sourceEntrySumOffset:], swapSum(onesSum(a.AsSlice())))
		keys, values = append(keys, uint32(i)), append(values, e[:]...)
		if len(keys) == chunk || i == len(addrs)-1 {
			if _, err := m.BatchUpdate(keys, batchOf(values), nil); err != nil {
				m.Close()
				return nil, fmt.Errorf("fill source set: %w", err)
			}
			keys, values = keys[:0], values[:0]
		}
	}
	return m, nil
}

// batchOf cuts b into the entries that a batch update wants.
func batchOf(b []byte) [][sourceEntrySize]byte {
	return unsafe.Slice((*[sourceEntrySize]byte)(unsafe.Pointer(&b[0])), len(b)/sourceEntrySize)
}

// assemble writes the program. Frames are recycled with what the program and
// the receiver made of them, so every packet is written anew.
//
//	R6 ctx   R7 data   R8 sum of what varies in the source   R9 varying source, then port
func (p *floodPlan) assemble(counterFD int, sources *ebpf.Map, n, ifindex int) asm.Instructions {
	ins := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.Mov.Imm(asm.R8, 0),
	}
	ins = append(ins, p.pickSource(sources, n)...)
	ins = append(ins,
		asm.LoadMem(asm.R7, asm.R6, 0, asm.Word),
		asm.LoadMem(asm.R1, asm.R6, 4, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R7), asm.Add.Imm(asm.R2, int32(len(p.frame))),
		asm.JGT.Reg(asm.R2, asm.R1, "drop"),
	)
	ins = append(ins, storeBytes(p.frame)...)
	ins = append(ins, p.storeSource()...)
	if p.ipCsum > 0 {
		ins = append(ins, asm.Mov.Imm(asm.R1, int32(p.ipSum)), asm.Add.Reg(asm.R1, asm.R8))
		ins = append(ins, storeChecksum(p.ipCsum)...)
	}
	if p.randomPort {
		ins = append(ins,
			asm.FnGetPrandomU32.Call(),
			asm.Or.Imm(asm.R0, 1024),
			asm.And.Imm(asm.R0, 0xffff),
			asm.HostTo(asm.BE, asm.R0, asm.Half),
			asm.StoreMem(asm.R7, int16(p.l4), asm.R0, asm.Half),
			asm.Add.Reg(asm.R8, asm.R0),
		)
	}
	if p.l4Write {
		ins = append(ins, asm.Mov.Imm(asm.R1, int32(p.l4Sum)), asm.Add.Reg(asm.R1, asm.R8))
		if p.proto == protoUDP {
			ins = append(ins, foldComplement()...)
			ins = append(ins,
				asm.JNE.Imm(asm.R1, 0, "sum"),
				asm.Mov.Imm(asm.R1, 0xffff), // RFC 768
				asm.StoreMem(asm.R7, int16(p.l4Csum), asm.R1, asm.Half).WithSymbol("sum"))
		} else {
			ins = append(ins, storeChecksum(p.l4Csum)...)
		}
	}
	return append(ins, redirectAndCount(counterFD, ifindex)...)
}

// pickSource chooses the packet's source: R9 and R8 of assemble.
func (p *floodPlan) pickSource(sources *ebpf.Map, n int) asm.Instructions {
	switch {
	case p.fromSet:
		return asm.Instructions{
			asm.FnGetPrandomU32.Call(),
			asm.Mod.Imm(asm.R0, int32(n)),
			asm.StoreMem(asm.RFP, -4, asm.R0, asm.Word),
			asm.LoadMapPtr(asm.R1, sources.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "drop"),
			asm.Mov.Reg(asm.R9, asm.R0),
			asm.LoadMem(asm.R8, asm.R0, sourceEntrySumOffset, asm.Word),
		}
	case p.randomSrc:
		return asm.Instructions{
			asm.FnGetPrandomU32.Call(),
			asm.Mov.Imm32(asm.R1, int32(p.mask)), asm.And.Reg(asm.R0, asm.R1),
			asm.Mov.Imm32(asm.R1, int32(p.base)), asm.Or.Reg(asm.R0, asm.R1),
			asm.Mov.Reg(asm.R9, asm.R0),
			asm.Mov.Reg(asm.R8, asm.R0), asm.And.Imm(asm.R8, 0xffff),
			asm.RSh.Imm(asm.R0, 16), asm.Add.Reg(asm.R8, asm.R0),
		}
	}
	return nil
}

// storeSource writes the source address: from the entry at R9, or R9 itself.
func (p *floodPlan) storeSource() asm.Instructions {
	var ins asm.Instructions
	switch {
	case p.fromSet:
		for i := 0; i < p.addrLen; i += 4 {
			ins = append(ins,
				asm.LoadMem(asm.R1, asm.R9, int16(i), asm.Word),
				asm.StoreMem(asm.R7, int16(p.src+i), asm.R1, asm.Word))
		}
	case p.randomSrc:
		ins = append(ins, asm.StoreMem(asm.R7, int16(p.varied), asm.R9, asm.Word))
	}
	return ins
}

// storeBytes writes b at R7.
func storeBytes(b []byte) asm.Instructions {
	var ins asm.Instructions
	at := 0
	for ; len(b)-at >= 4; at += 4 {
		v := int64(int32(binary.NativeEndian.Uint32(b[at:])))
		ins = append(ins, asm.StoreImm(asm.R7, int16(at), v, asm.Word))
	}
	for ; at < len(b); at++ {
		ins = append(ins, asm.StoreImm(asm.R7, int16(at), int64(b[at]), asm.Byte))
	}
	return ins
}

// foldComplement makes a sum in R1 (below 2^32) a checksum.
func foldComplement() asm.Instructions {
	var ins asm.Instructions
	for range 2 {
		ins = append(ins,
			asm.Mov.Reg(asm.R2, asm.R1), asm.RSh.Imm(asm.R2, 16),
			asm.And.Imm(asm.R1, 0xffff), asm.Add.Reg(asm.R1, asm.R2))
	}
	return append(ins, asm.Xor.Imm(asm.R1, 0xffff))
}

// storeChecksum folds the sum in R1 and writes it at an offset.
func storeChecksum(at int) asm.Instructions {
	return append(foldComplement(), asm.StoreMem(asm.R7, int16(at), asm.R1, asm.Half))
}

// redirectAndCount ends the program: out of the interface, and counted.
func redirectAndCount(counterFD, ifindex int) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, counterFD),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "drop"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R1, int32(ifindex)),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(), // XDP_REDIRECT; it cannot fail before the flush
		asm.Return(),
		asm.Mov.Imm(asm.R0, xdpDrop).WithSymbol("drop"),
		asm.Return(),
	}
}
