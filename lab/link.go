package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An End is the choice for one end of a link.
type End struct {
	// MAC is the hardware address; the zero value takes a random local one.
	MAC net.HardwareAddr
	// Addrs are the addresses, with the length of their network. An end without
	// an IPv6 address has IPv6 off, and so sends nothing of its own.
	Addrs []netip.Prefix
}

// LinkOptions are the choices of Lab.Link; the zero value is a plain veth pair
// that is up, with no addresses.
type LinkOptions struct {
	A, B End
	// MTU of both ends; zero is 1500.
	MTU int
	// Queues for receiving and sending at both ends; zero is one.
	Queues int
	// Neighbours makes permanent entries for the other end's addresses, so that
	// no ARP or neighbour discovery is among the packets.
	Neighbours bool
	// NoOffload turns everything of Offloads off at both ends, so that packets
	// are as on a wire: whole checksums, none larger than the MTU.
	NoOffload bool
}

// An Iface describes an interface at the time of the call.
type Iface struct {
	Host  *Host
	Name  string
	Index int
	MAC   net.HardwareAddr
	MTU   int
	Addrs []netip.Prefix
	Up    bool
}

// MustPrefixes parses constants for End.Addrs ("10.0.0.1/24"); it panics on a
// bad one.
func MustPrefixes(ss ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(ss))
	for i, s := range ss {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}

// Link joins interface an of host a and interface bn of host b by a veth pair
// and brings both up. Addresses are usable at once (no duplicate detection).
// veth has no queue of its own (noqueue): what is sent is received in the same
// system call. a and b may be one host.
func (l *Lab) Link(a *Host, an string, b *Host, bn string, o LinkOptions) (ai, bi Iface, err error) {
	fail := func(err error) (Iface, Iface, error) {
		return Iface{}, Iface{}, fmt.Errorf("link %s/%s to %s/%s: %w", a.name, an, b.name, bn, err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.MTU = an, o.A.MAC, o.MTU
	attrs.NumTxQueues, attrs.NumRxQueues = o.Queues, o.Queues
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerHardwareAddr, veth.PeerMTU = bn, o.B.MAC, uint32(o.MTU)
	veth.PeerNumTxQueues, veth.PeerNumRxQueues = uint32(o.Queues), uint32(o.Queues)
	veth.PeerNamespace = netlink.NsFd(b.fd)
	nl, err := a.netlink()
	if err != nil {
		return fail(err)
	}
	if err := nl.LinkAdd(veth); err != nil {
		return fail(err)
	}
	undo := func(err error) (Iface, Iface, error) {
		return fail(errors.Join(err, nl.LinkDel(veth)))
	}
	if err := errors.Join(a.configure(an, o.A), b.configure(bn, o.B)); err != nil {
		return undo(err)
	}
	if o.NoOffload {
		err := errors.Join(a.SetOffload(an, false, Offloads...), b.SetOffload(bn, false, Offloads...))
		if err != nil {
			return undo(err)
		}
	}
	if err := errors.Join(a.ready(an, o.A), b.ready(bn, o.B)); err != nil {
		return undo(err)
	}
	ai, aerr := a.Link(an)
	bi, berr := b.Link(bn)
	if err := errors.Join(aerr, berr); err != nil {
		return undo(err)
	}
	if o.Neighbours {
		if err := errors.Join(ai.meet(bi), bi.meet(ai)); err != nil {
			return undo(err)
		}
	}
	return ai, bi, nil
}

// configure gives a fresh interface its addresses and brings it up.
func (h *Host) configure(name string, e End) error {
	six := false
	for _, p := range e.Addrs {
		six = six || p.Addr().Is6()
	}
	if !six {
		if err := h.Sysctl("net/ipv6/conf/"+name+"/disable_ipv6", "1"); err != nil {
			return err
		}
	}
	nl, l, err := h.link(name)
	if err != nil {
		return err
	}
	for _, p := range e.Addrs {
		if err := nl.AddrAdd(l, &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("%s: address %s: %w", name, p, err)
		}
	}
	if err := nl.LinkSetUp(l); err != nil {
		return fmt.Errorf("%s up: %w", name, err)
	}
	return nil
}

// ready waits until an interface that is up carries packets and its IPv6
// addresses receive. The kernel does both a while after the request (linkwatch,
// addrconf_dad_work); packets sent before are lost.
func (h *Host) ready(name string, e End) error {
	nl, err := h.netlink()
	if err != nil {
		return err
	}
	isReady := func() bool {
		l, err := nl.LinkByName(name)
		if err != nil || l.Attrs().OperState != netlink.OperUp {
			return false
		}
		for _, p := range e.Addrs {
			if p.Addr().Is4() {
				continue
			}
			rs, err := nl.RouteGet(p.Addr().AsSlice())
			if err != nil || len(rs) == 0 || rs[0].Type != unix.RTN_LOCAL {
				return false
			}
		}
		return true
	}
	for end := time.Now().Add(readyWithin); !isReady(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%s: not ready after %v", name, readyWithin)
		}
	}
	return nil
}

// readyWithin bounds the wait for a new link. Linkwatch may take a second.
const readyWithin = 5 * time.Second

// meet makes permanent neighbour entries at i for the addresses of o.
func (i Iface) meet(o Iface) error {
	var errs []error
	for _, p := range o.Addrs {
		errs = append(errs, i.Host.Neighbour(i.Name, p.Addr(), o.MAC))
	}
	return errors.Join(errs...)
}

// Link describes an interface of the host.
func (h *Host) Link(name string) (Iface, error) {
	nl, l, err := h.link(name)
	if err != nil {
		return Iface{}, fmt.Errorf("host %s: %w", h.name, err)
	}
	addrs, err := nl.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return Iface{}, fmt.Errorf("host %s: addresses of %s: %w", h.name, name, err)
	}
	at := l.Attrs()
	i := Iface{
		Host: h, Name: at.Name, Index: at.Index, MAC: at.HardwareAddr,
		MTU: at.MTU, Up: at.Flags&net.FlagUp != 0,
	}
	for _, a := range addrs {
		ip, _ := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		i.Addrs = append(i.Addrs, netip.PrefixFrom(ip.Unmap(), bits))
	}
	return i, nil
}

// SetUp brings an interface up or down.
func (h *Host) SetUp(name string, up bool) error {
	nl, l, err := h.link(name)
	if err == nil && up {
		err = nl.LinkSetUp(l)
	} else if err == nil {
		err = nl.LinkSetDown(l)
	}
	if err != nil {
		return fmt.Errorf("host %s: link %s up=%t: %w", h.name, name, up, err)
	}
	return nil
}

// Bridge makes a learning bridge of the given interfaces of the host, without
// spanning tree and multicast snooping, and brings it up.
func (h *Host) Bridge(name string, ports ...string) (Iface, error) {
	fail := func(err error) (Iface, error) {
		return Iface{}, fmt.Errorf("host %s: bridge %s: %w", h.name, name, err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	snooping := false
	br := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	nl, err := h.netlink()
	if err != nil {
		return fail(err)
	}
	if err := nl.LinkAdd(br); err != nil {
		return fail(err)
	}
	undo := func(err error) (Iface, error) {
		return fail(errors.Join(err, nl.LinkDel(br)))
	}
	for _, p := range ports {
		_, l, err := h.link(p)
		if err == nil {
			err = nl.LinkSetMaster(l, br)
		}
		if err != nil {
			return undo(fmt.Errorf("port %s: %w", p, err))
		}
	}
	if err := h.configure(name, End{}); err != nil {
		return undo(err)
	}
	i, err := h.Link(name)
	if err != nil {
		return undo(err)
	}
	return i, nil
}

// VLAN makes the interface NAME.ID, which sends and receives the frames of an
// interface of the host that have the tag ID (802.1Q), and brings it up. It
// returns an error wrapping [ErrNotSupported] if the kernel has no such interfaces.
func (h *Host) VLAN(name string, id uint16, addrs ...netip.Prefix) (Iface, error) {
	fail := func(err error) (Iface, error) {
		return Iface{}, fmt.Errorf("host %s: VLAN %d of %s: %w", h.name, id, name, err)
	}
	nl, under, err := h.link(name)
	if err != nil {
		return fail(err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = fmt.Sprintf("%s.%d", name, id), under.Attrs().Index
	v := &netlink.Vlan{LinkAttrs: attrs, VlanId: int(id), VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}
	if err := nl.LinkAdd(v); errors.Is(err, unix.EOPNOTSUPP) {
		return fail(ErrNotSupported)
	} else if err != nil {
		return fail(err)
	}
	end := End{Addrs: addrs}
	if err := errors.Join(h.configure(attrs.Name, end), h.ready(attrs.Name, end)); err != nil {
		return fail(errors.Join(err, nl.LinkDel(v)))
	}
	i, err := h.Link(attrs.Name)
	if err != nil {
		return fail(errors.Join(err, nl.LinkDel(v)))
	}
	return i, nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
