package bench

import (
	"context"
	wire "encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Receivers filter in user space what the kernel hands them. They take a burst of
// packets once it is there: waiting for it and waking up is not in their time.
const (
	burst     = 16384     // packets that are sent before they are taken
	ringSlots = 2 * burst // of packets that wait
)

// A userFilter is the small filter in user space.
type userFilter struct{ dropped, passed uint64 }

func (f *userFilter) see(frame []byte) {
	if toDNS(frame) {
		f.dropped++
	} else {
		f.passed++
	}
}

// toDNS reports whether a frame is UDP over IPv4 to port 53, and no later fragment.
// The packets that are sent are of no other kind: it need not walk IPv6.
func toDNS(f []byte) bool {
	if len(f) < 14+20 || wire.BigEndian.Uint16(f[12:]) != 0x0800 || f[14]>>4 != 4 || f[23] != 17 {
		return false
	}
	at := 14 + int(f[14]&15)*4
	return wire.BigEndian.Uint16(f[20:])&0x1fff == 0 && len(f) >= at+8 && wire.BigEndian.Uint16(f[at+2:]) == dropped
}

// receiving is a standing contender that takes packets by take.
func (f *userFilter) receiving(take func(), down func() error) standing {
	return standing{
		counted: func(context.Context) (uint64, error) { return f.dropped + f.passed, nil },
		down:    down,
		take: func() (time.Duration, error) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			from, err := threadTime()
			if err != nil {
				return 0, err
			}
			take()
			to, err := threadTime()
			return to - from, err
		},
	}
}

// threadTime is the clock of the thread.
func threadTime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("clock of the thread: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// Measures of the ring of an AF_PACKET socket.
const (
	packetSlot  = 256 // octets: the header of a slot, an address, and the frame
	packetBlock = 1 << 16
)

// afPacket is a packet socket whose ring is shared with the kernel (packet_mmap,
// version 2).
var afPacket = contender{"AF_PACKET receiver", func(_ context.Context, p *plain) (s standing, err error) {
	fd, ring := -1, []byte(nil)
	down := func() error {
		var errs []error
		if ring != nil {
			errs = append(errs, unix.Munmap(ring))
		}
		return errors.Join(append(errs, unix.Close(fd))...)
	}
	err = p.to.Do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if ring, err = packetRing(fd, p.b.Index); err != nil {
			return errors.Join(err, down())
		}
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("packet socket: %w", err)
	}
	f, next := &userFilter{}, 0
	return f.receiving(func() {
		for {
			slot := ring[next*packetSlot:][:packetSlot]
			h := (*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0]))
			if atomic.LoadUint32(&h.Status)&unix.TP_STATUS_USER == 0 {
				return
			}
			f.see(slot[h.Mac:][:h.Snaplen])
			atomic.StoreUint32(&h.Status, unix.TP_STATUS_KERNEL)
			next = (next + 1) % ringSlots
		}
	}, down), nil
}}

// packetRing gives a packet socket a ring, and frames of an interface.
func packetRing(fd, ifindex int) ([]byte, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return nil, err
	}
	req := unix.TpacketReq{
		Block_size: packetBlock, Block_nr: ringSlots * packetSlot / packetBlock, Frame_size: packetSlot, Frame_nr: ringSlots,
	}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, err
	}
	ring, err := unix.Mmap(fd, 0, ringSlots*packetSlot, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	all := wire.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // network order
	return ring, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifindex})
}
