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
// nobody keeps; and brings it back to its priority. It does nothing where p runs, or the
// attachment is gone.
func (l *Link) Restore(p *ebpf.Program, ours ...ebpf.ProgramID) error {
	want := programID(p)
	now, err := l.running()
	other := slices.ContainsFunc(now, func(id ebpf.ProgramID) bool { return id != want })
	if err != nil || !other && !l.aside() {
		return err
	}
	if l.Mode == Clsact && !slices.Contains(ours, now[0]) && owner(Foreign{Program: now[0]}) != "" {
		return nil // it has the name and the place of ours, but is not
	}
	return l.Update(p)
}

// Runs reports whether the attachment runs the program of that number, and at the
// priority that was asked for: Update with it would change nothing.
func (l *Link) Runs(id ebpf.ProgramID) bool {
	now, err := l.running()
	return err == nil && len(now) > 0 && !slices.ContainsFunc(now, func(x ebpf.ProgramID) bool { return x != id }) && !l.aside()
}

func programID(p *ebpf.Program) ebpf.ProgramID {
	info, err := p.Info()
	if err != nil {
		return 0
	}
	id, _ := info.ID()
	return id
}

// running returns the programs of the attachment's links, none if it is gone. In mode
// Clsact there is one, which may be another's.
func (l *Link) running() (ids []ebpf.ProgramID, err error) {
	if l.Mode == Clsact {
		err := l.Do(func() error {
			f, err := l.Filter.find(l.Ifindex, l.Where.Hook)
			if f != nil {
				ids = append(ids, programOf(f))
			}
			return err
		})
		if errors.Is(err, ErrNoNetns) {
			return nil, nil
		}
		return ids, err
	}
	if there, err := l.Attached(); err != nil || !there {
		return nil, err
	}
	for _, raw := range l.raws {
		info, err := raw.Info()
		if err != nil {
			return nil, l.fail("query", err)
		}
		ids = append(ids, info.Program)
	}
	return ids, nil
}
