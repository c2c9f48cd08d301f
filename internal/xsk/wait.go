package xsk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// A Waiter waits for packets of sockets, and is woken when its context ends.
type Waiter struct {
	wake int // an eventfd
	stop func() bool
	fds  []unix.PollFd
}

// NewWaiter returns one for a context.
func NewWaiter(ctx context.Context) (*Waiter, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("wait for packets: %w", err)
	}
	w := &Waiter{wake: fd}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // an eventfd with room for it
	})
	w.stop = func() bool {
		if stop() {
			return true
		}
		<-done
		return false
	}
	return w, nil
}

// Close releases what the waiter has.
func (w *Waiter) Close() error {
	w.stop()
	return unix.Close(w.wake)
}

// Wait returns when a socket has packets, when the context has ended, or after that time.
func (w *Waiter) Wait(sockets []*Socket, most time.Duration) error {
	w.fds = append(w.fds[:0], unix.PollFd{Fd: int32(w.wake), Events: unix.POLLIN})
	for _, s := range sockets {
		w.fds = append(w.fds, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
	}
	if _, err := unix.Poll(w.fds, int(most.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for packets: %w", err)
	}
	return nil
}
