package wtest

import (
	"bytes"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// capture writes a capture of packets that are a second apart.
func capture(t *testing.T, frames ...[]byte) string {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(1000+int64(i), 0), CaptureLength: len(f), Length: len(f)}
		if err := w.WritePacket(ci, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestReplay: a capture is run at its own times, and what was not dropped is compared
// with another one.
func TestReplay(t *testing.T) {
	in := [][]byte{
		build(t, `packet(ip4(src = "203.0.113.9"), udp(dport = 1))`),
		build(t, `packet(ip4(src = "198.51.100.1"), udp(dport = 2))`),
		build(t, `packet(arp())`),
	}
	out := [][]byte{build(t, `packet(ip4(src = "203.0.113.9", ttl = 17), udp(dport = 1))`), in[2]}
	files := map[string]string{
		"sub/guard.weir": guard, "sub/in.pcap": capture(t, in...), "sub/out.pcap": capture(t, out...),
		"sub/a_test.weir": `load("./guard.weir", "main", "seen")

def test_replay():
    start = now()
    r = replay(main, "in.pcap")
    assert.eq(r.verdicts, [PASS, DROP, PASS])
    assert.eq(r.packets, expect("out.pcap"))
    assert.eq(r.counts, {"hit": 1})
    assert.eq([x.reason for x in r.results], [None, "blocked", None])
    assert.eq(now() - start, 2000000000)

def test_other():
    assert.eq(replay(main, "in.pcap", hook = "tc-egress").packets, expect("in.pcap"))
`,
	}
	got := runs(t, files, "sub/a_test.weir", Options{})
	want := `passed test_replay:3 
failed test_other:13 not equal
          at index 0:
          eth     dst 02:00:00:00:00:02  src 02:00:00:00:00:01  type 0x0800
    got   ip4     version 4  ihl 5  dscp 0  ecn 0  len 28  id 0  df False  mf False  frag_off 0  ttl 17  proto 17  checksum 0xabc5  src 203.0.113.9  dst 192.0.2.2
    want  ip4     version 4  ihl 5  dscp 0  ecn 0  len 28  id 0  df False  mf False  frag_off 0  ttl 64  proto 17  checksum 0x7cc5  src 203.0.113.9  dst 192.0.2.2
                                                                                                 ^^^^^^            ^^^^^^^^^^^^^^^
          udp     sport 0  dport 1  len 8  checksum 0x01d1
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
