package traffic

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"weir/hook"
	"weir/lab"
)

// mergedChain notes what stands deep in large TCP packets, by their sequence
// number, so that the test can tell what should have stood there.
const mergedChain = `
at      = table(u32, u64, size = 65536)
near    = table(u32, u64, size = 65536)
lengths = table(u32, u32, size = 65536)
frames  = table(u32, u32, size = 65536)
first   = array(u32, size = 1)

def main(pkt):
    t = pkt.tcp
    if t.dport != 5001:
        return PASS
    if t.syn:
        first[0] = t.seq + 1
        return PASS
    p = pkt.payload
    if p.len == 0:
        return PASS
    count("octets", p.len)
    if p.startswith(b"WEIR-STARTS-HERE"):
        count("start")
    if p.len > DEEP + 8:
        count("big")
        at[t.seq] = p.u64(DEEP)
        near[t.seq] = p.u32(1500)
        lengths[t.seq] = p.len
        frames[t.seq] = pkt.len
        if p.u8(DEEP) == 0x2a:
            count("star")
        count("end", p.u8(p.len - 1))
        if p.u64(p.len - 7) != 0:
            count("beyond")
    return PASS
`

// mergedCases are the ways in which TCP packets come merged.
var mergedCases = []mergedCase{
	{"not yet cut at tc-egress", hook.TCEgress, 60_000, false},
	{"never cut at tc-ingress", hook.TCIngress, 60_000, false},
	{"merged again at tc-ingress", hook.TCIngress, 16_000, true},
}

type mergedCase struct {
	name string
	hook hook.Hook
	deep int
	cut  bool // the sender cuts, the receiver merges again
}

// pair returns the two ends of a link for the case, and which of them its hook is
// at.
func (x mergedCase) pair(t *testing.T) (a, b, at lab.Iface) {
	t.Helper()
	a, b = pair(t, lab.LinkOptions{})
	if x.cut {
		if err := a.Host.SetOffload(a.Name, false, lab.TSO); err != nil {
			t.Fatal(err)
		}
	}
	if x.hook == hook.TCEgress {
		return a, b, a
	}
	return a, b, b
}

// TestMerged sends bulk TCP and reads at octet 60,000 of packets.
func TestMerged(t *testing.T) {
	for _, x := range mergedCases {
		for _, f := range families {
			t.Run(x.name+"/"+f.name, func(t *testing.T) {
				a, b, at := x.pair(t)
				c := run(t, text(mergedChain, "DEEP", x.deep), place{at: at, hook: x.hook})
				stream := append([]byte("WEIR-STARTS-HERE"), pattern(long(4<<20, 64<<20))...)
				before := must(a.Host.Counters())(t)
				sendStream(t, a, b, f, stream)
				again := must(a.Host.Counters())(t).Since(before).MIB["TcpRetransSegs"]
				checkMerged(t, c, stream, x.deep, again)
			})
		}
	}
}

// sendStream sends octets from a to b by TCP.
func sendStream(t *testing.T, a, b lab.Iface, f family, stream []byte) {
	t.Helper()
	l := listen(t, b.Host, f.b, 5001)
	got := make(chan []byte, 1)
	go func() {
		defer close(got)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(15 * time.Second))
		b, _ := io.ReadAll(conn)
		got <- b
	}()
	conn, err := dial(a.Host, 0, netip.AddrPortFrom(f.b, 5001), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(15 * time.Second))
	if _, err := conn.Write(stream); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if !bytes.Equal(<-got, stream) {
		t.Fatal("the stream arrived otherwise than it was sent")
	}
}

func checkMerged(t *testing.T, c *chain, stream []byte, deep int, again uint64) {
	t.Helper()
	if n := c.count("octets"); n != uint64(len(stream)) && (again == 0 || n < uint64(len(stream))) {
		t.Errorf("payloads of %d octets in all, want %d (%d segments sent again)", n, len(stream), again)
	}
	if n := c.count("start"); n != 1 && again == 0 {
		t.Errorf("%d packets start with the stream's start, want 1", n)
	}
	first := uint32(c.array("first")[0])
	lengths, frames, near := c.table("lengths"), c.table("frames"), c.table("near")
	var largest, stars, ends uint64
	for seq, got := range c.table("at") {
		pos := int(uint32(must(strconv.ParseUint(seq, 10, 32))(t)) - first)
		if want := binary.BigEndian.Uint64(stream[pos+deep:]); got != want {
			t.Errorf("octet %d of the packet at %d: %#x, want %#x", deep, pos, got, want)
		}
		if want := uint64(binary.BigEndian.Uint32(stream[pos+1500:])); near[seq] != want {
			t.Errorf("octet 1500 of the packet at %d: %#x, want %#x", pos, near[seq], want)
		}
		end := pos + int(lengths[seq])
		if end > len(stream) || frames[seq] < lengths[seq]+54 {
			t.Fatalf("the packet at %d has %d octets of payload in a frame of %d", pos, lengths[seq], frames[seq])
		}
		if stream[pos+deep] == 0x2a {
			stars++
		}
		ends += uint64(stream[end-1])
		largest = max(largest, frames[seq])
	}
	for name, want := range map[string]uint64{"star": stars, "end": ends, "beyond": 0, "big": uint64(len(lengths))} {
		if got := c.count(name); got != want && again == 0 {
			t.Errorf("counted %s: %d, want %d", name, got, want)
		}
	}
	if len(lengths) < 5 || largest <= uint64(deep) {
		t.Errorf("%d packets beyond %d octets, the largest of %d: want merged ones", len(lengths), deep, largest)
	}
	t.Logf("%d packets beyond %d octets, the largest of %d; %d matched", len(lengths), deep, largest, stars)
}
