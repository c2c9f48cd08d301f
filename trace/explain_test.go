package trace

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"weir/hook"
	"weir/lang"
)

// explained is a chain that does what can be told of.
const explained = `hits = table(ip4, u64, size = 4)
seen = table(ip4, size = 4)
names = lpm(prefix4, u16, size = 4, init = {prefix4("192.0.2.0/24"): 7})
flows = table((ip4, u16), u32, size = 4)

def double(n):
    m = n * 2
    return m

def main(pkt):
    ip = pkt.ip4
    if not ip:
        return PASS
    hits[ip.src] += 2
    if ip.src in seen:
        return drop("seen")
    elif ip.ttl > 100 or double(ip.ttl) == 7:
        return ACCEPT
    seen.add(ip.src)
    kind = names[ip.src]
    flows[(ip.src, pkt.len)] = kind
    for i in range(2):
        kind += i
    n = 0
    while n < 2:
        n += 1
    if not (n != 2 or i64(kind) > -9):
        return DROP
    ip.ttl -= 1
    return PASS
`

// TestExplain: the way of each packet is told, as it was.
func TestExplain(t *testing.T) {
	p, err := lang.Compile([]byte(explained), lang.Options{File: "a.weir", Hook: hook.TCIngress, Trace: true, Clock: true, Steps: true})
	if err != nil {
		t.Fatal(err)
	}
	f := frameOf(60)
	copy(f[12:], "\x08\x00\x45\x00\x00\x2e\x00\x00\x00\x00\x40\xfd\x00\x00\xc0\x00\x02\x01\xc0\x00\x02\x02")
	in := pcapFile(t, layers.LinkTypeEthernet, f, f, arp(42))
	var got strings.Builder
	explain := func(packet int) {
		got.Reset()
		err := Explain(t.Context(), p, bytes.NewReader(in.Bytes()), ExplainOptions{Packet: packet, Each: func(w Way) error {
			fmt.Fprintf(&got, "packet %d\n", w.N)
			for _, s := range w.Statements {
				holds := ""
				if s.Holds != nil {
					holds = fmt.Sprint(*s.Holds)
				}
				fmt.Fprintf(&got, "%d %s|%s|%s\n", s.Line, strings.TrimSpace(s.Text), holds, strings.Join(s.Notes, ", "))
			}
			fmt.Fprintf(&got, "%s %s %d\n", w.Verdict, w.Reason, w.Line)
			return nil
		}})
		if err != nil {
			fmt.Fprintln(&got, err)
		}
	}
	explain(0)
	const second = `packet 2
11 ip = pkt.ip4||ip is there
12 if not ip:|false|
14 hits[ip.src] += 2||hits[192.0.2.1] is 2, hits[…] = 4
15 if ip.src in seen:|true|seen has 192.0.2.1
16 return drop("seen")||
DROP seen 16
`
	want := `packet 1
11 ip = pkt.ip4||ip is there
12 if not ip:|false|
14 hits[ip.src] += 2||hits has no 192.0.2.1, hits[…] = 2
15 if ip.src in seen:|false|seen has no 192.0.2.1
17 elif ip.ttl > 100 or double(ip.ttl) == 7:|false|64 <= 100, n = 64, 128 != 7
7 m = n * 2||m = 128
8 return m||
19 seen.add(ip.src)||seen gets 192.0.2.1
20 kind = names[ip.src]||names[192.0.2.1] is 7, kind = 7
21 flows[(ip.src, pkt.len)] = kind||flows has no (192.0.2.1, 60), flows[…] = 7
22 for i in range(2):||i = 0
23 kind += i||kind = 7
22 for i in range(2):||i = 1
23 kind += i||kind = 8
24 n = 0||n = 0
25 while n < 2:|true|0 < 2
26 n += 1||n = 1
25 while n < 2:|true|1 < 2
26 n += 1||n = 2
27 if not (n != 2 or i64(kind) > -9):|false|2 == 2, 8 > -9
29 ip.ttl -= 1||pkt.ip4.ttl = 63
30 return PASS||
PASS  30
` + second + `packet 3
11 ip = pkt.ip4||ip is not there
12 if not ip:|true|
13 return PASS||
PASS  13
`
	if got.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", &got, want)
	}
	if explain(2); got.String() != second {
		t.Errorf("the second alone:\n%s", &got)
	}
	if explain(4); got.String() != "explain: there is no packet 4: the capture has 3\n" {
		t.Errorf("the fourth: %s", &got)
	}
}

// TestExplainLong: what has no room is left out, and said to be.
func TestExplainLong(t *testing.T) {
	src := "def main(pkt):\n    x = 0\n    for i in range(4096):\n        for k in range(8):\n            x += pkt.u8(i)\n    return PASS if x else DROP\n"
	p, err := lang.Compile([]byte(src), lang.Options{File: "a.weir", Trace: true, Steps: true})
	if err != nil {
		t.Fatal(err)
	}
	in := pcapFile(t, layers.LinkTypeEthernet, frameOf(60))
	n := 0
	err = Explain(t.Context(), p, in, ExplainOptions{Each: func(w Way) error {
		n++
		if w.Lost == 0 || len(w.Statements) < 10_000 || w.Verdict != "PASS" {
			t.Errorf("%s with %d statements, %d octets lost", w.Verdict, len(w.Statements), w.Lost)
		}
		return nil
	}})
	if err != nil || n != 1 {
		t.Errorf("%d packets: %v", n, err)
	}
}
