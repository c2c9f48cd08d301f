package attach

import (
	"errors"
	"fmt"

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
		return because(errors.Join(ErrInUse, err), "another BPF program has priority %d there: choose another one (--priority)", l.Priority)
	case l.Defrag && l.Priority <= priorityOfDefrag:
		return because(err, "packets are put together at priority %d: with --defrag choose a greater one", priorityOfDefrag)
	case l.Defrag && errors.Is(err, unix.ENOENT):
		return because(err, "this kernel cannot put packets together here (needs its modules nf_defrag_ipv4 and nf_defrag_ipv6)")
	}
	if why := explainKernel(ebpf.Netfilter, "Linux 6.4", err); why != "" {
		return because(err, "netfilter link: %s", why)
	}
	return because(err, "netfilter link: %s", short(err))
}

// updateNetfilter puts p in the place of the attached program. The kernel has no
// exchange for these links: p is attached at the next priority that is free, and
// then the old links go. Packets that come in between pass both.
func (l *Link) updateNetfilter(p *ebpf.Program) error {
	const tries = 16
	priority := l.Priority
	for range tries {
		priority = other(priority)
		raws, err := l.linkNetfilter(p, priority)
		if errors.Is(err, unix.EBUSY) {
			continue
		}
		if err != nil {
			return l.explainNetfilter(err)
		}
		old := l.raws
		l.raws, l.Priority = raws, priority
		return errors.Join(l.repin(), closeAll(old))
	}
	return fmt.Errorf("no priority near %d is free", l.Priority)
}

// other is the priority that is tried next to p.
func other(p int32) int32 {
	if p < 1<<30 {
		return p + 1
	}
	return p - 1
}
