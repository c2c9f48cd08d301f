package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"weir/hook"
	"weir/lang"
)

func compile(t *testing.T, source string, o lang.Options) *lang.Program {
	t.Helper()
	o.File = "edge.weir"
	p, err := lang.Compile([]byte(source), o)
	if err != nil {
		t.Fatalf("compile for %s: %v", o.Hook, err)
	}
	return p
}

// udp returns a frame of UDP over IPv4.
func udp(t *testing.T, src string, dport uint16, size int) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.ParseIP(src), DstIP: net.ParseIP("192.0.2.1")}
	u := &layers.UDP{SrcPort: 4000, DstPort: layers.UDPPort(dport)}
	u.SetNetworkLayerForChecksum(ip)
	b := gopacket.NewSerializeBuffer()
	eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 2}, DstMAC: []byte{2, 0, 0, 0, 0, 1}, EthernetType: layers.EthernetTypeIPv4}
	o := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, o, eth, ip, u, gopacket.Payload(make([]byte, size))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A compiled chain gives at every hook the lines and reasons of its source.
func TestCompiled(t *testing.T) {
	const source = `
blocked = lpm(prefix4, size = 100, init = [prefix4("203.0.113.0/24")])
limit = param(u32, 2, unit = "packets")
hits = table(ip4, u64, size = 100)

def main(pkt):
    if not pkt.ip4:
        return PASS
    if pkt.ip4.src in blocked:
        count("blocked")
        return drop("blocked")
    if hits.incr(pkt.ip4.src) > limit:
        return drop("limited")
    if pkt.udp.dport == 7:
        return redirect("wnone1")
    if pkt.udp.dport == 8:
        pkt.ip4.ttl = 9
        return TX
`
	frames := [][]byte{
		arp(60), udp(t, "203.0.113.9", 1, 10), udp(t, "192.0.2.9", 1, 10), udp(t, "192.0.2.9", 7, 10),
		udp(t, "192.0.2.9", 8, 10), udp(t, "192.0.2.10", 8, 10),
	}
	const want = `{"n":1,"verdict":"PASS","reason":"","line":8,"in_len":60,"out_len":60}
{"n":2,"verdict":"DROP","reason":"blocked","line":11,"in_len":60,"out_len":60}
{"n":3,"verdict":"PASS","reason":"","line":6,"in_len":60,"out_len":60}
{"n":4,"verdict":"REDIRECT","reason":"","line":15,"in_len":60,"out_len":60,"to":"wnone1"}
{"n":5,"verdict":"DROP","reason":"limited","line":13,"in_len":60,"out_len":60}
{"n":6,"verdict":"TX","reason":"","line":18,"in_len":60,"out_len":60}
{"packets":6,"verdicts":{"DROP":2,"PASS":2,"REDIRECT":1,"TX":1},"counts":{"blocked":1},"reasons":{"blocked":1,"limited":1}}
`
	for _, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			var text strings.Builder
			var out bytes.Buffer
			e := json.NewEncoder(&text)
			o := Options{Out: &out, Each: func(r Result) error { return e.Encode(r) }}
			sum, err := Replay(context.Background(), compile(t, source, lang.Options{Hook: h, Trace: true}),
				pcapFile(t, layers.LinkTypeEthernet, frames...), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Encode(sum); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, text.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			r, err := pcapgo.NewReader(&out)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range []int{0, 2, 3, 5} {
				data, _, err := r.ReadPacketData()
				if err != nil {
					t.Fatal(err)
				}
				if changed := !bytes.Equal(data, frames[i]); changed != (i == 5) {
					t.Errorf("packet %d: changed %t", i+1, changed)
				}
			}
		})
	}
}

// The clock is read once a packet, whichever of the ways through a chain, or through
// the chains before it, has read it first.
func TestClockOnce(t *testing.T) {
	const first = `
at = array(u64, size = 1)

def main(pkt):
    at[0] = 0
    if pkt.udp:
        if pkt.udp.dport % 2 == 0:
            at[0] = pkt.now
        for i in range(2):
            if pkt.udp.dport == 3:
                if i == 1 and pkt.now != at[0]:
                    return drop("wrong in a loop")
                at[0] = pkt.now
    return PASS
`
	const second = `
load("./edge.weir", "at")

def main(pkt):
    if at[0] and at[0] != pkt.now:
        return drop("wrong")
    return TX if at[0] else PASS
`
	then := []lang.Part{{File: "second.weir", Source: []byte(second)}}
	for _, h := range hook.Frames() {
		var got []string
		o := Options{Each: func(r Result) error { got = append(got, r.Chain+" "+r.Verdict+r.Reason); return nil }}
		_, err := Replay(context.Background(), compile(t, first, lang.Options{Hook: h, Trace: true, Then: then}),
			pcapFile(t, layers.LinkTypeEthernet, arp(60), udp(t, "192.0.2.9", 1, 10), udp(t, "192.0.2.9", 2, 10), udp(t, "192.0.2.9", 3, 10)), o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"second PASS", "second PASS", "second TX", "second TX"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", h, diff)
		}
	}
}

// With the clock of the capture, what expires does so by its times, the first
// content too, and the same file gives the same result at any time.
func TestCaptureClock(t *testing.T) {
	const source = `
recent = table(ip4, u32, size = 100, expiring = "10s", init = {ip4("192.0.2.9"): 5})

def main(pkt):
    if pkt.ip4.src in recent:
        return drop("recent")
    recent[pkt.ip4.src] = 1
    return PASS
`
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(snapLen, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 9, 11, 20, 22} { // there until 10; written at 11, until 21; written at 22
		f := udp(t, "192.0.2.9", 1, 10)
		ci := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(at) * time.Second), CaptureLength: len(f), Length: len(f)}
		if err := w.WritePacket(ci, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range hook.Frames() {
		var got []string
		o := Options{Each: func(r Result) error { got = append(got, r.Verdict); return nil }}
		_, err := Replay(context.Background(), compile(t, source, lang.Options{Hook: h, Trace: true, Clock: true}), bytes.NewReader(b.Bytes()), o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"DROP", "DROP", "PASS", "DROP", "PASS"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", h, diff)
		}
	}
}

// Large XDP frames go to the program for fragments, with the same maps.
func TestCompiledFrags(t *testing.T) {
	const source = `
def main(pkt):
    count("seen")
    if pkt.u8(9000) == 7:
        return drop("byte")
    return PASS
`
	o := lang.Options{Trace: true}
	p := compile(t, source, o)
	o.Frags = true
	big := udp(t, "192.0.2.9", 1, 9000)
	big[9000] = 7
	var got []string
	sum, err := Replay(context.Background(), p, pcapFile(t, layers.LinkTypeEthernet, udp(t, "192.0.2.9", 1, 10), big),
		Options{Frags: compile(t, source, o), Each: func(r Result) error { got = append(got, r.Verdict); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"PASS", "DROP"}, got); diff != "" || sum.Counts["seen"] != 2 {
		t.Errorf("counts %v, (-want +got):\n%s", sum.Counts, diff)
	}
}
