package twins

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A ring is a ring buffer of a program, whose reader is us: without one it would
// be full after the first batches, and the rest would measure its loss.
type ring struct {
	consumer, producer []byte // the pages of the two positions
}

// rings finds the ring buffers that a program uses.
func rings(prog *ebpf.Program) (rs []ring, err error) {
	info, err := prog.Info()
	if err != nil {
		return nil, err
	}
	ids, _ := info.MapIDs()
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return rs, err
		}
		if m.Type() == ebpf.RingBuf {
			var r ring
			r, err = openRing(m)
			rs = append(rs, r)
		}
		if err := errors.Join(err, m.Close()); err != nil {
			return rs, err
		}
	}
	return rs, nil
}

// openRing maps the positions of a ring: pages 0, which a reader writes, and 1
// (kernel/bpf/ringbuf.c).
func openRing(m *ebpf.Map) (r ring, err error) {
	page := os.Getpagesize()
	if r.consumer, err = unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return r, fmt.Errorf("map ring: %w", err)
	}
	if r.producer, err = unix.Mmap(m.FD(), int64(page), page, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return r, errors.Join(fmt.Errorf("map ring: %w", err), r.close())
	}
	return r, nil
}

// drain takes all that is in the ring, and returns how many bytes that was.
func (r ring) drain() uint64 {
	c := (*uint64)(unsafe.Pointer(&r.consumer[0]))
	to := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.producer[0])))
	n := to - atomic.LoadUint64(c)
	atomic.StoreUint64(c, to)
	return n
}

func (r ring) close() error {
	var errs []error
	for _, b := range [][]byte{r.consumer, r.producer} {
		if b != nil {
			errs = append(errs, unix.Munmap(b))
		}
	}
	return errors.Join(errs...)
}
