package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Send sends whole Ethernet frames on an interface of the host, in order, past
// its queueing discipline. Tags are bytes of the frame, as on the wire.
func (h *Host) Send(ctx context.Context, ifname string, frames ...[]byte) error {
	fd, err := h.packetSocket(ifname, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for i, f := range frames {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("host %s: send on %s: frame %d: %w", h.name, ifname, i, err)
		}
		// ENOBUFS is a full ring of the receiver, which empties by itself.
		for err = unix.ENOBUFS; errors.Is(err, unix.ENOBUFS) && ctx.Err() == nil; {
			_, err = unix.Write(fd, f)
		}
		if err != nil {
			return fmt.Errorf("host %s: send on %s: frame %d of %d bytes: %w", h.name, ifname, i, len(f), err)
		}
	}
	return nil
}

// packetSocket opens an AF_PACKET socket that is bound to the interface. With
// protocol 0 it receives nothing.
func (h *Host) packetSocket(ifname string, protocol uint16, opts ...[2]int) (int, error) {
	i, err := h.Link(ifname)
	if err != nil {
		return -1, err
	}
	fd := -1
	err = h.Do(func() (err error) {
		// Protocol 0: nothing arrives before bind names the interface.
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		for _, o := range opts {
			if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, o[0], o[1]); err != nil {
				return fmt.Errorf("packet option %d: %w", o[0], err)
			}
		}
		if protocol == 0 {
			if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
				return fmt.Errorf("packet option qdisc bypass: %w", err)
			}
		}
		sa := &unix.SockaddrLinklayer{Ifindex: i.Index, Protocol: networkOrder(protocol)}
		if err := unix.Bind(fd, sa); err != nil {
			return fmt.Errorf("bind: %w", err)
		}
		return nil
	})
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return -1, fmt.Errorf("host %s: packet socket on %s: %w", h.name, ifname, err)
	}
	return fd, nil
}

func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)})
}

// CaptureOptions are the choices of Host.Capture; the zero value captures
// every frame that the interface receives.
type CaptureOptions struct {
	// Outgoing captures also what the host itself sends.
	Outgoing bool
	// Filter, if set, keeps the frames for which it returns true.
	Filter func(frame []byte) bool
}

// A Frame is a captured packet.
type Frame struct {
	// Data holds the frame as on the wire: a VLAN tag that the kernel had moved
	// into metadata is back at byte 12.
	Data []byte
	// Outgoing is set for what the host itself sent.
	Outgoing bool
	// TagMoved is set if the outer VLAN tag was in metadata.
	TagMoved bool
	// ChecksumPartial is set if the L4 checksum is still to be computed: the
	// field holds a seed.
	ChecksumPartial bool
}

// A Capture sees the frames of one interface from the moment it was made.
// Native XDP sees packets before it does, tc ingress and the rest after it.
type Capture struct {
	where  string
	file   *os.File
	filter func([]byte) bool
	buf    []byte
}

// Capture starts a capture on an interface of the host. The caller closes it.
func (h *Host) Capture(ifname string, o CaptureOptions) (*Capture, error) {
	opts := [][2]int{{unix.PACKET_AUXDATA, 1}}
	if !o.Outgoing {
		opts = append(opts, [2]int{unix.PACKET_IGNORE_OUTGOING, 1})
	}
	fd, err := h.packetSocket(ifname, unix.ETH_P_ALL, opts...)
	if err != nil {
		return nil, err
	}
	// Room for some thousand frames between two reads; root may exceed rmem_max.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("host %s: capture on %s: receive buffer: %w", h.name, ifname, err)
	}
	return &Capture{
		where:  "capture on " + h.name + "/" + ifname,
		file:   os.NewFile(uintptr(fd), "capture"),
		filter: o.Filter,
		buf:    make([]byte, 1<<18), // above the largest merged packet
	}, nil
}

// Frames returns the next n frames that pass the filter. If ctx ends before,
// it returns those there were and ctx's error.
func (c *Capture) Frames(ctx context.Context, n int) ([]Frame, error) {
	if err := c.file.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("%s: %w", c.where, err)
	}
	stop := context.AfterFunc(ctx, func() { c.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var got []Frame
	for len(got) < n {
		f, err := c.read()
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return got, fmt.Errorf("%s: frame %d of %d: %w", c.where, len(got)+1, n, err)
		}
		if c.filter == nil || c.filter(f.Data) {
			got = append(got, f)
		}
	}
	return got, nil
}

// Lost returns how many frames the kernel could not keep since the last call.
func (c *Capture) Lost() (uint64, error) {
	rc, err := c.file.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.where, err)
	}
	var st *unix.TpacketStats
	cerr := rc.Control(func(fd uintptr) {
		st, err = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	})
	if err := errors.Join(cerr, err); err != nil {
		return 0, fmt.Errorf("%s: statistics: %w", c.where, err)
	}
	return uint64(st.Drops), nil
}

// Close ends the capture.
func (c *Capture) Close() error { return c.file.Close() }

// read returns one frame.
func (c *Capture) read() (Frame, error) {
	rc, err := c.file.SyscallConn()
	if err != nil {
		return Frame{}, err
	}
	var n, oobn int
	var from unix.Sockaddr
	oob := make([]byte, unix.CmsgSpace(int(unsafe.Sizeof(auxdata{}))))
	rerr := rc.Read(func(fd uintptr) bool {
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			n, oobn, _, from, err = unix.Recvmsg(int(fd), c.buf, oob, 0)
		}
		return !errors.Is(err, unix.EAGAIN)
	})
	if err := errors.Join(rerr, err); err != nil {
		return Frame{}, err
	}
	f := Frame{Data: slices.Clone(c.buf[:n])}
	if ll, ok := from.(*unix.SockaddrLinklayer); ok {
		f.Outgoing = ll.Pkttype == unix.PACKET_OUTGOING
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return Frame{}, fmt.Errorf("control message: %w", err)
	}
	for _, m := range msgs {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA {
			f.apply(*(*auxdata)(unsafe.Pointer(&m.Data[0])))
		}
	}
	return f, nil
}

// auxdata is struct tpacket_auxdata of linux/if_packet.h.
type auxdata struct {
	status, length, snaplen     uint32
	mac, net, vlanTCI, vlanTPID uint16
}

// apply puts into f what the kernel keeps beside the bytes.
func (f *Frame) apply(a auxdata) {
	f.ChecksumPartial = a.status&unix.TP_STATUS_CSUMNOTREADY != 0
	if a.status&unix.TP_STATUS_VLAN_VALID == 0 || len(f.Data) < 12 {
		return
	}
	f.TagMoved = true
	tpid := uint16(unix.ETH_P_8021Q)
	if a.status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = a.vlanTPID
	}
	tag := binary.BigEndian.AppendUint16(nil, tpid)
	tag = binary.BigEndian.AppendUint16(tag, a.vlanTCI)
	f.Data = slices.Insert(f.Data, 12, tag...)
}
