package traffic

import (
	"errors"
	"fmt"
	"testing"

	"weir/datapath"
	"weir/examples"
	"weir/hook"
	"weir/lab"
)

// TestVLANDeviceBehindTrunk joins a host at an access port of a switch that a chain is to
// one behind its trunk, where the kernel's VLAN device takes the tags off and puts them on.
func TestVLANDeviceBehindTrunk(t *testing.T) {
	example := string(examples.MustRead("switch.weir"))
	for _, tt := range []struct {
		name, source string
		places       func(star) []place
	}{
		{"module at tc-ingress", mixedSwitch, func(x star) []place { return x.everywhere(hook.TCIngress, "") }},
		{"module behind xdp", mixedSwitch, func(x star) []place {
			return append(x.everywhere(hook.XDP, "fast"), x.everywhere(hook.TCIngress, "flood")...)
		}},
		{"example", example, func(x star) []place {
			return append(x.everywhere(hook.XDP, ""), x.everywhere(hook.TCIngress, "flood")...)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			x, m := star{map[string]lab.Iface{}, map[string]lab.Iface{}}, newHost(t, l, "m")
			for _, port := range []string{"eth0", "eth1", "eth2", "eth3", "eth9"} { // the sources name them
				var o lab.LinkOptions
				if port == "eth2" {
					o.A.Addrs = lab.MustPrefixes("10.0.7.1/24", "fd07::1/64")
				}
				x.ends[port], x.at[port] = link(t, l, newHost(t, l, "host"+port), m, "eth0", port, o)
			}
			a, far := x.ends["eth2"], x.ends["eth9"]
			finishing(t, a)
			tagsInData(t, far)
			v := vlan(t, far, 20, "10.0.7.2/24", "fd07::2/64")
			c := run(t, tt.source, tt.places(x)...)
			throughTags(t, a, v)
			if got := c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "REDIRECT" }); got < 50 {
				t.Errorf("%d frames went to the port of their station, want most of 16 MiB", got)
			}
		})
	}
}

// TestVLANDeviceOverWire joins VLAN devices by a wire that a chain is: it carries the tags.
func TestVLANDeviceOverWire(t *testing.T) {
	for _, x := range []struct {
		name  string
		hook  hook.Hook
		outer string // protocol of one more tag
	}{
		{"one tag", hook.XDP, ""},
		{"one tag", hook.TCIngress, ""},
		{"two tags of 802.1Q", hook.XDP, "802.1Q"},
		{"two tags of 802.1Q", hook.TCIngress, "802.1Q"},
		{"802.1ad", hook.TCIngress, "802.1ad"},
	} {
		t.Run(x.name+"/"+x.hook.String(), func(t *testing.T) {
			n := apart(t)
			va := tagging(t, n.a, x.hook, x.outer, "10.0.7.1/24", "fd07::1/64")
			vc := tagging(t, n.c, x.hook, x.outer, "10.0.7.2/24", "fd07::2/64")
			c := run(t, sampleOf(t, "xconnect"), place{at: n.m0, hook: x.hook}, place{at: n.m1, hook: x.hook})
			throughTags(t, va, vc)
			if got := c.ended(func(e datapath.ExitCount) bool { return e.Verdict == "REDIRECT" }); got < 50 {
				t.Errorf("%d frames went through the chain, want most of 16 MiB", got)
			}
		})
	}
}

// tagging makes a VLAN device, above one for another tag if that is asked for. At XDP, which
// cannot look beside the packet, all tags are in the data.
func tagging(t *testing.T, under lab.Iface, h hook.Hook, outer string, addrs ...string) lab.Iface {
	t.Helper()
	if h == hook.XDP {
		tagsInData(t, under)
	}
	if outer != "" {
		err := configure(t, under.Host, fmt.Sprintf("link add link %s name outer type vlan proto %s id 100", under.Name, outer))
		if errors.Is(err, lab.ErrNotSupported) {
			t.Skip(err)
		}
		if err == nil {
			err = configure(t, under.Host, "link set outer mtu 1496 up") // a link has room for one tag beyond its MTU
		}
		if err != nil {
			t.Fatal(err)
		}
		under.Name = "outer"
	}
	return vlan(t, under, vlanID, addrs...)
}

// throughTags sends pings and downloads between the two ends of a VLAN, both ways.
func throughTags(t *testing.T, a, b lab.Iface) {
	t.Helper()
	for i, f := range vlanFamilies {
		p := newPinger(t, a.Host, f.a)
		for seq := range 5 {
			p.ping(f.b, uint16(77+i), uint16(seq), pattern(100+200*seq))
		}
		if got := p.answers(uint16(77+i), 5); got != 5 {
			t.Errorf("%s: %d of 5 pings were answered", f.name, got)
		}
		download(t, b, a, f.b, 4<<20)
		download(t, a, b, f.a, 4<<20)
	}
}
