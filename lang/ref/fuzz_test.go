package ref

import "testing"

// FuzzFrame reads and writes everything that a frame may have: no frame is
// refused, and its length stays.
func FuzzFrame(f *testing.F) {
	t := &testing.T{}
	for _, frame := range [][]byte{nil, udp4(t), tcp4(t), tcp6(t), icmp6(t), tagged(udp4(t), 0x88a8, 1), ext6(t, 0, opts6(44, 0), fragment6(17, 0))} {
		f.Add(frame)
	}
	const src = `
def main(pkt):
    pkt.eth.src, pkt.eth.dst = pkt.eth.dst, pkt.eth.src
    pkt.ip.src, pkt.ip.dst = pkt.ip.dst, pkt.ip.src
    pkt.l4.sport, pkt.l4.dport = pkt.l4.dport, pkt.l4.sport
    pkt.vlan.id = pkt.vlan2.id + pkt.vlan.prio + pkt.vlan2.dei
    pkt.ip4.ttl = pkt.ip6.hop_limit + pkt.ip.ttl + pkt.ip4.len + pkt.ip.len + pkt.ip4.ihl + pkt.ip4.frag_off
    pkt.ip6.flow = pkt.ip4.id + pkt.ip.proto + pkt.ip.fragment + pkt.ip6.next + pkt.ip.dscp
    pkt.tcp.seq = pkt.tcp.ack + pkt.tcp.doff + pkt.tcp.flags + pkt.tcp.window + pkt.tcp.urg
    pkt.icmp4.id = pkt.icmp6.seq + pkt.icmp4.type
    pkt.icmp6.code = pkt.sctp.tag + pkt.udp.len
    n = pkt.payload.u8(0) + pkt.payload.u64(1) + pkt.u32(pkt.len - 4) + pkt.payload.startswith(b"GET")
    return drop("x") if n else PASS
`
	c, err := (&world{}).tryOpen(src)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := c.Run(frame)
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		if len(r.Frame) != len(frame) {
			t.Fatalf("length %d, want %d", len(r.Frame), len(frame))
		}
	})
}
