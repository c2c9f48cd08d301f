package datapath

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"weir/lang"
)

// fillGroups puts the interfaces of each redirect to several into their map, which means
// those of the thread's network namespace. One that is not there gets nothing: in test
// runs they need not be, and at a place it has gone since it was looked up.
func (u *unit) fillGroups(resolve func(string) (uint32, error)) error {
	for i := range u.prog.Maps {
		m := &u.prog.Maps[i]
		if m.System != lang.GroupMap {
			continue
		}
		for slot, name := range m.Group {
			index, err := resolve(name)
			if err != nil {
				return fmt.Errorf("interface %s: %w", name, err)
			}
			err = u.maps[m.Spec.Name].Put(uint32(slot), index)
			if err != nil && !errors.Is(err, unix.EINVAL) { // what the kernel says of an index without interface
				return fmt.Errorf("interface %s of map %s: %w", name, m.Spec.Name, err)
			}
		}
	}
	return nil
}
