package datapath

import (
	"testing"

	"github.com/cilium/ebpf"

	"weir/lang"
)

const resetSource = `
known = bloom(ip4, size = 64, init = [ip4("192.0.2.1")])
wide  = array(u64, size = 10000, init = {9999: 3})
apart = array(u16, size = 9000, percpu = True)
hits  = table(ip4, u64, size = 16, init = {ip4("192.0.2.1"): 7})

def main(pkt):
    src = pkt.ip4.src
    if src in known:
        return DROP
    known.add(src)
    wide[9999] += 1
    apart[8999] += 1
    hits[src] += 1
    return PASS
`

// TestReset: all maps get their first content back, those that are made anew as those
// that are emptied, and the program uses the new ones.
func TestReset(t *testing.T) {
	p, err := lang.Compile([]byte(resetSource), lang.Options{File: "reset.weir"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(p, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first := mapOf(t, s, "hits").obj
	frame := make([]byte, 64)
	frame[12], frame[14], frame[17], frame[26], frame[29] = 8, 0x45, 50, 10, 1
	const drop, pass = 1, 2 // enum xdp_action
	for range 3 {
		for _, want := range []uint32{pass, drop, drop} {
			if got, err := s.Object(p).Run(&ebpf.RunOptions{Data: frame}); err != nil || got != want {
				t.Fatalf("run: %d, %v, want %d", got, err, want)
			}
		}
		check := func(when, wide, apart, hits, known string) {
			t.Helper()
			for _, tt := range []struct{ name, key, want string }{
				{"wide", "9999", wide}, {"apart", "8999", apart}, {"hits", "10.0.0.1", hits},
			} {
				if got, _ := mapOf(t, s, tt.name).Get(tt.key); got != tt.want {
					t.Errorf("%s: %s[%s] = %q, want %q", when, tt.name, tt.key, got, tt.want)
				}
			}
			for _, key := range []string{"10.0.0.1", "192.0.2.1"} {
				ok, err := mapOf(t, s, "known").Has(key)
				if want := key == "192.0.2.1" || known == "all"; err != nil || ok != want {
					t.Errorf("%s: %s in known: %t, %v", when, key, ok, err)
				}
			}
		}
		check("after runs", "4", "1", "1", "all")
		if err := s.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("after reset", "3", "0", "", "first")
	}
	if mapOf(t, s, "hits").obj != first {
		t.Error("a map that can be emptied was made anew")
	}
}
