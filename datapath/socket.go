package datapath

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/lang"
)

// SocketMapName is what the sockets of to_socket() are called among maps: a map
// from their names to sockets.
const SocketMapName = "sockets"

// A Socket is a name that the chain gives to to_socket(), and what has it.
type Socket struct {
	Name string
	At   string // as "tcp:127.0.0.1:8080"; empty if no socket has the name
}

// Sockets returns the sockets of a chain at sk-lookup, by place in order. A socket
// that was closed is there no more.
func (g *Generation) Sockets() ([]Socket, error) {
	var out []Socket
	err := g.eachSockets(func(a *Attachment, m *ebpf.Map) error {
		all, err := attach.Listening("")
		if err != nil {
			return err
		}
		for i, name := range a.Program.Sockets {
			s := Socket{Name: name}
			var cookie uint64
			err := m.Lookup(uint32(i), &cookie)
			switch {
			case err == nil:
				s.At = fmt.Sprintf("cookie:%d", cookie) // where more cannot be found
				if j := slices.IndexFunc(all, func(l attach.Listener) bool { return l.Cookie == cookie }); j >= 0 {
					s.At = all[j].String()
				}
			case !errors.Is(err, ebpf.ErrKeyNotExist):
				return wrap(err, "read socket %s", name)
			}
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

// PutSocket gives a name of to_socket() another socket: tcp:ADDRESS:PORT or
// udp:ADDRESS:PORT that a process listens on in the network namespace of the chain
// (ADDRESS may be *), or pid:NUMBER/fd:NUMBER. An empty text looks for the name
// itself. The error wraps [ErrNotFound] if there is no such name or socket.
func (g *Generation) PutSocket(name, text string) error {
	if text == "" {
		text = name
	}
	return g.withSocket(name, func(m *ebpf.Map, i uint32) error { return putSocket(m, i, text) })
}

// RemoveSocket takes the socket of a name away.
func (g *Generation) RemoveSocket(name string) error {
	return g.withSocket(name, func(m *ebpf.Map, i uint32) error {
		if err := m.Delete(i); err != nil && !errors.Is(err, unix.EINVAL) { // of an empty slot
			return err
		}
		return nil
	})
}

func (g *Generation) withSocket(name string, f func(m *ebpf.Map, i uint32) error) error {
	var names []string
	found := false
	err := g.eachSockets(func(a *Attachment, m *ebpf.Map) error {
		names = append(names, a.Program.Sockets...)
		i := slices.Index(a.Program.Sockets, name)
		if i < 0 {
			return nil
		}
		found = true
		return wrap(f(m, uint32(i)), "socket %s", name)
	})
	if err == nil && !found {
		return fmt.Errorf("socket %s: %w%s", name, ErrNotFound, thereAre(names))
	}
	return err
}

// eachSockets calls f in the network namespace of each attachment with sockets.
func (g *Generation) eachSockets(f func(*Attachment, *ebpf.Map) error) error {
	for _, a := range g.Attachments {
		m := a.unit.system(lang.SocketMap)
		if m == nil {
			continue
		}
		if err := a.Do(func() error { return f(a, m) }); err != nil {
			return err
		}
	}
	return nil
}

// findSockets fills in the sockets that are named by where they listen, in the
// network namespace of the thread.
func (u *unit) findSockets() error {
	m := u.system(lang.SocketMap)
	for i, name := range u.prog.Sockets {
		if !strings.Contains(name, ":") {
			continue // which weir maps gives a socket
		}
		if err := putSocket(m, uint32(i), name); err != nil {
			return fmt.Errorf("socket %s: %w", name, err)
		}
	}
	return nil
}

// keepSockets gives the names of u that are words the sockets that they had in the
// generation before, as far as these are still there. a may be nil.
func (u *unit) keepSockets(a *Attachment) error {
	if a == nil {
		return nil
	}
	now, was := u.system(lang.SocketMap), a.unit.system(lang.SocketMap)
	for i, name := range u.prog.Sockets {
		j := slices.Index(a.Program.Sockets, name)
		if j < 0 || strings.Contains(name, ":") {
			continue
		}
		var cookie uint64
		if was.Lookup(uint32(j), &cookie) != nil {
			continue // it had none
		}
		fd, err := attach.OpenCookie(cookie)
		if errors.Is(err, attach.ErrNoSocket) {
			continue // it has been closed
		}
		if err != nil {
			return fmt.Errorf("socket %s: %w", name, err)
		}
		err = now.Put(uint32(i), uint64(fd))
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("socket %s: %w", name, err)
		}
	}
	return nil
}

func putSocket(m *ebpf.Map, i uint32, text string) error {
	fd, err := attach.OpenSocket(text)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = m.Put(i, uint64(fd))
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("the kernel takes listening TCP and bound UDP sockets, no MPTCP (a Go server listens without it under GODEBUG=multipathtcp=0): %w", err)
	}
	return err
}
