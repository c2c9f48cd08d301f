package attach

import (
	"errors"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"weir/hook"
)

// netfilterHooks are the kernel's numbers of the hooks: enum nf_inet_hooks.
var netfilterHooks = map[hook.Hook]link.NetfilterInetHook{
	hook.NetfilterPrerouting:  link.NetfilterInetPreRouting,
	hook.NetfilterInput:       link.NetfilterInetLocalIn,
	hook.NetfilterForward:     link.NetfilterInetForward,
	hook.NetfilterOutput:      link.NetfilterInetLocalOut,
	hook.NetfilterPostrouting: link.NetfilterInetPostRouting,
}

// families are what one attachment covers: a link has one of them.
var families = []link.NetfilterProtocolFamily{link.NetfilterProtoIPv4, link.NetfilterProtoIPv6}

// ipDefrag is BPF_F_NETFILTER_IP_DEFRAG of linux/bpf.h: packets are put together
// before the hook. It asks for a priority behind that of the kernel's defragmenter,
// NF_IP_PRI_CONNTRACK_DEFRAG.
const (
	ipDefrag         = 1
	priorityOfDefrag = -400
)

// attachNetfilter makes a link for each family in the thread's network namespace.
func (l *Link) attachNetfilter(o Options) error {
	p, err := o.Linear()
	if err != nil {
		return err
	}
	l.Mode, l.Priority, l.Defrag = BPFLink, o.Priority, o.Defrag
	raws, err := l.linkNetfilter(p, o.Priority)
	if err != nil {
		return l.explainNetfilter(err)
	}
	l.raws = raws
	return nil
}

func (l *Link) linkNetfilter(p *ebpf.Program, priority int32) (raws []link.Link, err error) {
	o := link.NetfilterOptions{Program: p, Hook: netfilterHooks[l.Where.Hook], Priority: priority}
	if l.Defrag {
		o.NetfilterFlags = ipDefrag
	}
	for _, o.ProtocolFamily = range families {
		raw, err := link.AttachNetfilter(o)
		if err != nil {
			return nil, errors.Join(err, closeAll(raws))
		}
		raws = append(raws, raw)
	}
	return raws, nil
}

// explainNetfilter says why there is no link.
func (l *Link) explainNetfilter(err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return because(errors.Join(ErrInUse, err), "priority %d is taken there, by another BPF program or by a table of nftables or iptables: choose another one (--priority)", l.Priority)
	case l.Defrag && l.Priority <= priorityOfDefrag:
		return because(err, "packets are put together at priority %d: with --defrag choose a greater one", priorityOfDefrag)
	case errors.Is(err, unix.ERANGE): // NF_IP_PRI_FIRST and NF_IP_PRI_LAST: bpf_nf_check_pf_and_hooks in net/netfilter/nf_bpf_link.c
		return because(err, "the kernel keeps priority %d for itself: choose the one beside it", l.Priority)
	case l.Defrag && errors.Is(err, unix.ENOENT):
		return because(err, "this kernel cannot put packets together here (needs its modules nf_defrag_ipv4 and nf_defrag_ipv6)")
	}
	if why := explainKernel(ebpf.Netfilter, l.Where.Hook, err); why != "" {
		return because(err, "netfilter link: %s", why)
	}
	return because(err, "netfilter link: %s", short(err))
}

// moves is how many priorities are tried for a program that has to make way.
const moves = 16

// updateNetfilter puts p in the place of the attached program. The kernel has no
// exchange for these links, nor room for two at one priority: p is attached at the next
// priority that is free, then the old links go, and p comes back to the priority that
// was asked for in the same way. Packets that come in between pass two programs.
//
// If another has taken that priority meanwhile, p stays beside it, where it is whole;
// the next change tries again.
func (l *Link) updateNetfilter(p *ebpf.Program) error {
	err := l.moveNetfilter(p, l.Priority)
	for at, n := l.Priority, 0; errors.Is(err, unix.EBUSY) && n < moves; n++ {
		at = next(at)
		err = l.moveNetfilter(p, at)
	}
	if errors.Is(err, unix.EBUSY) {
		return because(err, "no priority near %d is free: end what is there", l.Priority)
	}
	if err != nil {
		return l.explainNetfilter(err)
	}
	if l.aside() {
		_ = l.moveNetfilter(p, l.Priority) // it runs, wherever that is
	}
	return nil
}

// moveNetfilter attaches p at a priority, and ends the links that there were. After
// an error these are still there.
func (l *Link) moveNetfilter(p *ebpf.Program, priority int32) error {
	raws, err := l.linkNetfilter(p, priority)
	if err != nil {
		return err
	}
	old := l.raws
	l.raws = raws
	if err := l.repin(); err != nil {
		l.raws = old
		return errors.Join(err, closeAll(raws))
	}
	for _, raw := range old { // else they end some time after their pins
		err = errors.Join(err, raw.Detach())
	}
	return errors.Join(err, closeAll(old))
}

// next is the priority that is tried behind p.
func next(p int32) int32 {
	if p < 1<<30 {
		return p + 1
	}
	return p - 1
}

// RunsAt returns the priority of a program at netfilter: that of the record, but while
// it is changed, or if another took that meanwhile.
func (l *Link) RunsAt() int32 {
	for _, p := range l.priorities() {
		return p
	}
	return l.Priority
}

// aside reports whether a link is not at the priority that was asked for.
func (l *Link) aside() bool {
	return slices.ContainsFunc(l.priorities(), func(p int32) bool { return p != l.Priority })
}

// priorities are those of the links; none of hooks but netfilter.
func (l *Link) priorities() (all []int32) {
	for _, raw := range l.raws {
		if info, err := raw.Info(); err == nil && info.Netfilter() != nil {
			all = append(all, info.Netfilter().Priority)
		}
	}
	return all
}
