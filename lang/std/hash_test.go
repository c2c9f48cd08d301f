package std_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// rssKey is the key of Microsoft's specification ("Verifying the RSS hash calculation").
var rssKey = []byte{
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
}

// rss is the hash bit by bit, as the specification has it.
func rss(in []byte) (sum uint32) {
	for i := range 8 * len(in) {
		if in[i/8]>>(7-i%8)&1 == 0 {
			continue
		}
		for b := range 32 {
			sum ^= uint32(rssKey[(i+b)/8]>>(7-(i+b)%8)&1) << (31 - b)
		}
	}
	return sum
}

// TestToeplitz computes the hashes that the specification lists, and those of random
// packets.
func TestToeplitz(t *testing.T) {
	k := load(t, `
load("std/hash.weir", "toeplitz")
card = toeplitz()
def main(pkt):
    numbers.emit(card.hash(pkt))
    return PASS
`)
	check := func(p probe, want uint32) {
		t.Helper()
		if _, got := through(t, k, p.bytes(t)); len(got) != 1 || got[0] != uint64(want) {
			t.Errorf("%s to %s: got %#x, want %#x", p.src, p.dst, got, want)
		}
	}
	for _, tt := range []struct {
		dst, src string
		want     uint32
	}{
		{"161.142.100.80:1766", "66.9.149.187:2794", 0x51ccc178},
		{"65.69.140.83:4739", "199.92.111.2:14230", 0xc626b0ea},
		{"12.22.207.184:38024", "24.19.198.95:12898", 0x5c2b394a},
		{"209.142.163.6:2217", "38.27.205.30:48228", 0xafc7327f},
		{"202.188.127.2:1303", "153.39.163.191:44251", 0x10e828a2},
		{"[3ffe:2501:200:3::1]:1766", "[3ffe:2501:200:1fff::7]:2794", 0x40207d3d},
		{"[ff02::1]:4739", "[3ffe:501:8::260:97ff:fe40:efab]:14230", 0xdde51bbf},
		{"[fe80::200:f8ff:fe21:67cf]:38024", "[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251", 0x02d1feef},
	} {
		check(probe{src: netip.MustParseAddrPort(tt.src), dst: netip.MustParseAddrPort(tt.dst), tcp: &layers.TCP{SYN: true}}, tt.want)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		p := random(r)
		in := append(p.src.Addr().AsSlice(), p.dst.Addr().AsSlice()...)
		in = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(in, p.src.Port()), p.dst.Port())
		check(p, rss(in))
	}
}

// TestFlowHash wants a hash for each direction, one for both, and other ones for others.
func TestFlowHash(t *testing.T) {
	k := load(t, `
load("std/hash.weir", "SYMMETRIC_KEY", "flow_hash", "symmetric_hash", "toeplitz")
card = toeplitz(SYMMETRIC_KEY)
def main(pkt):
    numbers.emit(flow_hash(pkt))
    numbers.emit(flow_hash(pkt, ports = False))
    numbers.emit(symmetric_hash(pkt))
    numbers.emit(symmetric_hash(pkt, seed = 9))
    numbers.emit(card.hash(pkt))
    return PASS
`)
	r := rand.New(rand.NewPCG(3, 4))
	seen := map[uint64]bool{}
	const flows = 3000
	for range flows {
		p := random(r)
		_, there := through(t, k, p.bytes(t))
		_, back := through(t, k, p.swapped().bytes(t))
		other := p
		other.src = netip.AddrPortFrom(p.src.Addr(), p.src.Port()^1)
		_, next := through(t, k, other.bytes(t))
		if there[0] == back[0] || there[2] != back[2] || there[3] != back[3] || there[2] == there[3] || there[4] != back[4] {
			t.Fatalf("%s to %s: %#x, back %#x", p.src, p.dst, there, back)
		}
		if there[0] == next[0] || there[1] != next[1] || there[2] == next[2] {
			t.Fatalf("%s to %s: %#x, from another port %#x", p.src, p.dst, there, next)
		}
		seen[there[2]] = true
	}
	if len(seen) < flows-2 {
		t.Errorf("%d flows have %d hashes", flows, len(seen))
	}
}

// TestChoose takes a member away: only the flows that it had go elsewhere.
func TestChoose(t *testing.T) {
	open := func(members string) func(h uint32) uint64 {
		k := load(t, fmt.Sprintf(`
load("std/hash.weir", "choose")
servers = choose([%s])
def main(pkt):
    numbers.emit(servers.pick(pkt.payload.u32(0)))
    return PASS
`, members))
		return func(h uint32) uint64 {
			p := random(rand.New(rand.NewPCG(1, 1)))
			p.body = binary.BigEndian.AppendUint32(nil, h)
			_, got := through(t, k, p.bytes(t))
			return got[0]
		}
	}
	all, fewer, turned := open("10, 20, 30, 40, 50"), open("10, 20, 40, 50"), open("50, 40, 30, 20, 10")
	r := rand.New(rand.NewPCG(5, 6))
	n := map[uint64]int{}
	for range 5000 {
		h := r.Uint32()
		was := all(h)
		n[was]++
		if is := fewer(h); is == 30 || was != 30 && is != was {
			t.Fatalf("hash %#x went from %d to %d", h, was, is)
		}
		if is := turned(h); is != was {
			t.Fatalf("hash %#x: %d of members in another order, was %d", h, is, was)
		}
	}
	for _, m := range []uint64{10, 20, 30, 40, 50} {
		if n[m] < 750 || n[m] > 1250 {
			t.Errorf("member %d has %d of 5000", m, n[m])
		}
	}
}

// jump is the function of the paper.
func jump(key uint64, n int64) int64 {
	b, j := int64(-1), int64(0)
	for j < n {
		b = j
		key = key*2862933555777941757 + 1
		j = int64(float64(b+1) * (float64(int64(1)<<31) / float64((key>>33)+1)))
	}
	return b
}

func TestJumpHash(t *testing.T) {
	k := load(t, `
load("std/hash.weir", "jump_hash")
def main(pkt):
    numbers.emit(jump_hash(pkt.payload.u64(0), pkt.payload.u32(8)))
    return PASS
`)
	r := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		h, n := r.Uint64(), 1+r.Uint32N(1<<uint(r.IntN(20)))
		p := random(r)
		p.body = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, h), n)
		if _, got := through(t, k, p.bytes(t)); got[0] != uint64(jump(h, int64(n))) {
			t.Fatalf("hash %#x of %d: got %d, want %d", h, n, got[0], jump(h, int64(n)))
		}
	}
}
