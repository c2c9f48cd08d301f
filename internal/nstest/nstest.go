// Package nstest gives a kernel test a network namespace of its own.
//
// The namespace has no name and no mount: it is reached by the path of a
// descriptor, and ends with the test. Interfaces that the test makes end with
// it. It needs root. It is for tests of packages that stand below package lab.
package nstest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Net is a network namespace.
type Net struct {
	Path string // to enter it by
	t    testing.TB
	f    *os.File
}

// New makes a network namespace with lo up, which ends with the test.
func New(t testing.TB) *Net {
	t.Helper()
	var n *Net
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		if err == nil {
			n = &Net{Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), t: t, f: f}
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("make network namespace: %v", err)
	}
	t.Cleanup(func() { n.f.Close() })
	n.Do(func() error {
		// Otherwise the kernel's own packets (neighbour discovery) are counted.
		for _, c := range []string{"all", "default"} {
			os.WriteFile("/proc/sys/net/ipv6/conf/"+c+"/disable_ipv6", []byte("1"), 0)
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	return n
}

// Do runs f on a thread inside the namespace; an error ends the test.
func (n *Net) Do(f func() error) {
	n.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		if err := unix.Setns(int(n.f.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		n.t.Fatal(err)
	}
}

// Veth makes a pair of interfaces that are up.
func (n *Net) Veth(a, b string, mtu int) {
	n.t.Helper()
	n.Do(func() error {
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: a, MTU: mtu}, PeerName: b, PeerMTU: uint32(mtu)}
		return up(pair, a, b)
	})
}

func up(l netlink.Link, names ...string) error {
	if err := netlink.LinkAdd(l); err != nil {
		return fmt.Errorf("add %s: %w", l.Attrs().Name, err)
	}
	for _, name := range names {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes an interface.
func (n *Net) Delete(name string) {
	n.t.Helper()
	n.Do(func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.LinkDel(l)
	})
}

// Send sends frames out of an interface; that one is dropped there is no error.
func (n *Net) Send(name string, frames ...[]byte) {
	n.t.Helper()
	n.Do(func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, f := range frames {
			err = unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index, Halen: 6})
			if err != nil && !errors.Is(err, unix.ENOBUFS) {
				return err
			}
		}
		return nil
	})
}
