package agent

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Notifier tells systemd how a service is (sd_notify(3)). The zero value tells
// nobody.
type Notifier struct {
	Socket   string        // as in $NOTIFY_SOCKET: a path, or @ and an abstract name
	Watchdog time.Duration // as in $WATCHDOG_USEC: systemd ends who is silent for so long; 0: never
}

// SystemdNotifier is the Notifier of this process's environment.
func SystemdNotifier() Notifier {
	n := Notifier{Socket: os.Getenv("NOTIFY_SOCKET")}
	// It may be meant for the process that started this one: sd_watchdog_enabled(3).
	if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
			n.Watchdog = time.Duration(us) * time.Microsecond
		}
	}
	return n
}

// send sends what is to be told, in lines. Nobody waits for an answer, so what cannot
// be sent is lost.
func (n Notifier) send(lines ...string) {
	if n.Socket == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.Socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	c.Write([]byte(strings.Join(lines, "\n")))
}

// begin tells that a has begun, and goes on telling that it is alive, until ended.
func (n Notifier) begin(a *Agent) (ended func()) {
	n.send("READY=1", statusLine(a))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	if n.Socket != "" && n.Watchdog > 0 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-a.o.Clock.After(n.Watchdog / 2):
				}
				if a.Alive() {
					n.send("WATCHDOG=1")
				}
			}
		})
	}
	return func() {
		n.send("STOPPING=1")
		close(stop)
		wg.Wait()
	}
}

func (n Notifier) status(a *Agent) { n.send(statusLine(a)) }

// statusLine is a Status in the one line that systemctl status shows.
func statusLine(a *Agent) string {
	s := a.Status()
	text := fmt.Sprintf("generation %d at %d places", s.Generation, s.Places)
	if n := len(s.Absent); n > 0 {
		text += fmt.Sprintf(", %d not there", n)
	}
	if s.Looked.Error != "" {
		first, _, _ := strings.Cut(s.Looked.Error, "\n")
		text += "; " + first
	}
	return "STATUS=" + text
}
