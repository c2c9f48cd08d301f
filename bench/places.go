package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"weir/attach"
	"weir/bench/twins"
	"weir/datapath"
	"weir/hook"
	"weir/lab"
	"weir/lang"
)

// A contender is something that filters at a place. Each has a network of its own:
// tables of iptables that were used once stay in a namespace, and cost.
type contender struct {
	name string
	up   func(ctx context.Context, p *plain) (standing, error)
}

// A standing contender counts what comes to it.
type standing struct {
	counted func(ctx context.Context) (uint64, error)
	down    func() error
	runs    func() (uint64, error)        // of the floor, as run statistics have it: see forget
	take    func() (time.Duration, error) // of receivers: takes what is there, and tells the time
}

// A place is where contenders meet. A packet that passes goes no further than
// what comes next: what follows would cost more than the filter.
type place struct {
	hook    hook.Hook
	to      end
	packets uint64 // of a round
	peers   []contender
	ours    contender // the small filter, or a chain of the bench's
	goal    float64   // of ours over the peers
}

// An end is where packets go that pass.
type end uint8

const (
	elsewhere end = iota // to another station: IP drops them
	nowhere              // to an address that no route leads to: dropped by routing
	fullQueue            // to a socket that takes no more: dropped by UDP
	beyond               // through the host, to one behind it
)

// places are those where others filter, too.
var places = []place{
	{hook.XDP, elsewhere, burst, []contender{afXDP}, ours(hook.XDP), goalPlace},
	{hook.Socket, elsewhere, burst, []contender{afPacket}, ours(hook.Socket), goalPlace},
	{hook.TCIngress, elsewhere, racePackets, []contender{nftIngress, tcU32}, ours(hook.TCIngress), goalPlace},
	{hook.NetfilterPrerouting, nowhere, racePackets, []contender{nftPrerouting, iptablesRaw}, ours(hook.NetfilterPrerouting), goalPlace},
	{hook.NetfilterInput, fullQueue, racePackets, []contender{nftInput, iptablesInput}, ours(hook.NetfilterInput), goalPlace},
}

// Measures of a race.
const (
	raceRounds  = 15
	raceMost    = 60 // with those that do not count
	racePackets = 100_000
)

// plain is a network of a contender: packets come from one host to another.
type plain struct {
	lab      *lab.Lab
	n        int // of the network
	from, to *lab.Host
	a, b     lab.Iface
	full     net.PacketConn
}

// Addresses of the plain, and ports.
const (
	sender    = "192.0.2.1"
	receiver  = "192.0.2.2"
	unrouted  = "203.0.113.1"
	behind    = "198.51.100.2"
	dropped   = 53
	unwatched = 443
)

// newPlain makes the network number n of a lab, which cleans it up.
func newPlain(ctx context.Context, l *lab.Lab, n int) (p *plain, err error) {
	p = &plain{lab: l, n: n}
	if p.from, err = l.Host(fmt.Sprintf("sender%d", n)); err != nil {
		return nil, err
	}
	if p.to, err = l.Host(fmt.Sprintf("receiver%d", n)); err != nil {
		return nil, err
	}
	p.a, p.b, err = l.Link(p.from, "eth0", p.to, "eth0", lab.LinkOptions{
		Neighbours: true,
		A:          lab.End{Addrs: lab.MustPrefixes(sender + "/24")}, B: lab.End{Addrs: lab.MustPrefixes(receiver + "/24")},
	})
	if err != nil {
		return nil, err
	}
	if err := p.to.EnableXDPReceive("eth0"); err != nil {
		return nil, err
	}
	if _, err := p.to.Run(ctx, "ip", "route", "add", "blackhole", unrouted+"/32"); err != nil {
		return nil, err
	}
	return p, p.to.Do(p.listen)
}

// listen opens the socket that takes no more, once its queue is full.
func (p *plain) listen() error {
	addr := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(fmt.Sprintf("%s:%d", receiver, unwatched)))
	c, err := net.ListenUDP("udp4", addr)
	if err != nil {
		return err
	}
	p.full = c
	return c.SetReadBuffer(1)
}

// frame is a packet of 64 octets on the wire, the checksum of Ethernet with it.
func (p *plain) frame(to end, port uint16) ([]byte, error) {
	mac, addr := p.b.MAC, receiver
	switch to {
	case elsewhere:
		mac = net.HardwareAddr{2, 0, 0, 0, 0, 0x99}
	case nowhere:
		addr = unrouted
	case beyond:
		addr = behind
	}
	station := func(mac net.HardwareAddr, addr string, port uint16) lab.Station {
		return lab.Station{MAC: mac, Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), port)}
	}
	return lab.UDPFrame(station(p.a.MAC, sender, 40000), station(mac, addr, port), make([]byte, 18))
}

// A lap is what a contender did in all rounds.
type lap struct {
	name string
	plain
	standing
	ns           []time.Duration // of a thousand packets
	sent, passed uint64          // to it, and by its counters
	why          string          // it does not count
}

// enter puts a contender into a network of its own.
func enter(ctx context.Context, l *lab.Lab, n int, c contender) (*lap, error) {
	p, err := newPlain(ctx, l, n)
	if err != nil {
		return nil, err
	}
	t := &lap{name: c.name, plain: *p}
	if t.standing, err = c.up(ctx, p); err != nil {
		// What is not there would measure the way without it.
		t.why = short(err)
	}
	return t, nil
}

// short returns the last thing that the first line of an error says.
func short(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.LastIndex(line, ": "); i >= 0 {
		line = line[i+1:]
	}
	return line
}

func (t *lap) leave() error {
	errs := []error{t.full.Close()}
	if t.why == "" {
		errs = append(errs, t.down())
	}
	return errors.Join(errs...)
}

// once sends packets to a contender.
func (t *lap) once(ctx context.Context, at place, port uint16) error {
	if t.why != "" {
		return nil
	}
	frame, err := t.frame(at.to, port)
	if err != nil {
		return err
	}
	before, err := t.counted(ctx)
	if err != nil {
		return err
	}
	st, err := t.from.Flood(ctx, lab.Flood{Iface: "eth0", Template: frame, Packets: at.packets})
	if err != nil {
		return err
	}
	if t.take != nil {
		d, err := t.take()
		if err != nil {
			return err
		}
		st.CPU += d
	}
	after, err := t.counted(ctx)
	if err != nil {
		return err
	}
	taken := st.Sent - st.Lost
	t.sent, t.passed = t.sent+taken, t.passed+after-before
	t.ns = append(t.ns, st.CPU*1000/time.Duration(max(1, taken)))
	return nil
}

// race measures contenders at a place in turn.
func race(ctx context.Context, at place, port uint16, all []contender) (laps []*lap, err error) {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, t := range laps {
			err = errors.Join(err, t.leave())
		}
		err = errors.Join(err, l.Close())
	}()
	for i, c := range all {
		t, err := enter(ctx, l, i, c)
		if err != nil {
			return laps, err
		}
		laps = append(laps, t)
	}
	for r := 0; r < raceMost && len(laps[0].ns) < raceRounds; r++ {
		before, err := laps[0].runs()
		if err != nil {
			return laps, err
		}
		for k := range laps {
			t := laps[(k+r)%len(laps)]
			if err := t.once(ctx, at, port); err != nil {
				return laps, fmt.Errorf("%s at %s: %w", t.name, at.hook, err)
			}
		}
		after, err := laps[0].runs()
		if err != nil {
			return laps, err
		}
		if after != before {
			forget(laps)
		}
	}
	return laps, nil
}

// forget drops the times of the last round: somebody had the kernel take run
// statistics, as weir ls does, which costs each program of BPF what a filter
// costs, and others nothing.
func forget(laps []*lap) {
	for _, t := range laps {
		if t.why == "" {
			t.ns = t.ns[:len(t.ns)-1]
		}
	}
}

// beyond returns what a packet took, without the floor.
func (t *lap) beyond(floor *lap) float64 {
	if len(t.ns) == 0 || len(floor.ns) == 0 {
		return 0
	}
	return max(0.1, float64(median(t.ns)-median(floor.ns))/1000)
}

// compare makes rows of a place: ours beside each peer. The floor is the same
// packets, dropped by an empty program at native XDP.
func compare(ctx context.Context, at place, title string, port uint16, row func(Row)) error {
	laps, err := race(ctx, at, port, append([]contender{emptyXDP, at.ours, at.ours}, at.peers...))
	if err != nil {
		return err
	}
	floor, we, again := laps[0], laps[1], laps[2]
	a, b := we.beyond(floor), again.beyond(floor)
	for _, peer := range laps[3:] {
		r := Row{
			Row: arriving(title, at.hook), Unit: "ns/packet", Ours: (a + b) / 2, Peer: peer.beyond(floor), PeerName: peer.name,
			Goal: fmt.Sprintf("<=%.2f", at.goal), AA: max(a, b) / max(0.1, min(a, b)),
		}
		if len(floor.ns) < raceRounds {
			r.Why = "somebody reads run statistics all the time"
		}
		for _, t := range []*lap{floor, we, again, peer} {
			r.Sent, r.Counted = r.Sent+t.sent, r.Counted+t.passed
			if t.why != "" {
				r.Why = t.name + ":" + t.why
			}
		}
		if r.Valid = r.Why == "" && r.Sent == r.Counted; r.Valid {
			r.Floor = float64(median(floor.ns)) / 1000
			r.Ratio = r.Ours / r.Peer
			r.Holds = r.Ratio <= at.goal*r.AA
		}
		row(r)
	}
	return nil
}

// ours is the small filter, attached as weir attach does.
func ours(h hook.Hook) contender {
	return contender{"weir", func(ctx context.Context, p *plain) (standing, error) {
		src, err := twins.Filter()
		if err != nil {
			return standing{}, err
		}
		g, err := attached(ctx, p, h, "dns.weir", src)
		if err != nil {
			return standing{}, err
		}
		return standing{
			counted: func(context.Context) (n uint64, err error) {
				exits, err := g.Attachments[0].Exits()
				for _, x := range exits {
					n += x.Packets
				}
				return n, err
			},
			down: g.Close,
		}, nil
	}}
}

// attached attaches a chain to the receiver of a network, as weir attach does.
func attached(ctx context.Context, p *plain, h hook.Hook, file string, source []byte) (*datapath.Generation, error) {
	prog, err := lang.Compile(source, lang.Options{File: file, Hook: h})
	if err != nil {
		return nil, err
	}
	w := attach.Where{Netns: p.to.Netns(), Hook: h}
	if h.Info().Place == hook.Interface {
		w.Interface = "eth0"
	}
	return datapath.Kernel{}.Attach(ctx, datapath.Options{Name: "weir-bench", Chains: []datapath.Chain{{Where: w, Program: prog}}})
}
