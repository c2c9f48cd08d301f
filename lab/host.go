package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Host is a network namespace of a lab. Its methods may be called
// concurrently.
type Host struct {
	lab   *Lab
	name  string
	netns string
	fd    int             // of the namespace
	rt    *netlink.Handle // rtnetlink inside the namespace; nil when closed

	mu    sync.Mutex
	stops []func() error // servers and processes, in order of start
}

// Name returns the name that the host has in its lab.
func (h *Host) Name() string { return h.name }

// Netns returns the name of the namespace in /run/netns, for "ip netns exec"
// and for weir's --on NETNS/INTERFACE.
func (h *Host) Netns() string { return h.netns }

// quiet are the settings a host starts with: some are inherited from the
// machine, some would hold up or add to the traffic.
var quiet = [][2]string{
	{"net/ipv4/ip_forward", "0"},
	{"net/ipv4/conf/all/rp_filter", "0"},
	{"net/ipv4/conf/default/rp_filter", "0"},
	{"net/ipv6/conf/all/accept_dad", "0"},
	{"net/ipv6/conf/default/accept_dad", "0"},
	{"net/ipv6/conf/all/router_solicitations", "0"},
	{"net/ipv6/conf/default/router_solicitations", "0"},
}

// setUp opens the host's netlink handle, brings loopback up and makes it quiet.
func (h *Host) setUp() error {
	return h.Do(func() error {
		nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open netlink: %w", err)
		}
		h.rt = nl
		for _, s := range quiet {
			if err := writeSysctl(s[0], s[1]); err != nil {
				return err
			}
		}
		lo, err := nl.LinkByName("lo")
		if err != nil {
			return fmt.Errorf("loopback: %w", err)
		}
		if err := nl.LinkSetUp(lo); err != nil {
			return fmt.Errorf("loopback up: %w", err)
		}
		return nil
	})
}

// Do runs f on an OS thread inside the host's namespace and returns f's error.
// Sockets and processes that f itself makes belong to the host; goroutines
// that f starts do not. f may end by t.FailNow or panic as if called directly.
func (h *Host) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(h.fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter host %s: %w", h.name, err)
		}
		return f()
	})
}

// netlink returns the host's rtnetlink. It is asked for at each use, since a
// closed netlink.Handle works on the caller's own namespace.
func (h *Host) netlink() (*netlink.Handle, error) {
	if h.rt == nil {
		return nil, fmt.Errorf("host %s: %w", h.name, ErrClosed)
	}
	return h.rt, nil
}

// link returns the host's rtnetlink and an interface.
func (h *Host) link(name string) (*netlink.Handle, netlink.Link, error) {
	nl, err := h.netlink()
	if err != nil {
		return nil, nil, err
	}
	l, err := nl.LinkByName(name)
	if err != nil {
		return nil, nil, fmt.Errorf("link %s: %w", name, err)
	}
	return nl, l, nil
}

// Sysctl writes a setting of the host; key is as of sysctl(8), with slashes
// where an interface name holds a dot ("net/ipv4/conf/eth0.5/rp_filter").
func (h *Host) Sysctl(key, value string) error {
	if err := h.Do(func() error { return writeSysctl(key, value) }); err != nil {
		return fmt.Errorf("host %s: %w", h.name, err)
	}
	return nil
}

// writeSysctl writes a setting of the calling thread's namespace.
func writeSysctl(key, value string) error {
	if !strings.Contains(key, "/") {
		key = strings.ReplaceAll(key, ".", "/")
	}
	if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0); err != nil {
		return fmt.Errorf("sysctl %s=%s: %w", key, value, err)
	}
	return nil
}

// Forward makes the host a router for IPv4 and IPv6.
func (h *Host) Forward() error {
	return errors.Join(
		h.Sysctl("net.ipv4.ip_forward", "1"),
		h.Sysctl("net.ipv6.conf.all.forwarding", "1"),
	)
}

// Route adds a route to dst through the neighbour via, which must be on a
// connected network.
func (h *Host) Route(dst netip.Prefix, via netip.Addr) error {
	nl, err := h.netlink()
	if err == nil {
		err = nl.RouteAdd(&netlink.Route{Dst: ipNet(dst.Masked()), Gw: via.AsSlice()})
	}
	if err != nil {
		return fmt.Errorf("host %s: route %s via %s: %w", h.name, dst, via, err)
	}
	return nil
}

// RouteDev adds a route to dst as directly connected on the interface.
func (h *Host) RouteDev(dst netip.Prefix, ifname string) error {
	nl, l, err := h.link(ifname)
	if err == nil {
		err = nl.RouteAdd(&netlink.Route{
			Dst: ipNet(dst.Masked()), LinkIndex: l.Attrs().Index, Scope: netlink.SCOPE_LINK,
		})
	}
	if err != nil {
		return fmt.Errorf("host %s: route %s dev %s: %w", h.name, dst, ifname, err)
	}
	return nil
}

// Neighbour adds a permanent neighbour entry, so that nobody asks for mac.
func (h *Host) Neighbour(ifname string, addr netip.Addr, mac net.HardwareAddr) error {
	nl, l, err := h.link(ifname)
	if err == nil {
		err = nl.NeighSet(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: addr.AsSlice(), HardwareAddr: mac,
		})
	}
	if err != nil {
		return fmt.Errorf("host %s: neighbour %s on %s: %w", h.name, addr, ifname, err)
	}
	return nil
}

// Run runs a command inside the host and returns its standard output. ctx
// bounds it. The error of a failed command holds its standard error.
func (h *Host) Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	var out []byte
	err := h.Do(func() (err error) {
		out, err = exec.CommandContext(ctx, name, args...).Output()
		return err
	})
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && len(exit.Stderr) > 0 {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return out, fmt.Errorf("host %s: %s: %w", h.name, name, err)
	}
	return out, nil
}

// Start starts a command inside the host. It is killed and waited for by
// Lab.Close, and killed by the guardian if this process dies. wait waits for
// its end, as exec.Cmd.Wait, any number of times; cmd.Wait must not be called.
func (h *Host) Start(cmd *exec.Cmd) (wait func() error, err error) {
	if err := h.Do(cmd.Start); err != nil {
		return nil, fmt.Errorf("host %s: start %s: %w", h.name, cmd.Path, err)
	}
	wait = sync.OnceValue(cmd.Wait)
	stop := func() error {
		cmd.Process.Kill() // its error says that it has ended
		wait()
		return nil
	}
	if h.lab.guard != nil {
		if err := h.lab.guard.watch(cmd.Process.Pid); err != nil {
			return nil, errors.Join(fmt.Errorf("host %s: guard %s: %w", h.name, cmd.Path, err), stop())
		}
	}
	h.atStop(stop)
	return wait, nil
}

// atStop has f called when the lab closes.
func (h *Host) atStop(f func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stops = append(h.stops, f)
}

// stopAll ends servers and processes, the last started first.
func (h *Host) stopAll() error {
	h.mu.Lock()
	stops := h.stops
	h.stops = nil
	h.mu.Unlock()
	var errs []error
	for i := len(stops) - 1; i >= 0; i-- {
		errs = append(errs, stops[i]())
	}
	return errors.Join(errs...)
}

// close removes the host. Links are deleted by hand: the kernel takes down a
// namespace some time after its last user, and a user may be forgotten.
func (h *Host) close() error {
	var errs []error
	if h.rt != nil {
		links, err := h.rt.LinkList()
		errs = append(errs, err)
		for _, l := range links {
			if l.Attrs().Name == "lo" {
				continue
			}
			// ENODEV: gone with its other end. EOPNOTSUPP: a device of the machine's,
			// which the kernel returns.
			err := h.rt.LinkDel(l)
			if err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EOPNOTSUPP) {
				errs = append(errs, fmt.Errorf("delete link %s: %w", l.Attrs().Name, err))
			}
		}
		h.rt.Close()
		h.rt = nil
	}
	if h.fd >= 0 {
		unix.Close(h.fd)
		h.fd = -1
	}
	errs = append(errs, removeNetns(h.netns))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("host %s: %w", h.name, err)
	}
	return nil
}
