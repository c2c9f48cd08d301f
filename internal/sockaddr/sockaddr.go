// Package sockaddr turns addresses and ports into what system calls take, and back.
//
// The model: netip.AddrPort is how weir says an address, unix.Sockaddr how the kernel
// does. Tests that open sockets by hand need both.
package sockaddr

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// From returns a in the form of system calls.
func From(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// AddrPort returns the address of a socket of IPv4 or IPv6, of others the zero value.
func AddrPort(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}
