package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Offload is work that an interface takes from the kernel's packet path.
type Offload int

// The offloads, by their names in ethtool -K.
const (
	TXChecksum Offload = iota // tx: locally sent packets carry no checksum yet
	RXChecksum                // rx: checksums of received packets are trusted
	SG                        // sg: packets may be in pieces
	TSO                       // tso: TCP packets larger than the MTU
	GSO                       // gso: the same, cut late and in software
	GRO                       // gro: received packets are merged
	TXVLAN                    // txvlan: an 802.1Q tag that the kernel sets stays beside the packet
)

// Offloads lists all of them, in an order in which they can be turned off.
var Offloads = []Offload{TSO, GSO, GRO, SG, TXChecksum, RXChecksum, TXVLAN}

// ethtoolCmds are the get and set commands of linux/ethtool.h, and the bits that are the
// offload's in what they carry.
var ethtoolCmds = map[Offload]struct {
	name           string
	get, set, bits uint32
}{
	TXChecksum: {"tx", 0x16, 0x17, 1},
	RXChecksum: {"rx", 0x14, 0x15, 1},
	SG:         {"sg", 0x18, 0x19, 1},
	TSO:        {"tso", 0x1e, 0x1f, 1},
	GSO:        {"gso", 0x23, 0x24, 1},
	GRO:        {"gro", 0x2b, 0x2c, 1},
	TXVLAN:     {"txvlan", 0x25, 0x26, 1 << 7}, // ETH_FLAG_TXVLAN
}

// String returns the name that ethtool -K knows.
func (o Offload) String() string { return ethtoolCmds[o].name }

// SetOffload turns offloads of an interface on or off. It fails if the
// interface then does not have them as asked (some depend on others).
func (h *Host) SetOffload(ifname string, on bool, offloads ...Offload) error {
	for _, o := range offloads {
		c := ethtoolCmds[o]
		data, err := h.ethtool(ifname, c.get, 0)
		if err == nil {
			if data &^= c.bits; on {
				data |= c.bits
			}
			_, err = h.ethtool(ifname, c.set, data)
		}
		if err != nil {
			return fmt.Errorf("host %s: %s %s=%t: %w", h.name, ifname, o, on, err)
		}
		is, err := h.Offload(ifname, o)
		if err != nil {
			return err
		}
		if is != on {
			return fmt.Errorf("host %s: %s %s=%t: the interface keeps it %t", h.name, ifname, o, on, is)
		}
	}
	return nil
}

// Offload reports whether an offload of an interface is on.
func (h *Host) Offload(ifname string, o Offload) (bool, error) {
	data, err := h.ethtool(ifname, ethtoolCmds[o].get, 0)
	if err != nil {
		return false, fmt.Errorf("host %s: %s %s: %w", h.name, ifname, o, err)
	}
	return data&ethtoolCmds[o].bits != 0, nil
}

// EnableXDPReceive makes a veth interface take the frames that an XDP program
// redirects to its other end. Without it (and without an XDP program of its
// own) every such frame is lost, and no counter of the sender tells. It turns
// GRO on, which is what gives a veth its NAPI context (veth_xdp_xmit).
func (h *Host) EnableXDPReceive(ifname string) error {
	return h.SetOffload(ifname, true, GRO)
}

// ethtool does one SIOCETHTOOL with a struct ethtool_value.
func (h *Host) ethtool(ifname string, cmd, data uint32) (uint32, error) {
	b := make([]byte, 8)
	binary.NativeEndian.PutUint32(b, cmd)
	binary.NativeEndian.PutUint32(b[4:], data)
	err := h.ethtoolDo(ifname, b)
	return binary.NativeEndian.Uint32(b[4:]), err
}

// ethtoolDo does one SIOCETHTOOL; b is the command's structure, in and out.
func (h *Host) ethtoolDo(ifname string, b []byte) error {
	// struct ifreq: a name of 16 bytes, a union of 24.
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	if len(ifname) >= len(req.name) {
		return unix.ENODEV
	}
	copy(req.name[:], ifname)
	var pin runtime.Pinner
	pin.Pin(&b[0])
	defer pin.Unpin()
	req.data = unsafe.Pointer(&b[0])
	return h.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		if errno != 0 {
			return errno
		}
		return nil
	})
}

// ethtoolStats returns what ethtool -S shows of an interface.
func (h *Host) ethtoolStats(ifname string) (map[string]uint64, error) {
	const (
		cmdStrings = 0x1b // ETHTOOL_GSTRINGS: cmd, set, len, len * 32 bytes
		cmdStats   = 0x1d // ETHTOOL_GSTATS: cmd, n, n * 8 bytes
		cmdInfo    = 0x37 // ETHTOOL_GSSET_INFO: cmd, 0, mask (64 bits), len
		setStats   = 1    // ETH_SS_STATS
		nameLen    = 32
	)
	order := binary.NativeEndian
	info := make([]byte, 20)
	order.PutUint32(info, cmdInfo)
	order.PutUint64(info[8:], 1<<setStats)
	if err := h.ethtoolDo(ifname, info); err != nil {
		return nil, fmt.Errorf("host %s: statistics of %s: %w", h.name, ifname, err)
	}
	n := order.Uint32(info[16:])
	if order.Uint64(info[8:]) == 0 || n == 0 {
		return nil, nil
	}
	names := make([]byte, 12+n*nameLen)
	order.PutUint32(names, cmdStrings)
	order.PutUint32(names[4:], setStats)
	order.PutUint32(names[8:], n)
	values := make([]byte, 8+n*8)
	order.PutUint32(values, cmdStats)
	order.PutUint32(values[4:], n)
	if err := errors.Join(h.ethtoolDo(ifname, names), h.ethtoolDo(ifname, values)); err != nil {
		return nil, fmt.Errorf("host %s: statistics of %s: %w", h.name, ifname, err)
	}
	stats := make(map[string]uint64, n)
	for i := range n {
		name, _, _ := bytes.Cut(names[12+i*nameLen:][:nameLen], []byte{0})
		stats[string(name)] = order.Uint64(values[8+i*8:])
	}
	return stats, nil
}
