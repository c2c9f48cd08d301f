package attach

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"weir/hook"
)

// attachTC attaches by a tcx link or, where the kernel has none, a clsact filter.
func (l *Link) attachTC(dev netlink.Link, o Options) error {
	p, err := o.Linear()
	if err != nil {
		return err
	}
	var why error
	if o.Mode != Clsact {
		raw, err := linkTCX(dev, p, l.Where.Hook, o.Order)
		if err == nil {
			l.raws = []link.Link{raw}
			l.Mode = TCX
			return nil
		}
		why = explainTC(TCX, vanished(err))
		if o.Mode == TCX || !unsupported(err) {
			return why
		}
		l.Why = why.Error()
	}
	if o.Order.Side != Last {
		return &orderError{o.Order, because(ebpf.ErrNotSupported, "clsact filters of weir's go behind all others (an order needs tcx, Linux 6.6)")}
	}
	l.Mode = Clsact
	l.Filter, err = addFilter(dev, l.Where.Hook, o.Chain, p)
	if err == nil {
		return nil
	}
	err = explainTC(Clsact, vanished(err))
	if why != nil {
		return &joined{[]error{why, err}}
	}
	return err
}

func tcxType(h hook.Hook) ebpf.AttachType {
	if h == hook.TCEgress {
		return ebpf.AttachTCXEgress
	}
	return ebpf.AttachTCXIngress
}

// linkTCX attaches p where o says.
func linkTCX(dev netlink.Link, p *ebpf.Program, h hook.Hook, o Order) (link.Link, error) {
	at, err := o.anchorTCX(dev, h)
	if err != nil {
		return nil, err
	}
	raw, err := link.AttachTCX(link.TCXOptions{
		Program: p, Interface: dev.Attrs().Index, Attach: tcxType(h), Anchor: at,
	})
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	return raw, nil
}
