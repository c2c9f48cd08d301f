package attach

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// pins are the paths of the pins of the links, if they are pinned.
func (r *Record) pins() []string {
	if r.Pin == "" {
		return nil
	}
	out := make([]string, r.Links)
	for i := range out {
		out[i] = r.Pin
		if i > 0 {
			out[i] += fmt.Sprintf("+%d", i)
		}
	}
	return out
}

func (l *Link) pin() error {
	l.Links = len(l.raws)
	if l.Links == 0 || l.Pin == "" {
		l.Pin = ""
		return nil
	}
	for i, path := range l.pins() {
		if err := l.raws[i].Pin(path); err != nil {
			return errors.Join(fmt.Errorf("pin link: %w", err), l.unpin(), closeAll(l.raws))
		}
	}
	return nil
}

// unpin removes the pins that are there.
func (l *Link) unpin() error {
	var errs []error
	for _, path := range l.pins() {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// repin puts pins of the links in the places of those of the links before: all are
// made beside the old ones, and then take their names. If one cannot be made the old
// ones stay.
func (l *Link) repin() error {
	for i, path := range l.pins() {
		next := path + "+next"
		err := os.Remove(next) // a killed process may have left it
		if err == nil || errors.Is(err, os.ErrNotExist) {
			err = l.raws[i].Pin(next)
		}
		if err != nil {
			errs := []error{fmt.Errorf("pin link: %w", err)}
			for _, made := range l.raws[:i] {
				errs = append(errs, made.Unpin())
			}
			return errors.Join(errs...)
		}
	}
	for _, path := range l.pins() {
		if err := os.Rename(path+"+next", path); err != nil {
			return fmt.Errorf("pin link: %w", err)
		}
	}
	return nil
}

func closeAll(raws []link.Link) error {
	var errs []error
	for _, raw := range raws {
		errs = append(errs, raw.Close())
	}
	return errors.Join(errs...)
}

// Open finds a pinned attachment, or a clsact filter, by its record.
func Open(r Record) (*Link, error) {
	l := &Link{Record: r}
	if r.Mode == Clsact {
		return l, nil
	}
	for _, path := range r.pins() {
		raw, err := link.LoadPinnedLink(path, nil)
		if err != nil {
			return nil, errors.Join(l.fail("open", err), closeAll(l.raws))
		}
		l.raws = append(l.raws, raw)
	}
	return l, nil
}

// Update puts p in the place of the attached program. No packet is missed, and none
// sees both but at netfilter: see updateNetfilter.
func (l *Link) Update(p *ebpf.Program) error {
	var err error
	switch {
	case l.sock != nil:
		err = l.sock.update(p)
	case l.Mode == Clsact:
		err = l.Do(func() error { return l.Filter.put(l.Ifindex, l.Where.Hook, p, true) })
	case l.Where.Hook.Netfilter():
		err = l.Do(func() error { return l.updateNetfilter(p) })
	default:
		for _, raw := range l.raws {
			err = errors.Join(err, raw.Update(p))
		}
	}
	if err != nil {
		return l.fail("replace", vanished(err))
	}
	return nil
}

// Attached reports whether the program is still at its place. It is not when
// the interface, namespace or cgroup is gone, or another took the program away by
// force.
func (l *Link) Attached() (bool, error) {
	switch {
	case l.sock != nil:
		return l.sock.attached()
	case l.Mode == Clsact:
		var ok bool
		err := l.Do(func() (err error) {
			ok, err = l.Filter.there(l.Ifindex, l.Where.Hook)
			return err
		})
		if errors.Is(err, ErrNoNetns) {
			return false, nil
		}
		return ok, err
	case l.Where.Hook.Netfilter():
		// Of a link that another has ended the kernel does not tell that.
		_, err := l.finder.netns(l.Where.Netns, l.NetnsInode)
		return err == nil, nil
	}
	for _, raw := range l.raws {
		info, err := raw.Info()
		if err != nil {
			return false, l.fail("query", err)
		}
		if !placed(info) {
			return false, nil
		}
	}
	return true, nil
}

// placed reports whether a link still has what it was made for.
func placed(info *link.Info) bool {
	if x := info.XDP(); x != nil {
		return x.Ifindex != 0
	}
	if x := info.TCX(); x != nil {
		return x.Ifindex != 0
	}
	if x := info.Cgroup(); x != nil {
		return x.CgroupId != 0
	}
	if x := info.NetNs(); x != nil {
		return x.NetnsInode != 0
	}
	return true
}

// ID returns the kernel's number of the link, of several that of the first; 0 in
// modes Clsact and Packet.
func (l *Link) ID() link.ID {
	if len(l.raws) == 0 {
		return 0
	}
	info, err := l.raws[0].Info()
	if err != nil {
		return 0
	}
	return info.ID
}

// Detach takes the program away, and the pin, and puts the foreign XDP program back
// that made way for it. The Link is closed. That the
// interface is gone already is no error.
func (l *Link) Detach() error {
	var errs []error
	switch {
	case l.sock != nil:
		errs = append(errs, l.sock.close())
	case l.Mode == Clsact:
		err := l.Do(func() error { return l.Filter.remove(l.Ifindex, l.Where.Hook) })
		if !errors.Is(err, ErrNoNetns) {
			errs = append(errs, err)
		}
	default:
		// Detach ends the link even if others hold descriptors of it; where the
		// interface is gone it has nothing to do (tcx says ENOLINK).
		for _, raw := range l.raws {
			if err := raw.Detach(); err != nil && !gone(err) {
				errs = append(errs, err)
			}
		}
		errs = append(errs, l.unpin(), closeAll(l.raws), l.putBack())
	}
	if err := errors.Join(errs...); err != nil {
		return l.fail("detach", err)
	}
	return nil
}

// Close releases what the process holds of the link. A BPF link that is not
// pinned ends with it, as does a packet socket; a clsact filter stays.
func (l *Link) Close() error {
	if l.sock != nil {
		return l.sock.close()
	}
	return errors.Join(closeAll(l.raws), l.evicted.Close()) // of a nil program, too
}
