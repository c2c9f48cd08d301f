package traffic

import (
	_ "embed"
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/examples"
	"weir/hook"
	"weir/lab"
)

// stampSender sends test packets that Scapy makes, and says as JSON what Scapy finds in
// the answers: stamp_sender.py ADDRESS PORT SEQ…
//
//go:embed testdata/stamp_sender.py
var stampSender string

// A reflection is what a sender is told in the answer to a test packet.
type reflection struct {
	Seq, SeqSender   int
	SSID             int
	PTP, SenderPTP   int    // form of the time stamps
	SenderTime       string // as it was sent, octets
	SenderTTL        int
	Zero1, Zero2     int
	Scale, Mult      int // error estimate of the sender
	Padding          string
	InOrder, Another bool // it came before it went; another than the sender's time
}

// TestSTAMPOfOthers measures by a sender that others wrote: Scapy's.
func TestSTAMPOfOthers(t *testing.T) {
	needs(t, "scapy3")
	const python = "/usr/bin/python3" // Debian's, which has Debian's modules
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, x := range []struct{ own, reflector string }{{"192.0.2.9/24", "192.0.2.1"}, {"2001:db8::9/64", "2001:db8::1"}} {
			t.Run(h.String()+"/"+x.reflector, func(t *testing.T) {
				l := newLab(t)
				a0, m0 := link(t, l, newHost(t, l, "a"), newHost(t, l, "m"), "eth0", "eth0", lab.LinkOptions{A: lab.End{Addrs: lab.MustPrefixes(x.own)}})
				finishing(t, a0)
				neighbour(t, a0, netip.MustParseAddr(x.reflector), m0)
				c := answering(t, string(examples.MustRead("stamp_reflector.weir")), h, []lab.Iface{m0}, []lab.Iface{a0})
				wrong := watch(t, a0.Host)
				out := must(a0.Host.Run(bounded(t), python, "-c", stampSender, x.reflector, "862", "0", "7", "4294967295"))(t)
				var got []reflection
				if err := json.Unmarshal(out, &got); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				var want []reflection
				for i, seq := range []int{0, 7, 1<<32 - 1} {
					want = append(want, reflection{
						Seq: seq, SeqSender: seq, SSID: 100 + i, PTP: 1, SenderPTP: i % 2, SenderTime: "0102030405060708", SenderTTL: 77,
						Scale: 3, Mult: 9, Padding: "7061642e7061642e", InOrder: true, Another: true,
					})
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("answers (-want +got):\n%s", diff)
				}
				if n := c.count("reflected"); n != 3 || wrong() != 0 {
					t.Errorf("%d reflected, want 3; %d wrong checksums", n, wrong())
				}
			})
		}
	}
}
