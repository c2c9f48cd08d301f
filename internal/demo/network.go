package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"weir/lab"
)

// A network is the topology of the flood:
//
//	client ─── internet ═══ server     ═ : the link that the flood fills
//	              ▲
//	           attacker
//
// The attacker's packets, from random sources, enter the server's link where
// the client's do. They are received on one CPU, where the web server runs,
// too; the client has the others.
type network struct {
	*lab.Lab
	client, internet, server *lab.Host
	web                      *server
	uplink, eth0             lab.Iface
	cpu                      int    // of the server
	pps                      uint64 // of the attack
}

var (
	serverAddr = netip.MustParseAddrPort("10.20.0.2:80")
	// attackers is the network that the flood pretends to come from: kept for
	// benchmarks by RFC 2544.
	attackers = netip.MustParsePrefix("198.18.0.0/15")
)

// overload is how much more the attacker sends than the server's CPU takes
// through the kernel's UDP receive path. A chain at XDP takes about three times
// as much as that path.
const overload = 1.25

// dnsPPS is the part of the attack that goes to port 53; the rest goes to a
// port where nobody listens.
const dnsPPS = 100_000

// newNetwork makes the topology. The caller closes it, also after an error.
func newNetwork(ctx context.Context) (*network, error) {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return nil, err
	}
	n := &network{Lab: l}
	if err := n.build(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return n, nil
}

func (n *network) build() error {
	for _, h := range []struct {
		name string
		host **lab.Host
	}{{"client", &n.client}, {"internet", &n.internet}, {"server", &n.server}} {
		var err error
		if *h.host, err = n.Host(h.name); err != nil {
			return err
		}
	}
	_, _, err := n.Link(n.client, "eth0", n.internet, "client", lab.LinkOptions{
		A: lab.End{Addrs: lab.MustPrefixes("10.10.0.2/24")}, B: lab.End{Addrs: lab.MustPrefixes("10.10.0.1/24")},
		Neighbours: true,
	})
	if err != nil {
		return err
	}
	n.uplink, n.eth0, err = n.Link(n.internet, "uplink", n.server, "eth0", lab.LinkOptions{
		A: lab.End{Addrs: lab.MustPrefixes("10.20.0.1/24")}, B: lab.End{Addrs: lab.MustPrefixes("10.20.0.2/24")},
		Neighbours: true,
	})
	if err != nil {
		return err
	}
	if err := errors.Join(
		n.internet.Forward(),
		n.client.Route(netip.MustParsePrefix("10.20.0.0/24"), netip.MustParseAddr("10.10.0.1")),
		n.server.Route(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("10.20.0.1")),
		n.server.EnableXDPReceive("eth0"),
	); err != nil {
		return err
	}
	if err := n.assignCPUs(); err != nil {
		return fmt.Errorf("assign CPUs: %w", err)
	}
	if err := n.steer(); err != nil {
		return err
	}
	if n.web, err = startServer(n.server, serverAddr.String(), n.cpu); err != nil {
		return err
	}
	return n.measure()
}

// steer has the client's packets forwarded on the server's CPU (receive packet
// steering, Documentation/networking/scaling.rst), so that all packets to the
// server are received there. Otherwise the client's CPU takes over the server's
// NAPI whenever its packet finds it idle, and then loses the flood and with it
// the client's packets in a ring that two CPUs fight for.
func (n *network) steer() error {
	const path = "/sys/class/net/client/queues/rx-0/rps_cpus"
	mask := cpuMask(n.cpu)
	// The files of an interface are in the sysfs of its network namespace only.
	_, err := n.internet.Run(context.Background(), "unshare", "--mount", "sh", "-c",
		"mount -t sysfs sysfs /sys && echo "+mask+" >"+path)
	return err
}

// cpuMask is a set of one CPU as sysfs has it: words of 32 bits, the lowest
// last, with commas between.
func cpuMask(cpu int) string {
	s := fmt.Sprintf("%x", 1<<(cpu%32))
	for range cpu / 32 {
		s += ",00000000"
	}
	return s
}

// measure finds out what the server's CPU takes, by a short flood as fast as
// possible, and sets the rate of the attack.
func (n *network) measure() error {
	st, err := n.flood(context.Background(), junkPort, 400*time.Millisecond, 0)
	if err != nil {
		return err
	}
	n.pps = uint64(overload * float64(st.Sent) / st.Elapsed.Seconds())
	return nil
}

// assignCPUs gives the server the last of the CPUs that this process may use,
// and keeps this process (the client) on the others. The process gets the
// highest priority, for the flood's sake: see serve.
func (n *network) assignCPUs() error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return err
	}
	for cpu := range 64 * len(set) {
		if set.IsSet(cpu) {
			n.cpu = cpu
		}
	}
	if set.Count() > 1 {
		set.Clear(n.cpu)
	}
	return eachThread(func(tid int) error {
		return errors.Join(unix.Setpriority(unix.PRIO_PROCESS, tid, -20), unix.SchedSetaffinity(tid, &set))
	})
}

// attack runs the attack until ctx ends, at most for the time given.
func (n *network) attack(ctx context.Context, most time.Duration) error {
	errs := make(chan error, 2)
	for port, pps := range map[uint16]uint64{junkPort: n.pps, dnsPort: dnsPPS} {
		go func() {
			_, err := n.flood(ctx, port, most, pps)
			errs <- err
		}()
	}
	return errors.Join(<-errs, <-errs)
}

// Ports of the server that the attack goes to.
const (
	junkPort = 9
	dnsPort  = 53
)

// flood sends 64-byte UDP from random sources to a port of the server.
func (n *network) flood(ctx context.Context, port uint16, most time.Duration, pps uint64) (lab.FloodStats, error) {
	frame, err := lab.UDPFrame(
		lab.Station{MAC: n.uplink.MAC, Addr: netip.AddrPortFrom(attackers.Addr(), 4000)},
		lab.Station{MAC: n.eth0.MAC, Addr: netip.AddrPortFrom(serverAddr.Addr(), port)},
		make([]byte, 18)) // 60 bytes, and 4 of the checksum on a wire
	if err != nil {
		return lab.FloodStats{}, err
	}
	return n.internet.Flood(ctx, lab.Flood{
		Iface: "uplink", Template: frame, Sources: attackers, RandomPort: true,
		Duration: most, PPS: pps, Pin: true, CPU: n.cpu,
	})
}

// received returns how many packets have arrived at the server, those that its
// ring had no room for included.
func (n *network) received() (uint64, error) {
	c, err := n.server.Counters()
	if err != nil {
		return 0, err
	}
	l := c.Links["eth0"]
	return l.RxPackets + l.RxDropped, nil
}
