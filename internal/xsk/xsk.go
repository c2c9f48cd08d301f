// Package xsk receives packets by AF_XDP sockets.
//
// The model: a [Socket] takes what an XDP program hands it of one receive queue of an
// interface. It has memory of its own, cut into chunks, and two rings that it shares with
// the kernel: one of chunks that packets may be put into, one of packets.
//
//	fill: empty chunks ──► kernel ──► rx: chunks with packets ──► Receive ──► fill …
//
// Which packets these are the program says, by a map that the socket is in: who opens a
// socket puts it there. A socket is used by one goroutine; [Wait] waits for several.
//
// In copy mode, which every interface has, the kernel copies packets into the chunks; in
// zero-copy mode, which some drivers have, the card writes there.
//
// What it does not do: it sends nothing, and it neither loads programs nor knows maps.
package xsk

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Errors that callers branch on.
var (
	ErrNotSupported = errors.New("not supported (needs a kernel with CONFIG_XDP_SOCKETS)")
	ErrBusy         = errors.New("another socket receives from it")
	ErrNoQueue      = errors.New("no such queue")
	ErrDown         = errors.New("the interface is down, or gone")
)

// Sizes. A chunk is a page: drivers of zero-copy mode want no more, and it holds every
// frame of a usual MTU.
const (
	chunk         = 4096
	DefaultChunks = 4096
	completions   = 64 // of the ring for what is sent, which the kernel asks for
)

// Options of [Open]. The zero value takes the best mode there is.
type Options struct {
	Chunks int  // of memory, a power of two; 0: DefaultChunks
	Copy   bool // do not try zero-copy mode: an XDP program in generic mode needs that
	Long   bool // there are frames that do not fit in a chunk
}

// A Socket receives the packets of a queue.
type Socket struct {
	fd       int
	queue    uint32
	zeroCopy bool
	chunks   uint32
	memory   []byte
	fill, rx ring
	maps     [][]byte // to be unmapped
	long     []byte   // a packet of several chunks, as far as it has come
}

// Open opens a socket for a queue of an interface of the thread's network namespace. The
// error wraps [ErrBusy], [ErrNoQueue], [ErrDown], [ErrNotSupported] or [os.ErrPermission]
// where that is the cause.
func Open(ifindex int, queue uint32, o Options) (*Socket, error) {
	if o.Chunks == 0 {
		o.Chunks = DefaultChunks
	}
	s, err := open(ifindex, queue, o)
	for end := time.Now().Add(release); errors.Is(err, unix.EBUSY) && time.Now().Before(end); {
		time.Sleep(release / 50)
		s, err = open(ifindex, queue, o)
	}
	if err != nil {
		return nil, explain(err)
	}
	return s, nil
}

// release is how long a queue may be busy after its socket was closed: the kernel frees
// it later, by a worker (xp_put_pool in net/xdp/xsk_buff_pool.c).
const release = time.Second

// open tries one mode after another.
func open(ifindex int, queue uint32, o Options) (_ *Socket, err error) {
	for _, flags := range o.modes() {
		s := &Socket{fd: -1, queue: queue, chunks: uint32(o.Chunks), zeroCopy: flags&unix.XDP_ZEROCOPY != 0}
		if err = s.open(ifindex, flags); err == nil {
			return s, nil
		}
		s.Close()
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	return nil, err
}

// modes are the flags to try in turn. Frames in several chunks are new in Linux 6.6; an
// older kernel says EINVAL. A driver may have zero-copy mode without them, and says
// EOPNOTSUPP.
func (o Options) modes() []uint16 {
	var out []uint16
	if !o.Copy && o.Long {
		out = append(out, unix.XDP_ZEROCOPY|unix.XDP_USE_NEED_WAKEUP|unix.XDP_USE_SG)
	} else if !o.Copy {
		out = append(out, unix.XDP_ZEROCOPY|unix.XDP_USE_NEED_WAKEUP)
	}
	return append(out, unix.XDP_COPY|unix.XDP_USE_SG, unix.XDP_COPY)
}

// explain says what an error of the kernel means.
func explain(err error) error {
	for errno, why := range map[unix.Errno]error{
		unix.EAFNOSUPPORT: ErrNotSupported, unix.EBUSY: ErrBusy, unix.EINVAL: ErrNoQueue, unix.ENETDOWN: ErrDown,
	} {
		if errors.Is(err, errno) {
			return fmt.Errorf("AF_XDP socket: %w", why)
		}
	}
	if errors.Is(err, unix.ENOBUFS) {
		err = fmt.Errorf("%w: raise the limit of locked memory: ulimit -l unlimited", err)
	}
	return fmt.Errorf("AF_XDP socket: %w", err)
}

func (s *Socket) open(ifindex int, flags uint16) (err error) {
	if s.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if s.memory, err = s.mapped(-1, 0, int(s.chunks)*chunk, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE); err != nil {
		return err
	}
	reg := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&s.memory[0]))), Len: uint64(len(s.memory)), Size: chunk}
	if err := s.option(unix.SYS_SETSOCKOPT, unix.XDP_UMEM_REG, unsafe.Pointer(&reg), unsafe.Sizeof(reg)); err != nil {
		return err
	}
	for o, n := range map[int]uint32{unix.XDP_UMEM_FILL_RING: s.chunks, unix.XDP_UMEM_COMPLETION_RING: completions, unix.XDP_RX_RING: s.chunks} {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_XDP, o, int(n)); err != nil {
			return err
		}
	}
	var at unix.XDPMmapOffsets
	if err := s.read(unix.XDP_MMAP_OFFSETS, unsafe.Pointer(&at), unsafe.Sizeof(at)); err != nil {
		return err
	}
	if s.fill, err = s.ring(unix.XDP_UMEM_PGOFF_FILL_RING, at.Fr, unsafe.Sizeof(uint64(0))); err != nil {
		return err
	}
	if s.rx, err = s.ring(unix.XDP_PGOFF_RX_RING, at.Rx, unsafe.Sizeof(unix.XDPDesc{})); err != nil {
		return err
	}
	for i := range s.chunks {
		*s.fill.addr(i) = uint64(i) * chunk
	}
	s.fill.produced(s.chunks)
	return unix.Bind(s.fd, &unix.SockaddrXDP{Flags: flags, Ifindex: uint32(ifindex), QueueID: s.queue})
}

// FD returns the descriptor, which is the socket's.
func (s *Socket) FD() int { return s.fd }

// Queue returns the number of the queue.
func (s *Socket) Queue() uint32 { return s.queue }

// Mode returns "zero-copy" or "copy".
func (s *Socket) Mode() string {
	if s.zeroCopy {
		return "zero-copy"
	}
	return "copy"
}

// Close ends the socket, which is in no map then.
func (s *Socket) Close() error {
	var errs []error
	if s.fd >= 0 {
		errs = append(errs, unix.Close(s.fd))
	}
	for _, b := range s.maps {
		errs = append(errs, unix.Munmap(b))
	}
	s.fd, s.maps = -1, nil
	return errors.Join(errs...)
}

// Err returns why nothing will come any more, nil if something may: the interface has
// gone, with [ErrDown]. Waiting for packets does not tell.
func (s *Socket) Err() error {
	errno, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	if err != nil {
		return explain(err)
	}
	return nil
}

// Receive calls f for each packet that has come, in order, and returns how many. A
// packet is valid until f returns. After an error of f the others are still there.
func (s *Socket) Receive(f func(packet []byte) error) (n int, err error) {
	from, to := s.rx.mine(), s.rx.others()
	free := s.fill.next
	for ; from != to && err == nil; from++ {
		d := s.rx.desc(from)
		b := s.memory[d.Addr:][:d.Len]
		if d.Options&unix.XDP_PKT_CONTD != 0 {
			s.long = append(s.long, b...)
		} else {
			if len(s.long) > 0 {
				s.long = append(s.long, b...)
				b = s.long
			}
			n++
			err = f(b)
			s.long = s.long[:0]
		}
		*s.fill.addr(free) = d.Addr &^ (chunk - 1)
		free++
	}
	s.rx.consumed(from)
	s.fill.produced(free)
	return n, err
}

// Stats are packets that were lost: the kernel counts them at the socket, where the
// program has handed them on.
type Stats struct {
	Dropped   uint64 `json:"rx_dropped"`      // no chunk was free, or the packet was too long for one
	RingFull  uint64 `json:"rx_ring_full"`    // the ring of packets was full
	FillEmpty uint64 `json:"fill_ring_empty"` // how often no chunk was free; of packets in copy mode it is in Dropped, too
}

// Lost is how many packets were lost.
func (s Stats) Lost() uint64 { return s.Dropped + s.RingFull }

// Stats returns what was lost so far.
func (s *Socket) Stats() (Stats, error) {
	var x unix.XDPStatistics
	if err := s.read(unix.XDP_STATISTICS, unsafe.Pointer(&x), unsafe.Sizeof(x)); err != nil {
		return Stats{}, fmt.Errorf("AF_XDP socket: statistics: %w", err)
	}
	return Stats{Dropped: x.Rx_dropped, RingFull: x.Rx_ring_full, FillEmpty: x.Rx_fill_ring_empty_descs}, nil
}

func (s *Socket) option(call, name uintptr, p unsafe.Pointer, size uintptr) error {
	if _, _, errno := unix.Syscall6(call, uintptr(s.fd), unix.SOL_XDP, name, uintptr(p), size, 0); errno != 0 {
		return errno
	}
	return nil
}

// read reads an option of size octets at most.
func (s *Socket) read(name uintptr, p unsafe.Pointer, size uintptr) error {
	n := uint32(size)
	return s.option(unix.SYS_GETSOCKOPT, name, p, uintptr(unsafe.Pointer(&n)))
}

func (s *Socket) mapped(fd int, offset int64, size, flags int) ([]byte, error) {
	b, err := unix.Mmap(fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_POPULATE)
	if err == nil {
		s.maps = append(s.maps, b)
	}
	return b, err
}
