package attach

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// EachLink calls f for each BPF link of the kernel, whoever made it, until f returns
// false. The link is closed behind f. What is gone again is left out.
func EachLink(f func(l link.Link, info *link.Info) (more bool)) error {
	it := new(link.Iterator)
	defer func() { it.Close() }()
	for tries := 0; ; {
		if it.Next() {
			info, err := it.Link.Info()
			if tries = 0; err == nil && !f(it.Link, info) {
				return nil
			}
			continue
		}
		err := it.Err()
		switch {
		case err == nil, errors.Is(err, os.ErrNotExist):
			return nil
		case !errors.Is(err, unix.EAGAIN) || tries == linkTries:
			return fmt.Errorf("list links: %w", err)
		}
		// A link has its number a moment before it can be had: bpf_link_by_id.
		tries++
		time.Sleep(linkMoment)
		it = &link.Iterator{ID: it.ID}
	}
}

// How often, and after what time, a link is looked at again that is being made.
const (
	linkTries  = 1000
	linkMoment = 100 * time.Microsecond
)
