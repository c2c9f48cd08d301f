package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/lab"
	"weir/lang"
)

// fleetName is what a fleet's generation is called.
const fleetName = "weir-bench-fleet"

// A fleet is many interfaces of one host, each with a peer on it.
type fleet struct {
	host           *lab.Host
	kernel         datapath.Kernel
	names, senders []string
	programs       map[hook.Hook]datapath.Chain
	text           int // a number that no chain has had
}

func newFleet(l *lab.Lab, n int) (*fleet, error) {
	host, err := l.Host("fleet")
	if err != nil {
		return nil, err
	}
	// Beside what runs on the machine, which it shall not wait for.
	place := fmt.Sprintf("weir-bench-%d", os.Getpid())
	f := &fleet{host: host, programs: map[hook.Hook]datapath.Chain{}, kernel: datapath.Kernel{
		Root: filepath.Join(filepath.Dir(datapath.DefaultRoot), place), Lock: filepath.Join(os.TempDir(), place),
	}}
	for i := range n {
		name, sender := fmt.Sprintf("eth%d", i), fmt.Sprintf("peer%d", i)
		if _, _, err := l.Link(host, name, host, sender, lab.LinkOptions{}); err != nil {
			return nil, err
		}
		f.names, f.senders = append(f.names, name), append(f.senders, sender)
	}
	return f, nil
}

// compile makes a chain for a hook whose text is another than all before.
func (f *fleet) compile(h hook.Hook) error {
	f.text++
	text := fmt.Sprintf("# %d\ndef main(pkt):\n    if pkt.eth.type == %#x:\n        return drop(\"marked\")\n    return PASS\n", f.text, marked)
	o := lang.Options{File: "fleet.weir", Hook: h, Shared: true}
	var c datapath.Chain
	var err error
	if c.Program, err = lang.Compile([]byte(text), o); err == nil && h == hook.XDP {
		o.Frags = true
		c.Frags, err = lang.Compile([]byte(text), o)
	}
	f.programs[h] = c
	return err
}

// chains are those of all interfaces.
func (f *fleet) chains() (out []datapath.Chain) {
	for _, name := range f.names {
		for _, h := range manyHooks {
			c := f.programs[h]
			c.Where = attach.Where{Netns: f.host.Netns(), Interface: name, Hook: h}
			out = append(out, c)
		}
	}
	return out
}

// detach takes the generation away.
func (f *fleet) detach(ctx context.Context) error { return f.kernel.Detach(ctx, fleetName) }

// end takes away what a measurement that failed has left.
func (f *fleet) end(ctx context.Context) error {
	err := f.detach(ctx)
	if errors.Is(err, datapath.ErrNotFound) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(f.kernel.Root), os.Remove(f.kernel.Lock))
}

// floor returns how long the kernel takes to make the links, and to end them.
func (f *fleet) floor(ctx context.Context) (attached, closed time.Duration, err error) {
	objs := map[hook.Hook]*ebpf.Program{}
	for _, h := range manyHooks {
		if err := f.compile(h); err != nil {
			return 0, 0, err
		}
		s, err := datapath.Load(f.programs[h].Program, datapath.LoadOptions{})
		if err != nil {
			return 0, 0, err
		}
		defer s.Close()
		objs[h] = s.Object(f.programs[h].Program)
	}
	var links []bpflink.Link
	err = f.host.Do(func() error {
		var indexes []int
		for _, name := range f.names {
			i, err := attach.Index(name)
			if err != nil {
				return err
			}
			indexes = append(indexes, i)
		}
		start := time.Now()
		for _, i := range indexes {
			for _, h := range manyHooks {
				l, err := bareLink(h, i, objs[h])
				if err != nil {
					return err
				}
				if links = append(links, l); ctx.Err() != nil {
					return ctx.Err()
				}
			}
		}
		attached = time.Since(start)
		return nil
	})
	start := time.Now()
	for _, l := range links {
		err = errors.Join(err, l.Close())
	}
	return attached, time.Since(start), err
}

// bareLink attaches p by one call of the kernel.
func bareLink(h hook.Hook, index int, p *ebpf.Program) (bpflink.Link, error) {
	if h == hook.XDP {
		return bpflink.AttachXDP(bpflink.XDPOptions{Program: p, Interface: index, Flags: bpflink.XDPDriverMode})
	}
	at := ebpf.AttachTCXIngress
	if h == hook.TCEgress {
		at = ebpf.AttachTCXEgress
	}
	return bpflink.AttachTCX(bpflink.TCXOptions{Program: p, Interface: index, Attach: at})
}
