package traffic

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"weir/hook"
	"weir/lab"
)

// withinSigmas fails if n of trials, each of probability p, is further from its
// mean than five standard deviations.
func withinSigmas(t *testing.T, what string, n, trials uint64, p float64) {
	t.Helper()
	mean := float64(trials) * p
	off := (float64(n) - mean) / math.Sqrt(mean*(1-p))
	t.Logf("%s: %d of %d, %.2f standard deviations off", what, n, trials, off)
	if math.Abs(off) > 5 {
		t.Errorf("%s: %d of %d, want %.0f", what, n, trials, mean)
	}
}

// bucketChain counts what a token bucket admits of each source. For each it
// notes the time from the first packet to the last, and how long the bucket was
// full for want of packets: then it does not fill.
const bucketChain = `
load("std/rate.weir", "token_bucket")
bucket   = token_bucket(key = ip4, size = 16)
rate     = param(u32, 1000)
burst    = param(u32, 100)
Source   = record(offered = u64, admitted = u64, first = u64, last = u64, full = u64)
sources  = table(ip4, Source, size = 16)
admitted = table(ip4, u64, size = 16)
offered  = table(ip4, u64, size = 16)
span     = table(ip4, u64, size = 16)
full     = table(ip4, u64, size = 16)

def main(pkt):
    if pkt.udp.dport != 4242:
        return PASS
    k = pkt.ip4.src
    s = sources[k]
    if not s:
        sources[k] = Source(first = pkt.now, last = pkt.now)
        s = sources[k]
    gap = pkt.now - s.last
    fill = 1000000000 * burst // rate
    if gap > fill:
        full[k] += gap - fill
    s.last = pkt.now
    span[k] = pkt.now - s.first
    offered[k] += 1
    if not bucket.allow(k, rate = rate, burst = burst):
        return drop("limited")
    admitted[k] += 1
    return drop("admitted")
`

// TestTokenBucket offers 100,000 packets a second to buckets that fill at 1,000:
// one source, then two, then one with another budget.
func TestTokenBucket(t *testing.T) {
	for _, x := range []struct {
		name        string
		sources     []netip.Addr
		rate, burst uint64
	}{
		{"one source", addrs("198.18.0.1"), 1000, 100},
		{"two sources", addrs("198.18.0.1", "198.18.0.2"), 1000, 100},
		{"no burst to speak of", addrs("198.18.0.1"), 5000, 20},
		{"another budget", addrs("198.18.0.1", "198.18.0.3"), 10_000, 3000},
	} {
		t.Run(x.name, func(t *testing.T) {
			a, b := pair(t, lab.LinkOptions{})
			c := run(t, bucketChain, place{at: b, hook: hook.XDP})
			c.set("rate", x.rate)
			c.set("burst", x.burst)
			f := udpFlood(t, a, b)
			f.Sources, f.SourceSet, f.Pin = netip.Prefix{}, x.sources, true
			f.PPS, f.Duration = 100_000, long(time.Second, 10*time.Second)
			flood(t, a.Host, f)
			for _, s := range x.sources {
				k := s.String()
				admitted := float64(c.table("admitted")[k])
				span, full := float64(c.table("span")[k])/1e9, float64(c.table("full")[k])/1e9
				most := float64(x.burst) + float64(x.rate)*span
				least := float64(x.burst) + float64(x.rate)*(span-full)
				what := fmt.Sprintf("%s: %.0f of %d admitted in %.3f s (%.3f s full), budget %.0f",
					k, admitted, c.table("offered")[k], span, full, most)
				t.Log(what)
				// Several pauses, each too short to count as one, fill a bucket, too.
				if admitted > 1.02*most || admitted < 0.75*least {
					t.Errorf("%s: want %.0f to %.0f", what, 0.75*least, 1.02*most)
				}
			}
		})
	}
}

func addrs(ss ...string) (as []netip.Addr) {
	for _, s := range ss {
		as = append(as, netip.MustParseAddr(s))
	}
	return as
}
