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
		if l.raw, err = linkTCX(dev, p, l.Where.Hook); err == nil {
			l.Mode = TCX
			return nil
		}
		why = explainTC(TCX, vanished(err))
		if o.Mode == TCX || !unsupported(err) {
			return why
		}
		l.Why = why.Error()
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

// linkTCX attaches p behind all programs that are there.
func linkTCX(dev netlink.Link, p *ebpf.Program, h hook.Hook) (link.Link, error) {
	at := ebpf.AttachTCXIngress
	if h == hook.TCEgress {
		at = ebpf.AttachTCXEgress
	}
	raw, err := link.AttachTCX(link.TCXOptions{
		Program: p, Interface: dev.Attrs().Index, Attach: at, Anchor: link.Tail(),
	})
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	return raw, nil
}
