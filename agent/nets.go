package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/config"
	"weir/hook"
)

// nets hears of interfaces in the network namespaces that a config names.
type nets struct {
	wake func(why string)
	open map[string]*netWatch // by name, "" being that of the process
}

// A netWatch hears of one network namespace. Its socket holds the namespace, so it is
// closed when the namespace has lost its name.
type netWatch struct {
	name  string
	needs needs
	inode uint64
	sock  *nl.NetlinkSocket
	known map[int]string // names of interfaces that were heard of
	deaf  atomic.Bool    // it hears no more
}

// needs are what beside interfaces a config asks for: others may be many.
type needs struct{ addrs, routes bool }

// set hears of those network namespaces that a config names and that are there.
func (n *nets) set(c *config.Config) {
	want := map[string]needs{}
	for _, p := range c.Places {
		if p.Hook.Info().Place == hook.Interface {
			x := want[p.Netns]
			x.addrs = x.addrs || strings.HasPrefix(p.Iface.String(), "address=")
			x.routes = x.routes || strings.HasPrefix(p.Iface.String(), "route=")
			want[p.Netns] = x
		}
	}
	for name, w := range n.open {
		if x, ok := want[name]; !ok || w.needs != x || w.deaf.Load() || w.inode != namespace(name) {
			w.sock.Close()
			delete(n.open, name)
		}
	}
	for name, x := range want {
		if n.open[name] == nil {
			n.listen(name, x)
		}
	}
}

func (n *nets) close() {
	for _, w := range n.open {
		w.sock.Close()
	}
	n.open = nil
}

// listen begins to hear of a network namespace. One that is not there, or that cannot
// be entered, is found wrong by who looks.
func (n *nets) listen(name string, x needs) {
	groups := []uint{unix.RTNLGRP_LINK}
	if x.addrs {
		groups = append(groups, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	}
	if x.routes {
		groups = append(groups, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	}
	w := &netWatch{name: name, needs: x, inode: namespace(name), known: map[int]string{}}
	err := attach.InNetns(name, func() (err error) {
		w.sock, err = nl.Subscribe(unix.NETLINK_ROUTE, groups...)
		return err
	})
	if err == nil {
		n.open[name] = w
		go w.run(n.wake)
	}
}

// namespace returns the inode of what has a name, or 0.
func namespace(name string) uint64 {
	if s, err := os.Stat(attach.NetnsPath(name)); err == nil {
		return inode(s)
	}
	return 0
}

func inode(s fs.FileInfo) uint64 {
	if st, ok := s.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// run wakes the agent for each change that a selector may see, until the socket is
// closed.
func (w *netWatch) run(wake func(string)) {
	for {
		ms, _, err := w.sock.Receive()
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case errors.Is(err, unix.ENOBUFS):
			wake("more changes of interfaces than could be heard")
		case errors.Is(err, os.ErrClosed), errors.Is(err, unix.EBADF):
			return
		case err != nil:
			w.deaf.Store(true)
			wake("interfaces are no longer heard of: " + err.Error())
			return
		}
		for _, m := range ms {
			if why := w.news(m); why != "" {
				wake(why)
			}
		}
	}
}

// news says what of a message is new, or returns "".
func (w *netWatch) news(m syscall.NetlinkMessage) string {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return w.link(m)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return w.in("addresses change")
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		if len(m.Data) >= unix.SizeofRtMsg && m.Data[1] == 0 { // rtm_dst_len
			return w.in("a default route changes")
		}
	}
	return ""
}

func (w *netWatch) link(m syscall.NetlinkMessage) string {
	if len(m.Data) < unix.SizeofIfInfomsg || m.Data[0] == unix.AF_BRIDGE { // about a port
		return ""
	}
	l, err := netlink.LinkDeserialize((*unix.NlMsghdr)(&m.Header), m.Data)
	if err != nil {
		return w.in("interfaces change")
	}
	name, index := l.Attrs().Name, l.Attrs().Index
	was, known := w.known[index]
	if m.Header.Type == unix.RTM_DELLINK {
		delete(w.known, index)
		return w.in(name + " vanishes")
	}
	w.known[index] = name
	switch {
	case !known:
		return w.in(name + " appears")
	case was != name:
		return w.in(fmt.Sprintf("%s is renamed %s", was, name))
	}
	return ""
}

func (w *netWatch) in(what string) string {
	if w.name == "" {
		return what
	}
	return w.name + ": " + what
}
