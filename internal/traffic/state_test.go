package traffic

import (
	"net/netip"
	"testing"
	"time"

	"weir/hook"
	"weir/lab"
)

// udpFlood is a flood of small UDP packets from a to b.
func udpFlood(t *testing.T, a, b lab.Iface) lab.Flood {
	t.Helper()
	from := lab.Station{MAC: a.MAC, Addr: netip.AddrPortFrom(a4, 4000)}
	to := lab.Station{MAC: b.MAC, Addr: netip.AddrPortFrom(b4, 4242)}
	return lab.Flood{
		Iface: a.Name, Template: must(lab.UDPFrame(from, to, pattern(18)))(t),
		Sources: netip.MustParsePrefix("64.0.0.0/3"), Duration: 10 * time.Second,
	}
}

// flood runs a flood. What it gives as sent is what arrived: where others use the CPU
// for a moment, the ring of the receiving end overflows.
func flood(t *testing.T, h *lab.Host, f lab.Flood) lab.FloodStats {
	t.Helper()
	st, err := h.Flood(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if st.Lost > st.Sent/5 {
		t.Fatalf("%d of %d packets lost", st.Lost, st.Sent)
	}
	st.Sent -= st.Lost
	return st
}

// TestNewKeys sends a million new keys a second to an expiring table with room
// for a thousand: it goes on accepting new ones as fast as old ones expire.
func TestNewKeys(t *testing.T) {
	const source = `
seen = table(ip4, u32, size = 1000, expiring = "TTL")
when = array(u64, size = 2)

def main(pkt):
    if pkt.udp.dport != 4242:
        return PASS
    if when[0] == 0:
        when[0] = pkt.now
    when[1] = pkt.now
    k = pkt.ip4.src
    if k in seen:
        return drop("known")
    seen[k] = 1
    if k in seen:
        return drop("kept")
    return drop("refused")
`
	ttl := long(200*time.Millisecond, time.Second)
	a, b := pair(t, lab.LinkOptions{})
	c := run(t, text(source, "TTL", ttl), place{at: b, hook: hook.XDP})
	f := udpFlood(t, a, b)
	f.PPS, f.Duration = 1_000_000, long(time.Second, 5*time.Second)
	st := flood(t, a.Host, f)

	kept, refused := c.dropped("kept"), c.dropped("refused")
	when := c.array("when")
	elapsed := float64(when[1]-when[0]) / float64(ttl)
	if want := 1000 * elapsed / 2; float64(kept) < want {
		t.Errorf("%d keys kept in %.1f times to live, want at least %.0f", kept, elapsed, want)
	}
	if most := 1000 * (elapsed + 2); float64(kept) > most {
		t.Errorf("%d keys kept in %.1f times to live, room is for %.0f", kept, elapsed, most)
	}
	if n := c.refused("seen"); n != refused || n == 0 || kept+refused+c.dropped("known") != st.Sent {
		t.Errorf("of %d: %d kept, %d known, %d refused, %d counted as refused", st.Sent, kept, c.dropped("known"), refused, n)
	}
	if n := len(c.table("seen")); n > 1000 {
		t.Errorf("%d entries in a table of 1000", n)
	}

	time.Sleep(ttl + ttl/8)
	if n := len(c.table("seen")); n != 0 {
		t.Errorf("%d entries when all have expired", n)
	}
	f.PPS, f.Packets = 0, 500
	flood(t, a.Host, f)
	if n := c.dropped("kept") - kept; n < 499 { // two sources may be the same
		t.Errorf("%d of 500 keys kept when all had expired", n)
	}
	t.Logf("%d packets, %.2f Mpps: %d keys kept in %.1f times to live of %v, %d refused",
		st.Sent, float64(st.Sent)/st.Elapsed.Seconds()/1e6, kept, elapsed, ttl, refused)
}

// TestSample takes one packet in ten.
func TestSample(t *testing.T) {
	const source = `
def main(pkt):
    if pkt.udp.dport != 4242:
        return PASS
    if sample(10):
        return drop("taken")
    return drop("left")
`
	a, b := pair(t, lab.LinkOptions{})
	c := run(t, source, place{at: b, hook: hook.XDP})
	f := udpFlood(t, a, b)
	f.Packets = long[uint64](200_000, 10_000_000)
	st := flood(t, a.Host, f)
	taken := c.dropped("taken")
	if n := taken + c.dropped("left"); n != st.Sent {
		t.Errorf("%d seen, %d sent", n, st.Sent)
	}
	withinSigmas(t, "sampled", taken, st.Sent, 0.1)
}
