package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	bpflink "github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// chunk is the room of a packet in the memory of an AF_XDP socket: the least there
// is.
const chunk = 2048

// An xsk is an AF_XDP socket that receives, in copy mode, which every interface has,
// and the program that hands it all frames.
//
//	fill: chunks for packets ──► kernel ──► rx: chunks with packets ──► fill …
type xsk struct {
	userFilter
	fd       int
	memory   []byte // ringSlots chunks
	fill, rx ring
	closes   []func() error
}

// A ring of the kernel's: one side produces, the other one consumes.
type ring struct {
	producer, consumer *uint32
	descs              unsafe.Pointer
}

// afXDP is the contender.
var afXDP = contender{"AF_XDP receiver", func(_ context.Context, p *plain) (standing, error) {
	x := &xsk{fd: -1}
	if err := p.to.Do(func() error { return x.open(p.b.Index) }); err != nil {
		return standing{}, errors.Join(x.close(), fmt.Errorf("AF_XDP socket: %w", err))
	}
	return x.receiving(x.take, x.close), nil
}}

func (x *xsk) close() error {
	var errs []error
	for i := len(x.closes) - 1; i >= 0; i-- {
		errs = append(errs, x.closes[i]())
	}
	return errors.Join(errs...)
}

// open makes the socket with its memory and rings, and attaches the program.
func (x *xsk) open(ifindex int) (err error) {
	if x.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	x.closes = append(x.closes, func() error { return unix.Close(x.fd) })
	if x.memory, err = x.mapped(-1, 0, ringSlots*chunk, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE); err != nil {
		return err
	}
	reg := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&x.memory[0]))), Len: uint64(len(x.memory)), Size: chunk}
	if err := x.option(unix.SYS_SETSOCKOPT, unix.XDP_UMEM_REG, unsafe.Pointer(&reg), unsafe.Sizeof(reg)); err != nil {
		return err
	}
	for _, o := range []int{unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_RX_RING} {
		if err := unix.SetsockoptInt(x.fd, unix.SOL_XDP, o, ringSlots); err != nil {
			return err
		}
	}
	var at unix.XDPMmapOffsets
	size := uint32(unsafe.Sizeof(at))
	if err := x.option(unix.SYS_GETSOCKOPT, unix.XDP_MMAP_OFFSETS, unsafe.Pointer(&at), uintptr(unsafe.Pointer(&size))); err != nil {
		return err
	}
	if x.fill, err = x.ring(unix.XDP_UMEM_PGOFF_FILL_RING, at.Fr, 8); err != nil {
		return err
	}
	if x.rx, err = x.ring(unix.XDP_PGOFF_RX_RING, at.Rx, int(unsafe.Sizeof(unix.XDPDesc{}))); err != nil {
		return err
	}
	for i := range uint32(ringSlots) {
		*x.fill.addr(i) = uint64(i) * chunk
	}
	atomic.StoreUint32(x.fill.producer, ringSlots)
	if err := unix.Bind(x.fd, &unix.SockaddrXDP{Flags: unix.XDP_COPY, Ifindex: uint32(ifindex)}); err != nil {
		return err
	}
	return x.attach(ifindex)
}

func (x *xsk) option(call, name uintptr, p unsafe.Pointer, size uintptr) error {
	if _, _, errno := unix.Syscall6(call, uintptr(x.fd), unix.SOL_XDP, name, uintptr(p), size, 0); errno != 0 {
		return errno
	}
	return nil
}

func (x *xsk) mapped(fd int, offset int64, size, flags int) ([]byte, error) {
	b, err := unix.Mmap(fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_POPULATE)
	if err == nil {
		x.closes = append(x.closes, func() error { return unix.Munmap(b) })
	}
	return b, err
}

// ring maps one of the socket's rings, whose entries have that size.
func (x *xsk) ring(offset int64, at unix.XDPRingOffset, entry int) (ring, error) {
	b, err := x.mapped(x.fd, offset, int(at.Desc)+ringSlots*entry, unix.MAP_SHARED)
	if err != nil {
		return ring{}, err
	}
	word := func(off uint64) *uint32 { return (*uint32)(unsafe.Pointer(&b[off])) }
	return ring{word(at.Producer), word(at.Consumer), unsafe.Pointer(&b[at.Desc])}, nil
}

// addr is an entry of a ring of addresses, desc one of a ring of packets.
func (r ring) addr(i uint32) *uint64 {
	return (*uint64)(unsafe.Add(r.descs, i%ringSlots*8))
}

func (r ring) desc(i uint32) *unix.XDPDesc {
	return (*unix.XDPDesc)(unsafe.Add(r.descs, uintptr(i%ringSlots)*unsafe.Sizeof(unix.XDPDesc{})))
}

// attach hands all frames of an interface to the socket.
func (x *xsk) attach(ifindex int) error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "xsks", Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return err
	}
	x.closes = append(x.closes, m.Close)
	if err := m.Put(uint32(0), uint32(x.fd)); err != nil {
		return err
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "to_xsk", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Imm(asm.R3, 1), // XDP_DROP, if it does not take it
		asm.FnRedirectMap.Call(),
		asm.Return(),
	}})
	if err != nil {
		return err
	}
	x.closes = append(x.closes, prog.Close)
	l, err := bpflink.AttachXDP(bpflink.XDPOptions{Program: prog, Interface: ifindex, Flags: bpflink.XDPDriverMode})
	if err == nil {
		x.closes = append(x.closes, l.Close)
	}
	return err
}

// take filters what has come, and gives the chunks back.
func (x *xsk) take() {
	from, to := atomic.LoadUint32(x.rx.consumer), atomic.LoadUint32(x.rx.producer)
	free := atomic.LoadUint32(x.fill.producer)
	for ; from != to; from++ {
		d := x.rx.desc(from)
		x.see(x.memory[d.Addr:][:d.Len])
		*x.fill.addr(free) = d.Addr &^ (chunk - 1)
		free++
	}
	atomic.StoreUint32(x.rx.consumer, to)
	atomic.StoreUint32(x.fill.producer, free)
}
