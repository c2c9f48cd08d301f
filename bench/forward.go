package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"

	"weir/bench/twins"
	"weir/hook"
	"weir/lab"
)

// goalForward is what a router made of modules may take over one written in C.
const goalForward = 1.02

// sip is the port whose packets the router marks.
const sip = 5060

// forwarding measures a router made of modules beside one written in C: packets that
// arrive, and are counted by the host behind it. The floor is the same packets, dropped
// by an empty program at native XDP of the router.
func forwarding(ctx context.Context, row func(Row)) error {
	at := place{
		hook: hook.XDP, to: beyond, packets: burst, goal: goalForward,
		ours:  forwarder("weir", routerOfModules),
		peers: []contender{forwarder(twins.Compiler, routerInC)},
	}
	return compare(ctx, at, "match, mark, look up a route, forward", sip, row)
}

// forwarder is a contender that hands packets on to a host behind it, which counts
// them.
func forwarder(name string, up func(ctx context.Context, p *plain) (down func() error, err error)) contender {
	return contender{name, func(ctx context.Context, p *plain) (standing, error) {
		far, err := p.further()
		if err != nil {
			return standing{}, err
		}
		down, err := up(ctx, p)
		if err != nil {
			return standing{}, err
		}
		s, err := emptyXDP.up(ctx, far)
		if err != nil {
			return standing{}, errors.Join(err, down())
		}
		end := s.down
		s.down = func() error { return errors.Join(end(), down()) }
		return s, nil
	}}
}

// further adds a host behind the receiver, which forwards to it.
func (p *plain) further() (*plain, error) {
	far, err := p.lab.Host(fmt.Sprintf("far%d", p.n))
	if err != nil {
		return nil, err
	}
	addr := netip.MustParseAddr(behind)
	_, b, err := p.lab.Link(p.to, "eth1", far, "eth0", lab.LinkOptions{
		Neighbours: true,
		A:          lab.End{Addrs: []netip.Prefix{netip.PrefixFrom(addr.Prev(), 24)}}, B: lab.End{Addrs: []netip.Prefix{netip.PrefixFrom(addr, 24)}},
	})
	if err != nil {
		return nil, err
	}
	return &plain{lab: p.lab, n: p.n, from: p.to, to: far, b: b}, p.to.Forward()
}

func routerOfModules(ctx context.Context, p *plain) (func() error, error) {
	src, err := twins.Router()
	if err != nil {
		return nil, err
	}
	g, err := attached(ctx, p, hook.XDP, "forward.weir", src)
	if err != nil {
		return nil, err
	}
	return g.Close, nil
}

func routerInC(_ context.Context, p *plain) (func() error, error) {
	c, err := twins.RouterInC()
	if err != nil {
		return nil, err
	}
	var l bpflink.Link
	if err := p.to.Do(func() error {
		i, err := net.InterfaceByName("eth0")
		if err == nil {
			l, err = bpflink.AttachXDP(bpflink.XDPOptions{Program: c.Programs["twin"], Interface: i.Index, Flags: bpflink.XDPDriverMode})
		}
		return err
	}); err != nil {
		c.Close()
		return nil, err
	}
	return func() error { return closeBoth(l, c) }, nil
}

func closeBoth(l bpflink.Link, c *ebpf.Collection) error {
	defer c.Close()
	return l.Close()
}
