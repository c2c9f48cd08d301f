package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	bpflink "github.com/cilium/ebpf/link"

	"weir/internal/xsk"
)

// An afxdp is an AF_XDP socket that receives, in copy mode, which every interface has,
// and the program that hands it all frames.
type afxdp struct {
	userFilter
	socket *xsk.Socket
	closes []func() error
}

// afXDP is the contender.
var afXDP = contender{"AF_XDP receiver", func(_ context.Context, p *plain) (standing, error) {
	x := new(afxdp)
	if err := p.to.Do(func() error { return x.open(p.b.Index) }); err != nil {
		return standing{}, errors.Join(x.close(), fmt.Errorf("AF_XDP receiver: %w", err))
	}
	return x.receiving(x.take, x.close), nil
}}

func (x *afxdp) close() error {
	var errs []error
	for i := len(x.closes) - 1; i >= 0; i-- {
		errs = append(errs, x.closes[i]())
	}
	return errors.Join(errs...)
}

// open opens the socket, and attaches the program.
func (x *afxdp) open(ifindex int) (err error) {
	if x.socket, err = xsk.Open(ifindex, 0, xsk.Options{Chunks: ringSlots, Copy: true}); err != nil {
		return err
	}
	x.closes = append(x.closes, x.socket.Close)
	return x.attach(ifindex)
}

// attach hands all frames of an interface to the socket.
func (x *afxdp) attach(ifindex int) error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "xsks", Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return err
	}
	x.closes = append(x.closes, m.Close)
	if err := m.Put(uint32(0), uint32(x.socket.FD())); err != nil {
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

// take filters what has come.
func (x *afxdp) take() {
	x.socket.Receive(func(frame []byte) error { // which gives no error of its own
		x.see(frame)
		return nil
	})
}
