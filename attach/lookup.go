package attach

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// attachLookup makes a link to the thread's network namespace. Programs of several
// links there run one after another, whatever they say; a socket that one has chosen
// is taken, also where others refuse.
func (l *Link) attachLookup(o Options) error {
	p, err := o.Linear()
	if err != nil {
		return err
	}
	ns, err := os.Open(ownNetns)
	if err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer ns.Close()
	raw, err := link.AttachNetNs(int(ns.Fd()), p)
	switch {
	case err == nil:
		l.Mode, l.raws = BPFLink, []link.Link{raw}
		return nil
	case errors.Is(err, unix.E2BIG):
		return because(err, "sk-lookup: a network namespace has room for 64 programs")
	}
	if why := explainKernel(ebpf.SkLookup, l.Where.Hook, err); why != "" {
		return because(err, "sk-lookup: %s", why)
	}
	return because(err, "sk-lookup: %s", short(err))
}

// lookupRow is what is attached in the thread's network namespace.
func lookupRow() ([]Standing, error) {
	ns, err := os.Open(ownNetns)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	r, err := link.QueryPrograms(link.QueryOptions{Target: int(ns.Fd()), Attach: ebpf.AttachSkLookup})
	if err != nil {
		return nil, err
	}
	var row []Standing
	for _, p := range r.Programs {
		row = append(row, Standing{Program: p.ID, Mode: BPFLink})
	}
	return row, nil
}
