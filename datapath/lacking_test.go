package datapath

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"

	"weir/attach"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lang"
)

// Where the kernel has no programs for a hook, the error names the kernel that has,
// whatever the program missed first.
func TestLacking(t *testing.T) {
	p, err := lang.Compile([]byte("def main(pkt):\n    return DROP if pkt.udp.dport == 9 else PASS\n"), lang.Options{File: "edge.weir", Hook: hook.NetfilterInput})
	if err != nil {
		t.Fatal(err)
	}
	n := nstest.New(t)
	k := kernel(t)
	g, err := k.Attach(t.Context(), Options{Name: "edge", Chains: []Chain{{Where: attach.Where{Netns: n.Path, Hook: hook.NetfilterInput}, Program: p}}})
	if err == nil {
		g.Close()
		return
	}
	if !errors.Is(err, ebpf.ErrNotSupported) {
		t.Errorf("%v, want what is not supported", err)
	}
	matches(t, err.Error(), `netfilter-input: Netfilter programs: not supported \(needs Linux 6\.4\): `)
}
