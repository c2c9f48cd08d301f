package census

import (
	"cmp"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/hook"
)

// nets asks the interfaces of all network namespaces that can be reached, and
// these themselves.
func (t *taker) nets() {
	for _, ns := range t.spaces {
		places, err := attach.Rows(ns.Name)
		if err != nil {
			t.noteOf(ns, err)
			continue
		}
		for _, p := range places {
			for i, s := range p.Row {
				t.standing(p, i, s)
			}
		}
		if err := attach.InNetns(ns.Name, func() error { return t.otherFilters(ns.Name) }); err != nil {
			t.noteOf(ns, fmt.Errorf("filters of %s: %w", cmp.Or(ns.Name, "this network namespace"), err))
		}
		t.ofNetns(ns)
	}
}

// noteOf notes an error in a namespace, unless that is gone meanwhile: what leads to
// it may be a descriptor, which then leads elsewhere.
func (t *taker) noteOf(ns attach.Namespace, err error) {
	var st unix.Stat_t
	if unix.Stat(ns.Path, &st) == nil && st.Ino == ns.Inode {
		t.note(err)
	}
}

// standing notes one of those that packets meet at a place.
func (t *taker) standing(p attach.Place, i int, s attach.Standing) {
	a := Attachment{Where: p.Where.String(), How: string(s.Mode), Link: s.Link, Position: i + 1, Of: len(p.Row)}
	if p.Where.Hook == hook.XDP {
		a.Link = t.linkOf(s.Program, func(x *link.Info) bool { return x.XDP() != nil && int(x.XDP().Ifindex) == p.Ifindex })
	}
	t.add(s.Program, a)
}

// otherFilters notes BPF filters of queueing disciplines that are not clsact: they
// classify what leaves.
func (t *taker) otherFilters(ns string) error {
	devs, err := attach.Dump(netlink.LinkList)
	if err != nil {
		return err
	}
	for _, dev := range devs {
		qdiscs, err := attach.Dump(func() ([]netlink.Qdisc, error) { return netlink.QdiscList(dev) })
		if err != nil {
			continue // gone meanwhile
		}
		for _, q := range qdiscs {
			if q.Type() == "clsact" || q.Type() == "ingress" || q.Attrs().Handle == 0 {
				continue
			}
			filters, err := attach.Dump(func() ([]netlink.Filter, error) { return netlink.FilterList(dev, q.Attrs().Handle) })
			if err != nil {
				continue // one that takes none
			}
			for _, f := range filters {
				if b, ok := f.(*netlink.BpfFilter); ok {
					w := attach.Where{Netns: ns, Interface: dev.Attrs().Name, Hook: hook.TCEgress}
					t.add(ebpf.ProgramID(b.Id), Attachment{Where: w.String(), How: fmt.Sprintf("filter of %s %s, priority %d", q.Type(), netlink.HandleStr(q.Attrs().Handle), b.Priority)})
				}
			}
		}
	}
	return nil
}

// ofNetns notes the programs of a network namespace itself.
func (t *taker) ofNetns(ns attach.Namespace) {
	f, err := os.Open(ns.Path)
	if err != nil {
		return // gone meanwhile
	}
	defer f.Close()
	for _, at := range []ebpf.AttachType{ebpf.AttachFlowDissector, ebpf.AttachSkLookup} {
		r, err := link.QueryPrograms(link.QueryOptions{Target: int(f.Fd()), Attach: at})
		if err != nil {
			t.note(fmt.Errorf("%s of network namespaces: %w", attachName(at), err))
			continue
		}
		for i, p := range r.Programs {
			t.add(p.ID, Attachment{
				Where: t.netnsPlace(ns.Inode, at), Position: i + 1, Of: len(r.Programs),
				Link: t.linkOf(p.ID, func(x *link.Info) bool {
					n := x.NetNs()
					return n != nil && uint64(n.NetnsInode) == ns.Inode && ebpf.AttachType(n.AttachType) == at
				}),
			})
		}
	}
}

// netnsPlace names a place of a network namespace.
func (t *taker) netnsPlace(ino uint64, at ebpf.AttachType) string {
	name := attachName(at)
	if at == ebpf.AttachSkLookup {
		name = "@" + name
	}
	for _, ns := range t.spaces {
		switch {
		case ns.Inode != ino:
		case ns.Name == "":
			return name
		default:
			return ns.Name + "/" + name
		}
	}
	return fmt.Sprintf("%s of network namespace %d, out of reach", name, ino)
}
