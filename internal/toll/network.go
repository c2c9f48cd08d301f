package toll

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/lab"
	"weir/lang"
)

const (
	floodTime   = 40 * time.Millisecond
	sentPackets = 20_000
	sentSpan    = 2_000            // of which the fastest counts
	patience    = 20 * time.Second // with others that do not let a burst through
)

var errBusy = errors.New("others use this CPU so much that nothing can be measured")

var (
	hostAddr = netip.MustParseAddr("10.30.0.2")
	nextAddr = netip.MustParseAddr("10.31.0.2")
	fromAddr = netip.MustParseAddr("10.30.0.1")
)

const port = 9 // discard, RFC 863

// A network is the lab, with a socket that takes what comes in and never reads it, one
// that sends, and a chain on next that drops what arrives there.
type network struct {
	lab                *lab.Lab
	sender, host, next *lab.Host
	in, out            lab.Iface // of host
	sockets            *sockets
	frames             map[hook.Way][]byte
	cpu                int
	sink               *datapath.Generation
	sent               func() // called when a burst was
}

func newNetwork(ctx context.Context) (*network, error) {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return nil, err
	}
	n := &network{lab: l, frames: map[hook.Way][]byte{}}
	if err := n.build(ctx); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *network) close() error {
	var errs []error
	if n.sink != nil {
		errs = append(errs, n.sink.Close())
	}
	if n.sockets != nil {
		errs = append(errs, n.sockets.close())
	}
	return errors.Join(append(errs, n.lab.Close())...)
}

func (n *network) build(ctx context.Context) (err error) {
	for name, h := range map[string]**lab.Host{"sender": &n.sender, "host": &n.host, "next": &n.next} {
		if *h, err = n.lab.Host(name); err != nil {
			return err
		}
	}
	link := func(x *lab.Host, xn, xa string, y *lab.Host, yn, ya string) (a, b lab.Iface) {
		if err == nil {
			a, b, err = n.lab.Link(x, xn, y, yn, lab.LinkOptions{Neighbours: true,
				A: lab.End{Addrs: lab.MustPrefixes(xa)}, B: lab.End{Addrs: lab.MustPrefixes(ya)}})
		}
		return a, b
	}
	from, in := link(n.sender, "eth0", "10.30.0.1/24", n.host, "eth0", "10.30.0.2/24")
	out, at := link(n.host, "eth1", "10.31.0.1/24", n.next, "eth0", "10.31.0.2/24")
	if err != nil {
		return err
	}
	n.in, n.out = in, out
	if err := errors.Join(n.host.Forward(), n.host.EnableXDPReceive(in.Name)); err != nil {
		return err
	}
	for w, to := range map[hook.Way]netip.Addr{hook.In: hostAddr, hook.Through: nextAddr} {
		if n.frames[w], err = frame(from.MAC, in.MAC, to); err != nil {
			return err
		}
	}
	if n.cpu, err = lastCPU(); err != nil {
		return err
	}
	if n.sockets, err = openSockets(n.host); err != nil {
		return err
	}
	return n.drain(ctx, at)
}

// frame is 60 octets of UDP, 64 with the checksum on a wire.
func frame(from, mac net.HardwareAddr, to netip.Addr) ([]byte, error) {
	return lab.UDPFrame(lab.Station{MAC: from, Addr: netip.AddrPortFrom(fromAddr, 4000)},
		lab.Station{MAC: mac, Addr: netip.AddrPortFrom(to, port)}, make([]byte, 18))
}

// lastCPU is the last of those that this process may use.
func lastCPU() (cpu int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, fmt.Errorf("affinity: %w", err)
	}
	for i := range 64 * len(set) {
		if set.IsSet(i) {
			cpu = i
		}
	}
	return cpu, nil
}

// drain has a host drop what arrives, as cheaply as that goes for packets that the
// kernel has made a socket buffer for.
func (n *network) drain(ctx context.Context, at lab.Iface) error {
	p, err := lang.Compile([]byte("def main(pkt):\n    return DROP\n"), lang.Options{File: "sink.weir", Hook: hook.TCIngress})
	if err != nil {
		return err
	}
	n.sink, err = datapath.Kernel{}.Attach(ctx, datapath.Options{Name: "weir-toll-sink", Chains: []datapath.Chain{{
		Where: attach.Where{Netns: at.Host.Netns(), Interface: at.Name, Hook: hook.TCIngress}, Program: p,
	}}})
	return err
}

// where is the place of a hook at which packets of its way are met.
func (n *network) where(h hook.Hook) attach.Where {
	w := attach.Where{Hook: h}
	switch h.Info().Place {
	case hook.Interface:
		w.Netns, w.Interface = n.host.Netns(), n.in.Name
		if (Point{Hook: h}).Way() == hook.Out {
			w.Interface = n.out.Name
		}
	case hook.Netns:
		w.Netns = n.host.Netns()
	case hook.Cgroup:
		w.Cgroup = n.sockets.cgroup
	}
	return w
}

// send sends a burst on a way. It gives the time of a packet in the fastest part of it,
// in ns, and how many packets arrived at the host, or left the socket.
func (n *network) send(ctx context.Context, w hook.Way) (ns float64, sent uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	defer n.sent()
	if w == hook.Out {
		ns, err := n.sockets.send(n.cpu)
		return ns, sentPackets, err
	}
	for until := time.Now().Add(patience); ; {
		st, err := n.sender.Flood(ctx, lab.Flood{
			Iface: "eth0", Template: n.frames[w], Duration: floodTime, Pin: true, CPU: n.cpu, Urgent: true,
		})
		if err != nil {
			return 0, 0, err
		}
		if sent += st.Sent - st.Lost; st.Fastest > 0 && st.Lost <= st.Sent/100 {
			return st.Fastest, sent, settled(n.host, n.in.Name)
		}
		if time.Now().After(until) {
			return 0, 0, errBusy
		}
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(floodTime): // those who wait for this CPU get on
		}
	}
}

// settled waits until what was sent has been received: where the kernel puts packets
// off, it goes on for a moment.
func settled(h *lab.Host, name string) error {
	var last uint64
	for range 100 {
		c, err := h.Counters()
		if err != nil {
			return err
		}
		if now := c.Links[name].RxPackets; now == last {
			return nil
		} else {
			last = now
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// onCPU runs f on a thread of that CPU.
func onCPU(cpu int, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread, which is on one CPU, ends here
		var one unix.CPUSet
		one.Set(cpu)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			done <- fmt.Errorf("pin to CPU %d: %w", cpu, err)
			return
		}
		// Without the right to it the figures are not wrong, but vary more.
		unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20)
		done <- f()
	}()
	return <-done
}

// newCgroup makes a cgroup and returns its folder. It removes those of processes that
// were killed.
func newCgroup() (string, error) {
	root, err := attach.CgroupRoot()
	if err != nil {
		return "", err
	}
	const prefix = "weir-toll-"
	old, _ := filepath.Glob(filepath.Join(root, prefix+"*"))
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && errors.Is(unix.Kill(n, 0), unix.ESRCH) {
			os.Remove(dir) // another may have been first
		}
	}
	return os.MkdirTemp(root, fmt.Sprintf("%s%d-", prefix, os.Getpid()))
}

// cgroupPath is a folder's path in the hierarchy.
func cgroupPath(dir string) string { return "/" + filepath.Base(dir) }
