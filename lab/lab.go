package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"sync"
)

// ErrClosed says that the lab is closed.
var ErrClosed = errors.New("lab is closed")

// ErrNotSupported says that the kernel has not what was asked for.
var ErrNotSupported = errors.New("not supported by this kernel")

// hostName is what a host may be called: it becomes part of a file's name and
// of weir's --on NETNS/INTERFACE.
var hostName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// Options are the choices of New; the zero value is right for nearly all.
type Options struct {
	// Unguarded makes the lab without a guardian process. What a killed owner
	// leaves behind then stays until the next Sweep.
	Unguarded bool
}

// A Lab is a network of hosts. Its methods may be called concurrently; no
// method of its hosts may run when Close is called.
type Lab struct {
	id    string
	guard *guardian // nil if unguarded

	mu     sync.Mutex
	hosts  map[string]*Host
	closed bool
}

// New makes an empty lab, after a Sweep of what dead labs have left. It needs
// root. The caller closes the lab. ctx bounds the making only.
func New(ctx context.Context, o Options) (*Lab, error) {
	if _, err := Sweep(); err != nil {
		return nil, err
	}
	start, _, err := startTime(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("new lab: %w", err)
	}
	l := &Lab{
		id:    fmt.Sprintf("%d.%s.%s", os.Getpid(), strconv.FormatUint(start, 36), randomTag()),
		hosts: make(map[string]*Host),
	}
	if !o.Unguarded {
		if l.guard, err = startGuardian(ctx, l.id); err != nil {
			return nil, fmt.Errorf("new lab: %w", err)
		}
	}
	return l, nil
}

// randomTag tells the labs of one process apart: four digits of base 36.
func randomTag() string {
	const span = 36 * 36 * 36
	return strconv.FormatUint(span+rand.Uint64N(35*span), 36)
}

// ID returns PID.START.RANDOM: the lab's part of its namespaces' names.
func (l *Lab) ID() string { return l.id }

// Host makes a host: a network namespace with its loopback up and with no
// reverse path filter, no forwarding, no duplicate address detection and no
// router solicitations. name is lower case letters, digits, '-' and '_', and
// new in this lab.
func (l *Lab) Host(name string) (*Host, error) {
	if !hostName.MatchString(name) {
		return nil, fmt.Errorf("host %q: name must match %s", name, hostName)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, fmt.Errorf("host %s: %w", name, ErrClosed)
	}
	if l.hosts[name] != nil {
		return nil, fmt.Errorf("host %s: exists already", name)
	}
	h := &Host{lab: l, name: name, netns: namePrefix + l.id + "-" + name, fd: -1}
	fd, err := createNetns(h.netns)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	h.fd = fd
	if err := h.setUp(); err != nil {
		return nil, errors.Join(fmt.Errorf("host %s: %w", name, err), h.close())
	}
	l.hosts[name] = h
	return h, nil
}

// Close ends the processes and servers that were started on the lab's hosts,
// removes links and namespaces, and waits for the guardian to end. A second
// call does nothing. A socket that the caller opened inside a host keeps its
// namespace (without links or a name) until it is closed.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	for _, h := range l.hosts {
		errs = append(errs, h.stopAll())
	}
	for _, h := range l.hosts {
		errs = append(errs, h.close())
	}
	if l.guard != nil {
		errs = append(errs, l.guard.stop())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close lab %s: %w", l.id, err)
	}
	return nil
}
