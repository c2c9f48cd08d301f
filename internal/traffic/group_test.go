package traffic

import (
	"testing"

	"weir/hook"
	"weir/lab"
)

// groupChain copies to three ports, of which a packet comes in by one.
const groupChain = `
PORTS = ["eth0", "eth1", "eth2"]

def main(pkt):
    if pkt.udp.dport != 4242:
        return PASS
    pkt.eth.src = mac("02:00:00:00:00:77")
    return redirect(PORTS)
`

// A star is a host with ports, and what is at their other ends.
type star struct{ at, ends map[string]lab.Iface }

func newStar(t *testing.T, l *lab.Lab, name string, mtu int, ports ...string) star {
	t.Helper()
	m := newHost(t, l, name)
	h := star{map[string]lab.Iface{}, map[string]lab.Iface{}}
	for _, port := range ports {
		h.ends[port], h.at[port] = link(t, l, newHost(t, l, name+port), m, "eth0", port, lab.LinkOptions{MTU: mtu})
	}
	return h
}

// TestRedirectGroup sends packets to the ports of two stars, whose ports have the same names
// but not the same numbers, by one chain: each copy arrives once, and none goes back.
func TestRedirectGroup(t *testing.T) {
	for _, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			l := newLab(t)
			m, n := newStar(t, l, "m", 0, "eth0", "eth1", "eth2"), newStar(t, l, "n", 0, "eth2", "eth1", "eth0")
			places := []place{{at: m.at["eth0"], hook: h}, {at: n.at["eth0"], hook: h}}
			if h != hook.TCEgress { // where copies come by the chain of the port that they leave by
				places = append(places, place{at: m.at["eth2"], hook: h})
			}
			run(t, groupChain, places...)
			m.copies(t, h, "eth0", "eth1", "eth2")
			n.copies(t, h, "eth0", "eth1", "eth2")
			if h != hook.TCEgress {
				m.copies(t, h, "eth2", "eth0", "eth1")
			}
		})
	}
}

// nobody is a station that is nowhere.
var nobody = lab.Iface{MAC: []byte{2, 0, 0, 0, 0, 0x99}}

// copies sends ten frames by a port: those behind the others get each once, and who sends
// gets none.
func (x star) copies(t *testing.T, h hook.Hook, from string, to ...string) {
	t.Helper()
	ins := map[string]*lab.Capture{}
	for _, port := range append(to, from) {
		ins[port] = captureOf(t, x.ends[port], nobody.MAC)
	}
	var want [][]byte
	for n := range 10 {
		p := probe(x.ends[from], nobody, families[n%2], pattern(20+n))
		if n%3 == 2 {
			p.tags = []tag{{0x8100, 5}}
		}
		if h == hook.TCEgress { // what leaves by the port is sent to the others
			sendQueued(t, x.at[from], p.frame(t))
		} else {
			send(t, x.ends[from], p.frame(t))
		}
		want = append(want, p.with(func(p *packet) { p.from.MAC = []byte{2, 0, 0, 0, 0, 0x77} }).frame(t))
	}
	for _, port := range to {
		for _, f := range want {
			sameFrame(t, ins[port], f)
		}
	}
	// Had one come twice, or come back, it would be before this one.
	for port, in := range ins {
		mark := probe(x.at[port], nobody, families[0], pattern(100)).with(func(p *packet) { p.to = atPort(p.to, 9) }).frame(t)
		send(t, x.at[port], mark)
		sameFrame(t, in, mark)
	}
}

// TestRedirectGroupLong drops XDP frames of several fragments, and copies the others.
func TestRedirectGroupLong(t *testing.T) {
	x := newStar(t, newLab(t), "m", 9000, "eth0", "eth1", "eth2")
	c := run(t, groupChain, place{at: x.at["eth0"], hook: hook.XDP})
	if !c.Attachments[0].Frags {
		t.Fatal("the chain is not attached for frames of several fragments")
	}
	p := probe(x.ends["eth0"], nobody, families[0], pattern(8000))
	for range 3 {
		send(t, x.ends["eth0"], p.frame(t))
	}
	eventually(t, "long frames are dropped", func() bool { return c.dropped("too long to copy") == 3 })
	x.copies(t, hook.XDP, "eth0", "eth1", "eth2")
}

// TestRedirectGroupDown takes one of the ports down: the others get their copies.
func TestRedirectGroupDown(t *testing.T) {
	for _, at := range []place{{hook: hook.XDP}, {hook: hook.TCIngress}} {
		for _, down := range []string{"eth1", "eth2"} {
			t.Run(at.hook.String()+"/"+down, func(t *testing.T) {
				x := newStar(t, newLab(t), "m", 0, "eth0", "eth1", "eth2")
				at.at = x.at["eth0"]
				run(t, groupChain, at)
				if err := x.at[down].Host.SetUp(down, false); err != nil {
					t.Fatal(err)
				}
				x.copies(t, at.hook, "eth0", map[string]string{"eth1": "eth2", "eth2": "eth1"}[down])
			})
		}
	}
}
