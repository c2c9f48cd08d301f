package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/internal/child"
	"weir/lab"
)

// packets are sent through each chain that is attached.
const packets = 100_000

// attaches measures the way from a program, and from text, to a chain at work:
// native XDP at one end of a link, to which packets are sent from the other. A
// figure is valid only if every packet was counted at the hook.
func attaches(ctx context.Context, row func(Row)) (err error) {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	n, err := newLink(l)
	if err != nil {
		return err
	}
	var attached, whole []time.Duration
	var sent, counted uint64
	for range rounds / 2 {
		a, w, err := n.once(ctx)
		if err != nil {
			return err
		}
		attached, whole = append(attached, a), append(whole, w)
		sent, counted = sent+n.sent, counted+n.counted
	}
	r := Row{
		Row: "load and attach 150 lines, native XDP", Unit: "ms", Ours: ms(median(attached)), AA: spread(attached),
		Valid: sent == counted && sent > 0, Sent: sent, Counted: counted,
	}
	r.goal(median(attached), goalAttach)
	row(r)
	row(Row{
		Row: "text to traffic, 150 lines, as weir attach", Unit: "ms", Ours: ms(median(whole)), AA: spread(whole),
		Holds: true, Valid: r.Valid, Sent: sent, Counted: counted,
	})
	return nil
}

// A link is two hosts of a lab.
type link struct {
	from, to      *lab.Host
	frame         []byte
	sent, counted uint64 // of the last measurement
}

func newLink(l *lab.Lab) (*link, error) {
	n := &link{}
	var err error
	if n.from, err = l.Host("sender"); err != nil {
		return nil, err
	}
	if n.to, err = l.Host("receiver"); err != nil {
		return nil, err
	}
	a, b, err := l.Link(n.from, "eth0", n.to, "eth0", lab.LinkOptions{Neighbours: true})
	if err != nil {
		return nil, err
	}
	station := func(mac net.HardwareAddr, addr string) lab.Station {
		return lab.Station{MAC: mac, Addr: netip.MustParseAddrPort(addr)}
	}
	// To a port that the chain drops: what passed would cost more than it.
	n.frame, err = lab.UDPFrame(station(a.MAC, "198.18.0.1:53"), station(b.MAC, "192.0.2.1:1000"), make([]byte, 18))
	return n, err
}

// once compiles, loads and attaches, sends packets, counts them and detaches.
func (n *link) once(ctx context.Context) (attached, whole time.Duration, err error) {
	start := time.Now()
	ps, _, err := child.Compile(ctx, child.Request{File: "bench.weir", Source: Chain(150), Forms: []child.Form{{}, {Frags: true}}}, child.Limits{})
	if err != nil {
		return 0, 0, err
	}
	compiled := time.Now()
	g, err := datapath.Kernel{}.Attach(ctx, datapath.Options{
		Name: "weir-bench", How: datapath.How{Mode: attach.Native},
		Chains: []datapath.Chain{{
			Where: attach.Where{Netns: n.to.Netns(), Interface: "eth0", Hook: hook.XDP}, Program: ps[0], Frags: ps[1],
		}},
	})
	if err != nil {
		return 0, 0, err
	}
	attached, whole = time.Since(compiled), time.Since(start)
	defer func() { err = errors.Join(err, g.Close()) }()
	s, err := n.from.Flood(ctx, lab.Flood{
		Iface: "eth0", Template: n.frame, Sources: netip.MustParsePrefix("198.18.0.0/15"), Packets: packets,
	})
	if err != nil {
		return 0, 0, err
	}
	n.sent, n.counted = s.Sent, 0
	exits, err := g.Attachments[0].Exits()
	if err != nil {
		return 0, 0, fmt.Errorf("count packets: %w", err)
	}
	for _, x := range exits {
		n.counted += x.Packets
	}
	return attached, whole, nil
}
