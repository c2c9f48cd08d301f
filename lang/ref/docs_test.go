package ref

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// library opens chains with the standard library as it is in the tree.
func library(t *testing.T) *world {
	t.Helper()
	w := &world{now: 3_600_000_000_000, modules: map[string]string{}}
	files, err := filepath.Glob("../std/*.weir")
	if err != nil || len(files) == 0 {
		t.Fatalf("no standard library: %v", err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		w.modules["std/"+filepath.Base(f)] = string(src)
	}
	return w
}

// Every whole program of the manual and the examples runs.
func TestManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)```python[^\n]*\n(.*?)```").FindAllStringSubmatch(string(manual), -1) {
		if strings.Contains(block[1], "def main(pkt)") || strings.Contains(block[1], "def main(conn)") {
			programs[strings.SplitN(block[1], "\n", 2)[0]] = block[1]
		}
	}
	examples, _ := filepath.Glob("../../examples/*.weir")
	for _, f := range examples {
		if strings.HasSuffix(f, "_test.weir") {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		programs[filepath.Base(f)] = string(src)
	}
	if len(programs) == 0 {
		t.Fatal("no programs found")
	}
	for name, src := range programs {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(src, "def main(conn)") {
				runConns(t, src)
				return
			}
			c := library(t).open(t, src)
			for _, f := range [][]byte{nil, udp4(t), tcp4(t), udp6(t), tcp6(t), icmp4(t), icmp6(t), tagged(udp4(t), 0x8100, 5)} {
				run(t, c, f)
				c.Maps()
			}
		})
	}
}

// The library's token bucket: by hand from its promise.
func TestLibraryBucket(t *testing.T) {
	w := library(t)
	c := w.open(t, `
load("std/rate.weir", "token_bucket")
rate = param(u32, 1000)
b = token_bucket(key = ip4, size = 8)
def main(pkt):
    return PASS if b.allow(pkt.ip4.src, rate = rate, burst = 5) else DROP
`)
	passed := func() (n int) {
		for range 20 {
			if run(t, c, udp4(t)).Verdict == "PASS" {
				n++
			}
		}
		return n
	}
	for i, step := range []struct {
		wait uint64
		want int
	}{{0, 5}, {0, 0}, {1_000_000, 1}, {2_500_000, 2}, {500_000, 1}, {60_000_000_000, 5}} {
		w.now += step.wait
		if got := passed(); got != step.want {
			t.Errorf("step %d: %d passed, want %d", i, got, step.want)
		}
	}
}

// runConns runs a chain of connections at the hook that takes it.
func runConns(t *testing.T, src string) {
	t.Helper()
	hook := "connect"
	if strings.Contains(src, "to_socket(") {
		hook = "sk-lookup"
	}
	c, err := Open("conn.weir", []byte(src), Options{Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	for _, dst := range []string{"192.0.2.1", "10.96.0.1", "2001:db8:1::5", "fd00:96::53", "::ffff:10.96.0.1"} {
		for _, port := range []uint16{25, 53, 80, 8000, 8443} {
			to := netip.MustParseAddr(dst)
			from := netip.IPv6Unspecified()
			if to.Is4() {
				from = netip.IPv4Unspecified()
			}
			for _, proto := range []uint8{6, 17} {
				if _, _, err := c.RunConn(Conn{Proto: proto, Src: from, Dst: to, DstPort: port, UID: 1000}); err != nil {
					t.Errorf("to %s port %d: %v", dst, port, err)
				}
			}
		}
	}
}
