package differ

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/hook"
)

var portField = regexp.MustCompile(`\bpkt\.(?:tcp|udp|l4)\.(sport|dport)`)

// ofConnections makes a chain of packets one of connections, as far as that goes: most
// of the corpus is about the language and reads a length or a port.
func ofConnections(c Case) Case {
	s := portField.ReplaceAllString(string(c.Source), "conn.$1")
	for _, r := range [][2]string{
		{"(pkt)", "(conn)"}, {"pkt.len", "conn.dport"}, {"pkt.payload.len", "conn.sport"}, {"pkt.queue", "conn.ifindex"}, {"pkt", "conn"},
	} {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	c.Source = []byte(s)
	return c
}

// TestCorpusOfConns: what of the corpus can be said of connections means the same
// there.
func TestCorpusOfConns(t *testing.T) {
	net, cgroup, listener := connWorld(t)
	stock := map[hook.Hook][]Conn{}
	for h, n := range map[hook.Hook]int{hook.SkLookup: 60, hook.Connect: 12} {
		stock[h] = connStock(h)[:n]
		for i := range stock[h] {
			stock[h][i].Cgroup = cgroup.ID
		}
	}
	ran := 0
	for _, c := range cases(t) {
		c = ofConnections(c)
		for h, conns := range stock {
			if _, err := c.Compile(h, false); err != nil {
				if strings.Contains(err.Error(), "the compiler broke") {
					t.Errorf("%s at %s: %v", c.Func, h, err)
				}
				continue // it is about packets
			}
			ran++
			net.Do(func() error {
				if err := c.RunConns(h, cgroup.Dir, listener, conns); err != nil && !errors.Is(err, errWrong) { // as of a port for a length
					t.Errorf("%s %s at %s: %v", filepath.Base(c.File), c.Func, h, err)
				}
				return nil
			})
		}
	}
	if t.Logf("%d chains", ran); ran < 600 {
		t.Errorf("%d chains are too few", ran)
	}
}
