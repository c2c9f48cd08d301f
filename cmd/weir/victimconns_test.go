package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"weir/attach"
	"weir/internal/nstest"
)

// killConnChain sends what is for a port to one of its own. It writes, so that all of
// the kernel's points have a program.
const killConnChain = `
limit     = param(u32, 5)
NAME_kept = table(u16, u64, size = 100)
NAME_grew = table(u16, WIDE, size = 100, init = {1: 2})

def main(conn):
    count("connections")
    NAME_kept[conn.dport] += NAME_grew[1]
    if conn.udp and conn.dport == 1003 and limit > 0:
        conn.dport = PORT
    return PASS
`

// The two kinds of UDP sockets, which meet different programs.
const (
	connected   = "a connected socket"
	unconnected = "an unconnected socket"
)

// newConnVictim makes a victim with chains for connections from a cgroup. The new
// generation is at a second one, too.
func newConnVictim(t *testing.T) *victim {
	v := makeVictim(t, killConnChain)
	c := nstest.NewCgroup(t) // in which this process stays
	more := c.Dir + "/more"
	check(t, os.Mkdir(more, 0o755))
	t.Cleanup(func() { check(t, os.Remove(more)) })
	v.sites, v.look = []string{connected, unconnected}, v.lookAtSocket
	at := "@connect=" + c.Path
	v.on = map[string][]string{"old": {at}, "new": {at, at + "/more"}}
	v.listed = map[string][]string{"old": {at + " connect"}, "new": {at + " connect", at + "/more connect"}}
	v.kernel = func(t *testing.T) []string {
		var out []string
		for dir, w := range map[string]string{c.Dir: at, more: at + "/more"} {
			out = append(out, v.atCgroup(t, dir, w)...)
		}
		slices.Sort(out)
		return out
	}
	v.receive(t, connected, net.IPv4(127, 0, 0, 1))
	v.conns[unconnected] = v.conns[connected]
	return v
}

// lookAtSocket sends a datagram from a socket of a kind and looks where it arrives,
// and for whose the answer is taken.
func (v *victim) lookAtSocket(t *testing.T, kind string) string {
	t.Helper()
	asked := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: anyPort}
	var c *net.UDPConn
	var peer net.Addr
	check(t, v.host.Do(func() (err error) {
		if kind == connected {
			c, err = net.DialUDP("udp4", nil, asked)
			return err
		}
		c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: asked.IP})
		return err
	}))
	defer c.Close()
	if kind == connected {
		peer = c.RemoteAddr()
		_, err := c.Write([]byte("x"))
		check(t, err)
	} else {
		_, err := c.WriteTo([]byte("x"), asked)
		check(t, err)
	}
	got := ""
	for _, port := range []int{oldPort, newPort, anyPort} {
		from := v.conns[kind][port]
		check(t, from.SetReadDeadline(time.Now().Add(late)))
		_, back, err := from.ReadFrom(make([]byte, 64))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		check(t, err)
		got += map[int]string{oldPort: "old", newPort: "new", anyPort: "none"}[port]
		if kind == unconnected {
			_, err := from.WriteTo([]byte("y"), back)
			check(t, err)
			check(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
			_, peer, err = c.ReadFrom(make([]byte, 64))
			check(t, err)
		}
	}
	if peer == nil || peer.String() != asked.String() {
		return fmt.Sprintf("%s, with an answer of %v", got, peer)
	}
	return got
}

// atCgroup returns the place of a cgroup if the kernel has a program at all points, and
// else which it has.
func (v *victim) atCgroup(t *testing.T, dir, place string) []string {
	t.Helper()
	f, err := os.Open(dir)
	check(t, err)
	defer f.Close()
	var there []string
	for point, at := range attach.Points {
		r, err := link.QueryPrograms(link.QueryOptions{Target: int(f.Fd()), Attach: at})
		if errors.Is(err, syscall.EINVAL) {
			continue
		}
		check(t, err)
		for range r.Programs {
			there = append(there, place+" "+point)
		}
	}
	switch len(there) {
	case 0:
		return nil
	case len(attach.Points):
		return []string{place + " connect"}
	}
	return there
}
