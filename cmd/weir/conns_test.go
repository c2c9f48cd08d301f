package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/internal/nstest"
	"weir/lab"
)

// serve listens on $HOST and tells whom it took a connection for.
func serveTCP(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(labOf(ts).host.Do(func() error {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		l, err := lc.Listen(context.Background(), "tcp", args[0])
		if err != nil {
			return err
		}
		ts.Defer(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprint(c, c.LocalAddr())
				c.Close()
			}
		}()
		return nil
	}))
}

// dialFrom returns the command that connects from $HOST, in a cgroup, or from $PEER, and
// compares what comes of it.
func dialFrom(c *nstest.Cgroup) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		from, addr, want := args[0], args[1], args[2]
		l := labOf(ts)
		h := map[string]*lab.Host{"host": l.host, "peer": l.peer}[from]
		if from == "host" {
			c.Enter()
			defer c.Leave()
		}
		if got := told(h, addr); got != want {
			ts.Fatalf("connect from %s to %s: %s, want %s", from, addr, got, want)
		}
	}
}

// told is what a server told, or why there is none.
func told(h *lab.Host, addr string) (text string) {
	err := h.Do(func() error {
		c, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		b, err := io.ReadAll(c)
		text = string(b) + " peer " + c.RemoteAddr().String()
		return err
	})
	switch {
	case errors.Is(err, syscall.EPERM):
		return "denied"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case err != nil:
		return err.Error()
	}
	return text
}
