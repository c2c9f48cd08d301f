package trace

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"

	"weir/hook"
	"weir/lang"
)

// What is timed is the packet as the hook sees it: it goes the way that it went when it
// was replayed.
func TestStopwatchGoesTheWay(t *testing.T) {
	const source = `
def main(pkt):
    if pkt.ip4:
        count("ip4")
    return PASS
`
	for _, h := range hook.All() {
		if h.Info().Conn {
			continue
		}
		p, err := lang.Compile([]byte(source), lang.Options{File: "a.weir", Hook: h})
		if err != nil {
			t.Fatal(err)
		}
		s, err := newStopwatch(p, Options{Repeat: 10}, start)
		if errors.Is(err, ebpf.ErrNotSupported) {
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", h, err)
		}
		if err := s.time(t.Context(), ipFrame(64), ipFrame(64), start); err != nil {
			t.Errorf("%s: %v", h, err)
		}
		counts, err := s.r.Counts()
		if err != nil || len(counts) != 1 || counts[0].N < 10 {
			t.Errorf("%s: %+v, %v, want 10 or more", h, counts, err)
		}
		s.close()
	}
}
