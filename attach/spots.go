package attach

import (
	"github.com/vishvananda/netlink"

	"weir/hook"
)

// What is asked of thousands of places at once: each network namespace is entered once,
// and its interfaces are listed once.

// A Seat is what a place is here and now.
type Seat struct {
	Spot

	// Ports says that other interfaces' drivers run the program, which sees their
	// numbers: of bonds and the like, at XDP.
	Ports bool

	Err error // of [Where.Spot]
}

// Seats returns what places are, in their order.
func Seats(places []Where) []Seat {
	out := make([]Seat, len(places))
	byNetns := map[string][]int{}
	for i, w := range places {
		if w.Interface == "" {
			out[i].Spot, out[i].Err = w.Spot()
			continue
		}
		byNetns[w.Netns] = append(byNetns[w.Netns], i)
	}
	for netns, all := range byNetns {
		err := InNetns(netns, func() error {
			d := listDevices(len(all))
			own := inode(ownNetns)
			for _, i := range all {
				out[i] = d.seat(places[i], own)
			}
			return nil
		})
		for _, i := range all {
			if err != nil {
				out[i].Err = err
			}
		}
	}
	return out
}

// devices are the interfaces of a network namespace.
type devices struct {
	byName  map[string]netlink.Link // nil: not listed
	byIndex map[int]netlink.Link
	masters map[int]bool // those that others are ports of
}

// listDevices lists those of the thread's namespace, if there is more than one to find.
func listDevices(find int) devices {
	if find < 2 {
		return devices{}
	}
	all, err := Dump(netlink.LinkList)
	if err != nil {
		return devices{} // each is looked for by itself
	}
	d := devices{map[string]netlink.Link{}, map[int]netlink.Link{}, map[int]bool{}}
	for _, dev := range all {
		a := dev.Attrs()
		d.byName[a.Name], d.byIndex[a.Index] = dev, dev
		d.masters[a.MasterIndex] = true
	}
	return d
}

// named returns the interface of that name, which may be another than it was listed by.
func (d devices) named(name string) (netlink.Link, error) {
	if dev := d.byName[name]; dev != nil {
		return dev, nil
	}
	return device(name)
}

func (d devices) seat(w Where, netns uint64) Seat {
	s := Seat{Spot: Spot{Netns: netns, Hook: w.Hook, Point: w.Point}}
	dev, err := d.named(w.Interface)
	if err != nil {
		s.Err = err
		return s
	}
	s.Ifindex = dev.Attrs().Index
	s.Ports = w.Hook == hook.XDP && (dev.Type() == "bond" || d.masters[s.Ifindex])
	return s
}

// Spots returns where links are at present, as [Link.Spot] does; the zero Spot is
// nowhere. A nil Link is nowhere.
func Spots(links []*Link) []Spot {
	out := make([]Spot, len(links))
	byNetns := map[string][]int{}
	for i, l := range links {
		if l != nil && l.Where.Interface != "" && len(l.raws) > 0 {
			byNetns[l.Where.Netns] = append(byNetns[l.Where.Netns], i)
		}
	}
	for netns, all := range byNetns {
		_ = InNetns(netns, func() error { // without the namespace each is looked for by itself
			d := listDevices(len(all))
			own := inode(ownNetns)
			for _, i := range all {
				out[i] = links[i].spotAmong(d, own)
			}
			return nil
		})
	}
	for i, l := range links {
		if l != nil && out[i] == (Spot{}) {
			out[i], _ = l.Spot()
		}
	}
	return out
}

// spotAmong returns where l is, if that is one of d, the interfaces of the thread's
// namespace.
func (l *Link) spotAmong(d devices, netns uint64) Spot {
	at := l.standing()
	dev := d.byIndex[at.ifindex]
	if at.ifindex == 0 || dev == nil {
		return Spot{}
	}
	row := xdpRow(dev)
	if at.hook != hook.XDP {
		row, _ = tcxRow(at.ifindex, at.hook)
	}
	if !at.among(row) {
		return Spot{}
	}
	return Spot{Netns: netns, Ifindex: at.ifindex, Hook: at.hook, Point: l.Where.Point}
}
