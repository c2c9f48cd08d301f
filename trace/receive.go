package trace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"weir/attach"
	"weir/datapath"
	"weir/internal/xsk"
)

// followEvery is how often a [Receiver] looks whether the chain was swapped.
const followEvery = 100 * time.Millisecond

// ReceiveOptions are options of [Receive].
type ReceiveOptions struct {
	At    func(attach.Where) bool // which places; nil: all that hand packets on
	Queue *uint32                 // the one queue; nil: all
	Most  uint64                  // packets; 0: no limit

	Each func(Received) error // if set, is called for each packet
	Then func() error         // if set, is called when there are no more for the moment
	Out  io.Writer            // if set, is written all packets: a pcapng file
	Tell func(text string)    // if set, is told what changes
}

// A Received is a packet that a chain has handed on. Its JSON form is fixed.
type Received struct {
	N     uint64    `json:"n"`
	Time  time.Time `json:"time"` // when it was taken out of the socket
	Where string    `json:"where"`
	Queue uint32    `json:"queue"`
	Len   int       `json:"len"`
	Frame []byte    `json:"-"` // valid until Each returns
}

// ReceiveCount is what has come, and what was lost since nobody has read fast enough: the
// chain has counted both.
type ReceiveCount struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	xsk.Stats
	Lost uint64 `json:"lost"`
}

// A Receiver takes the packets that the chain of a NAME hands to user space by
// to_user(). It follows the chain through swaps: where the next generation has a map of
// its own, for instance since the one before had no to_user(), it goes there. It is used
// by one goroutine.
type Receiver struct {
	kernel datapath.Kernel
	name   string
	o      ReceiveOptions
	g      *datapath.Generation // that runs, as far as is known
	places []*receiving
	queues []*xsk.Socket // of all places
	file   *receiveFile  // nil: none is written
	count  ReceiveCount
	looked time.Time
}

// place is an interface by the kernel's numbers: whoever attaches there, and whatever it
// is called, the queues are the same.
type place struct {
	netns   uint64
	ifindex int
}

// receiving is a place with its sockets.
type receiving struct {
	key     place
	where   string
	in      ebpf.MapID // that the sockets are in; 0: in none
	at      *datapath.Attachment
	sockets []*xsk.Socket
}

// NewReceiver opens sockets for what is attached under a name. The error wraps
// [datapath.ErrNotFound] if nothing is, and the errors of package xsk.
func NewReceiver(k datapath.Kernel, name string, o ReceiveOptions) (*Receiver, error) {
	r := &Receiver{kernel: k, name: name, o: o}
	if err := r.follow(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if len(r.queues) == 0 {
		return nil, errors.Join(r.nothing(), r.Close())
	}
	return r, nil
}

// nothing says that there is nothing to be received, and why.
func (r *Receiver) nothing() error {
	for _, a := range r.g.Attachments {
		if a.HasReceivers() {
			return fmt.Errorf("%s hands no packets to user space there: it does at %s", r.name, strings.Join(r.handing(), ", "))
		}
	}
	return fmt.Errorf("%s hands no packets to user space: a chain does by return to_user(pkt.queue)", r.name)
}

// handing is where the chain hands packets on.
func (r *Receiver) handing() (at []string) {
	for _, a := range r.g.Attachments {
		if a.HasReceivers() {
			at = append(at, a.Where.On())
		}
	}
	return at
}

// Places returns where packets are received, as "eth0 queue 0 (copy)".
func (r *Receiver) Places() []string {
	var out []string
	for _, p := range r.places {
		for _, s := range p.sockets {
			out = append(out, fmt.Sprintf("%s queue %d (%s)", p.where, s.Queue(), s.Mode()))
		}
	}
	return out
}

// Run receives until ctx ends or enough packets have come. The error wraps
// [datapath.ErrNotFound] if the chain was detached.
func (r *Receiver) Run(ctx context.Context) error {
	w, err := xsk.NewWaiter(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	for ctx.Err() == nil && !r.enough() {
		if time.Since(r.looked) >= followEvery {
			if err := r.look(); err != nil {
				return err
			}
		}
		if err := w.Wait(r.queues, followEvery); err != nil {
			return err
		}
		if err := r.take(); err != nil {
			return err
		}
	}
	return r.leave()
}

func (r *Receiver) enough() bool { return r.o.Most > 0 && r.count.Packets >= r.o.Most }

// errEnough ends the reading of a socket.
var errEnough = errors.New("enough")

// take takes what has come.
func (r *Receiver) take() error {
	for i, p := range r.places {
		for _, s := range p.sockets {
			now := time.Now()
			_, err := s.Receive(func(frame []byte) error { return r.packet(i, s.Queue(), now, frame) })
			if err != nil && !errors.Is(err, errEnough) {
				return err
			}
		}
	}
	if r.file != nil {
		if err := r.file.flush(); err != nil {
			return err
		}
	}
	if r.o.Then != nil {
		return r.o.Then()
	}
	return nil
}

func (r *Receiver) packet(place int, queue uint32, now time.Time, frame []byte) error {
	if r.enough() {
		return errEnough
	}
	r.count.Packets++
	r.count.Bytes += uint64(len(frame))
	x := Received{N: r.count.Packets, Time: now, Where: r.places[place].where, Queue: queue, Len: len(frame), Frame: frame}
	if r.file != nil {
		if err := r.file.write(place, x); err != nil {
			return err
		}
	}
	if r.o.Each != nil {
		return r.o.Each(x)
	}
	return nil
}

// leave takes the sockets out of their maps, and what they were given until then.
func (r *Receiver) leave() error {
	var errs []error
	for _, p := range r.places {
		for _, s := range p.sockets {
			if p.in != 0 {
				errs = append(errs, p.at.RemoveReceiver(s.Queue()))
			}
		}
		p.in = 0
	}
	return errors.Join(append(errs, r.take())...)
}

// Count returns what has come and what was lost.
func (r *Receiver) Count() (ReceiveCount, error) {
	c := r.count
	for _, s := range r.queues {
		x, err := s.Stats()
		if err != nil {
			return c, err
		}
		c.Dropped += x.Dropped
		c.RingFull += x.RingFull
		c.FillEmpty += x.FillEmpty
	}
	c.Lost = c.Stats.Lost()
	return c, nil
}

// Close ends the sockets, with what was lost as statistics of the file.
func (r *Receiver) Close() error {
	var errs []error
	if r.file != nil {
		errs = append(errs, r.file.close(r.places))
	}
	for _, s := range r.queues {
		errs = append(errs, s.Close())
	}
	r.queues, r.places = nil, nil
	if r.g != nil {
		errs = append(errs, r.g.Close())
		r.g = nil
	}
	return errors.Join(errs...)
}
