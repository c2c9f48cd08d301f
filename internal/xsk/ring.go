package xsk

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A ring is one of the kernel's: one side produces, the other one consumes. Numbers of
// entries only grow; an entry lies at its number modulo the size.
type ring struct {
	producer, consumer *uint32
	entries            unsafe.Pointer
	mask               uint32
	next               uint32 // of a ring that is produced to: what producer is
}

// ring maps one of the socket's rings, whose entries have that size.
func (s *Socket) ring(offset int64, at unix.XDPRingOffset, entry uintptr) (ring, error) {
	b, err := s.mapped(s.fd, offset, int(at.Desc)+int(s.chunks)*int(entry), unix.MAP_SHARED)
	if err != nil {
		return ring{}, err
	}
	word := func(off uint64) *uint32 { return (*uint32)(unsafe.Pointer(&b[off])) }
	return ring{producer: word(at.Producer), consumer: word(at.Consumer), entries: unsafe.Pointer(&b[at.Desc]), mask: s.chunks - 1}, nil
}

// addr is an entry of a ring of chunks, desc one of a ring of packets.
func (r *ring) addr(i uint32) *uint64 {
	return (*uint64)(unsafe.Add(r.entries, uintptr(i&r.mask)*unsafe.Sizeof(uint64(0))))
}

func (r *ring) desc(i uint32) *unix.XDPDesc {
	return (*unix.XDPDesc)(unsafe.Add(r.entries, uintptr(i&r.mask)*unsafe.Sizeof(unix.XDPDesc{})))
}

// mine is the first entry that was not consumed, others the first that was not produced.
func (r *ring) mine() uint32   { return atomic.LoadUint32(r.consumer) }
func (r *ring) others() uint32 { return atomic.LoadUint32(r.producer) }

// consumed gives the kernel the entries before i.
func (r *ring) consumed(i uint32) { atomic.StoreUint32(r.consumer, i) }

// produced gives the kernel the entries before i.
func (r *ring) produced(i uint32) {
	r.next = i
	atomic.StoreUint32(r.producer, i)
}
