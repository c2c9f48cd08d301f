package state

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/config"
)

// interfaces returns what there is to know of the interfaces of a network namespace.
func interfaces(netns string) (out []config.Iface, err error) {
	err = attach.InNetns(netns, func() error {
		links, err := attach.Dump(netlink.LinkList)
		if err != nil {
			return fmt.Errorf("list interfaces: %w", err)
		}
		at := map[int]int{} // by index
		for _, l := range links {
			at[l.Attrs().Index] = len(out)
			out = append(out, config.Iface{Name: l.Attrs().Name})
		}
		addrs, err := attach.Dump(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
		if err != nil {
			return fmt.Errorf("list addresses: %w", err)
		}
		for _, a := range addrs {
			ip, ok := netip.AddrFromSlice(a.IP)
			if i, there := at[a.LinkIndex]; ok && there {
				out[i].Addrs = append(out[i].Addrs, ip.Unmap())
			}
		}
		routes, err := attach.Dump(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_ALL) })
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			for _, index := range ways(r) {
				if i, ok := at[index]; ok && isDefault(r.Dst) {
					out[i].Default = true
				}
			}
		}
		return drivers(out)
	})
	return out, err
}

// ways returns the interfaces that a route goes out by.
func ways(r netlink.Route) (out []int) {
	for _, h := range r.MultiPath {
		out = append(out, h.LinkIndex)
	}
	return append(out, r.LinkIndex)
}

func isDefault(dst *net.IPNet) bool {
	if dst == nil {
		return true
	}
	ones, _ := dst.Mask.Size()
	return ones == 0
}

// drivers asks for the driver of each interface. Some have none.
func drivers(out []config.Iface) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	for i := range out {
		if d, err := unix.IoctlGetEthtoolDrvinfo(fd, out[i].Name); err == nil {
			out[i].Driver = unix.ByteSliceToString(d.Driver[:])
		}
	}
	return nil
}
