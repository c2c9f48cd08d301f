package packet_test

import (
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"weir/internal/frames"
	"weir/packet"
)

var kinds = map[gopacket.LayerType]packet.Header{
	layers.LayerTypeEthernet: packet.Eth, layers.LayerTypeDot1Q: packet.VLAN, layers.LayerTypeARP: packet.ARP,
	layers.LayerTypeIPv4: packet.IP4, layers.LayerTypeIPv6: packet.IP6, layers.LayerTypeTCP: packet.TCP,
	layers.LayerTypeUDP: packet.UDP, layers.LayerTypeSCTP: packet.SCTP, layers.LayerTypeICMPv4: packet.ICMP4,
	layers.LayerTypeICMPv6: packet.ICMP6, layers.LayerTypeGRE: packet.GRE, layers.LayerTypeIPSecESP: packet.ESP,
}

// TestLayers: the layers of the frames of the stock follow one another, and begin where
// another library finds them.
func TestLayers(t *testing.T) {
	compared := 0
	for _, f := range frames.All() {
		got := packet.Layers(f.Data)
		at := 0
		for i, l := range got {
			if l.Off < at || l.Off+l.Size > len(f.Data) || l.Size < l.Header.Size() || l.Size == 0 {
				t.Errorf("%s: layer %d of %v", f.Name, i, got)
			}
			at = l.Off + l.Size
		}
		want := decoded(f.Data)
		var have []packet.Header
		for _, l := range got {
			if l.Header == packet.VLAN2 {
				l.Header = packet.VLAN
			}
			if l.Header != packet.None && l.Header != packet.SRH {
				have = append(have, l.Header)
			}
		}
		n := min(len(want), len(have))
		if !slices.Equal(have[:n], want[:n]) {
			t.Errorf("%s: %v, the other library finds %v", f.Name, have, want)
		}
		if n > 2 {
			compared++
		}
	}
	if compared < 30 {
		t.Errorf("%d frames compared", compared)
	}
}

// decoded returns the headers that gopacket finds, up to the first that it has no name
// for here.
func decoded(b []byte) (out []packet.Header) {
	for _, l := range gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default).Layers() {
		switch t := l.LayerType(); {
		case kinds[t] != packet.None:
			out = append(out, kinds[t])
		case t == layers.LayerTypeIPv6HopByHop, t == layers.LayerTypeIPv6Destination, t == layers.LayerTypeIPv6Fragment, t == layers.LayerTypeIPv6Routing:
		default:
			return out
		}
	}
	return out
}

// TestBits: what Put stores, Get gives, and nothing else changes.
func TestBits(t *testing.T) {
	for _, h := range packet.Headers() {
		for _, f := range h.Fields() {
			if h.Size() == 0 || f.Virtual || f.Bytes > 8 || f.Kind == packet.MAC || f.Kind == packet.Addr4 {
				continue
			}
			for _, n := range []uint64{0, uint64(f.Scale), f.Max()} {
				b := slices.Repeat([]byte{0xa5}, h.Size())
				f.Put(b, n)
				if got := f.Get(b); got != n {
					t.Errorf("%s.%s: put %d, got %d", h, f.Name, n, got)
				}
				f.Put(b, f.Get(slices.Repeat([]byte{0xa5}, h.Size())))
				if !slices.Equal(b, slices.Repeat([]byte{0xa5}, h.Size())) {
					t.Errorf("%s.%s: put %d changes its neighbours: % x", h, f.Name, n, b)
				}
			}
			if short := make([]byte, f.Off); f.Get(short) != 0 {
				t.Errorf("%s.%s of a header that is cut off", h, f.Name)
			} else {
				f.Put(short, 1)
			}
		}
	}
}
