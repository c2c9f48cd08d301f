package attach

import (
	"errors"
	"slices"

	"github.com/cilium/ebpf"

	"weir/hook"
)

// Swap puts the program of o in the place of the one that is attached, in one
// step: each packet is seen by the one or by the other. The mode stays. Where
// the driver refuses o.Linear because of the interface's MTU, o.Frags is taken;
// l.Frags says which. After an error the old program is still there.
func (l *Link) Swap(o Options) error {
	p, err := o.Linear()
	if err != nil {
		return err
	}
	frags := false
	err = l.Update(p)
	if err != nil && l.Where.Hook == hook.XDP && l.Mode == Native && o.Frags != nil && !errors.Is(err, ErrNoInterface) {
		var ferr error
		if p, ferr = o.Frags(); ferr != nil {
			return ferr
		}
		if l.Update(p) == nil {
			frags, err = true, nil
		}
	}
	if err == nil {
		l.Frags = frags
	}
	return err
}

// Restore puts p back where a swap that was cut short left another program of
// the same attachment: one of ours or, where a filter tells no more, one that
// nobody keeps. It does nothing where p runs, or the attachment is gone.
func (l *Link) Restore(p *ebpf.Program, ours ...ebpf.ProgramID) error {
	now, err := l.running()
	if err != nil || now == 0 || now == programID(p) {
		return err
	}
	if l.raw == nil && !slices.Contains(ours, now) && owner(Foreign{Program: now}) != "" {
		return nil // it has the name and the place of ours, but is not
	}
	return l.Update(p)
}

func programID(p *ebpf.Program) ebpf.ProgramID {
	info, err := p.Info()
	if err != nil {
		return 0
	}
	id, _ := info.ID()
	return id
}

// running returns the program at the attachment's place, 0 if the attachment is
// gone. In mode Clsact it may be another's.
func (l *Link) running() (ebpf.ProgramID, error) {
	if l.raw != nil {
		there, err := l.Attached()
		if err != nil || !there {
			return 0, err
		}
		info, err := l.raw.Info()
		if err != nil {
			return 0, l.fail("query", err)
		}
		return info.Program, nil
	}
	var id ebpf.ProgramID
	err := l.Where.Do(func() error {
		f, err := l.Filter.find(l.Ifindex, l.Where.Hook)
		if f != nil {
			id = programOf(f)
		}
		return err
	})
	if errors.Is(err, ErrNoNetns) {
		return 0, nil
	}
	return id, err
}
