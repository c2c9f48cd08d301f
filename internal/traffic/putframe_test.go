package traffic

import (
	"encoding/binary"
	"testing"

	"weir/hook"
)

// putChain writes to the frame, in the tag and beside it, and adds up its bytes. Its
// packets are known by their last two bytes, which it writes over.
const putChain = `
sums = array(u64, size = 24)
TAIL = header(a = u8, b = u16)

def main(pkt):
    if pkt.u16(pkt.len - 2) != 0xbeef:
        return PASS
    for i in range(20):
        sums[i] = pkt.sum(i, pkt.len - 2 * i)
    pkt.put_u32(8, 0x01020304)
    if pkt.vlan:
        pkt.put_u32(13, pkt.u8(13) << 24 | 0x012300 | pkt.u8(16))
        pkt.put_bytes(10, pkt.bytes(10, 9))
    t = pkt.view(TAIL, off = pkt.len - 3)
    t.a = 0x77
    t.b = pkt.sum(0, pkt.len - 2)
    sums[20] = pkt.sum(pkt.len - 3, 3)
    sums[21] = pkt.payload.sum(1, pkt.payload.len - 1)
    return PASS
`

// onesSum is the ones' complement sum of words (RFC 1071).
func onesSum(b []byte) uint64 {
	sum := uint64(0)
	for i, x := range b {
		sum += uint64(x) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}

// TestPutFrame writes to frames whose tags the kernel keeps where it likes.
func TestPutFrame(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress, hook.TCEgress} {
		n := bridged(t, 0)
		at := n.m0
		if h == hook.TCEgress {
			at = n.m1
		}
		c := run(t, putChain, place{at: at, hook: h})
		in := captureOf(t, n.c, n.c.MAC)
		for _, tags := range [][]tag{nil, {{0x8100, 5}}, {{0x88a8, 5}, {0x8100, 0x6006}}} {
			for _, f := range families {
				p := probe(n.a, n.c, f, append(pattern(301), 0, 0xbe, 0xef)).with(func(p *packet) { p.tags = tags })
				frame := p.frame(t)
				var want []uint64
				for i := range 20 {
					want = append(want, onesSum(frame[i:len(frame)-i]))
				}
				send(t, n.a, frame)
				binary.BigEndian.PutUint32(frame[8:], 0x01020304)
				if tags != nil {
					copy(frame[14:], []byte{1, 0x23})
				}
				tail := frame[len(frame)-3:]
				tail[0] = 0x77
				binary.BigEndian.PutUint16(tail[1:], uint16(onesSum(frame[:len(frame)-2])))
				want = append(want, onesSum(tail), onesSum(frame[len(frame)-303:]))
				sameFrame(t, in, frame)
				for i, x := range c.array("sums")[:22] {
					if x != want[i] {
						t.Errorf("%s, %d tags, %s: sum %d is %#x, want %#x", h, len(tags), f.name, i, x, want[i])
					}
				}
			}
		}
	}
}
