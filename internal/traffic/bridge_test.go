package traffic

import (
	"bytes"
	"maps"
	"net"
	"slices"
	"testing"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/lab"
)

// mixedSwitch is a switch with a trunk that carries the VLANs of access ports.
const mixedSwitch = `
load("std/bridge.weir", "bridge")

switch = bridge({"eth0": 10, "eth1": 10, "eth2": 20, "eth3": 20, "eth9": [10, 20]})

def main(pkt):
    return switch.forward(pkt)

def fast(pkt):
    return switch.fast(pkt)

def flood(pkt):
    return switch.flood(pkt)
`

// switched is a star whose ends are hosts of one network.
func switched(t *testing.T, ports ...string) star {
	t.Helper()
	l := newLab(t)
	x, m := star{map[string]lab.Iface{}, map[string]lab.Iface{}}, newHost(t, l, "m")
	for i, port := range ports {
		n := string(rune('1' + i))
		o := lab.LinkOptions{A: lab.End{Addrs: lab.MustPrefixes("10.0.0."+n+"/24", "fd00::"+n+"/64")}}
		x.ends[port], x.at[port] = link(t, l, newHost(t, l, "host"+port), m, "eth0", port, o)
	}
	return x
}

// everywhere are the places of a function at all ports.
func (x star) everywhere(h hook.Hook, fn string) (out []place) {
	for _, port := range slices.Sorted(maps.Keys(x.at)) {
		out = append(out, place{at: x.at[port], hook: h, fn: fn})
	}
	return out
}

var everyone = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// flooded sends frames to everyone and to a station that nobody has heard of, by a port:
// those behind the ports of the VLAN get each once, with the tags that they are to have
// there, and nobody else any.
func (x star) flooded(t *testing.T, from string, tags []tag, to map[string][]tag) {
	t.Helper()
	for _, mac := range []net.HardwareAddr{everyone, nobody.MAC} {
		p := probe(x.ends[from], lab.Iface{MAC: mac}, families[0], pattern(50)).with(func(p *packet) {
			p.tags = tags
			p.from.MAC = net.HardwareAddr{2, 0, 0, 0, 0, 0x88}
		})
		ins := map[string]*lab.Capture{}
		for port, end := range x.ends {
			c := must(end.Host.Capture(end.Name, lab.CaptureOptions{Filter: func(f []byte) bool { return bytes.Equal(f[6:12], p.from.MAC) }}))(t)
			t.Cleanup(func() { c.Close() })
			ins[port] = c
		}
		for n := range 5 {
			p.payload = pattern(20 + n)
			send(t, x.ends[from], p.frame(t))
			for port, tags := range to {
				sameFrame(t, ins[port], p.with(func(p *packet) { p.tags = tags }).frame(t))
			}
		}
		// Had one come twice, or where it should not, it would be before this one.
		for port, in := range ins {
			mark := p.with(func(p *packet) { p.payload, p.tags = pattern(100), nil }).frame(t)
			send(t, x.at[port], mark)
			sameFrame(t, in, mark)
		}
	}
}

// TestStdBridge floods by the module's switch: of VLANs whose ports are alike at each hook,
// of others at tc-ingress, or there behind XDP.
func TestStdBridge(t *testing.T) {
	ports := []string{"eth0", "eth1", "eth2", "eth3", "eth8", "eth9"}
	ten, twenty, thirty, forty := []tag{{0x8100, 10}}, []tag{{0x8100, 20}}, []tag{{0x8100, 30}}, []tag{{0x8100, 0xa000 | 40}}
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		t.Run("alike at "+h.String(), func(t *testing.T) {
			x := switched(t, ports...)
			c := run(t, sampleOf(t, "bridge"), x.everywhere(h, "")...)
			x.flooded(t, "eth0", nil, map[string][]tag{"eth1": nil})
			x.flooded(t, "eth3", nil, map[string][]tag{"eth2": nil})
			x.flooded(t, "eth8", thirty, map[string][]tag{"eth9": thirty})
			x.flooded(t, "eth9", forty, map[string][]tag{"eth8": forty})
			x.flooded(t, "eth9", ten, nil)
			x.flooded(t, "eth9", nil, nil)
			x.flooded(t, "eth1", ten, nil)
			if got := c.dropped("vlan"); got < 30 {
				t.Errorf("%d frames were dropped for their VLAN, want 30 and more", got)
			}
		})
	}
	for name, places := range map[string]func(star) []place{
		"mixed at tc-ingress": func(x star) []place { return x.everywhere(hook.TCIngress, "") },
		"mixed behind xdp": func(x star) []place {
			return append(x.everywhere(hook.XDP, "fast"), x.everywhere(hook.TCIngress, "flood")...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := switched(t, "eth0", "eth1", "eth2", "eth3", "eth9")
			run(t, mixedSwitch, places(x)...)
			x.flooded(t, "eth0", nil, map[string][]tag{"eth1": nil, "eth9": ten})
			x.flooded(t, "eth2", nil, map[string][]tag{"eth3": nil, "eth9": twenty})
			x.flooded(t, "eth9", twenty, map[string][]tag{"eth2": nil, "eth3": nil})
			x.flooded(t, "eth9", []tag{{0x8100, 30}}, nil)
		})
	}
}

// TestStdBridgeDownload downloads between hosts at the switch, which find one another by
// what it floods alone; most packets go past the stack.
func TestStdBridgeDownload(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				x := switched(t, "eth0", "eth1", "eth2")
				for _, end := range x.ends {
					if h == hook.XDP {
						finishing(t, end)
					}
				}
				source := text(mixedSwitch, `"eth2": 20, "eth3": 20, "eth9": [10, 20]`, `"eth2": 10`)
				c := run(t, source, x.everywhere(h, "")...)
				download(t, x.ends["eth1"], x.ends["eth0"], f.b, 4<<20)
				if got := c.ended(func(e datapath.ExitCount) bool { return e.Verdict == "REDIRECT" }); got < 100 {
					t.Errorf("%d packets were forwarded by the chain, want most of 4 MiB", got)
				}
				if n := c.ended(func(e datapath.ExitCount) bool { return e.Verdict == "PASS" }); n != 0 && h == hook.XDP {
					t.Errorf("%d packets went into the stack", n)
				}
			})
		}
	}
}

// TestStdBridgeGeneric floods where the driver has no XDP: there the kernel copies socket
// buffers.
func TestStdBridgeGeneric(t *testing.T) {
	x := switched(t, "eth0", "eth1", "eth2", "eth3", "eth8", "eth9")
	places := x.everywhere(hook.XDP, "")
	for i := range places {
		places[i].mode = attach.Generic
	}
	run(t, sampleOf(t, "bridge"), places...)
	x.flooded(t, "eth0", nil, map[string][]tag{"eth1": nil})
}
