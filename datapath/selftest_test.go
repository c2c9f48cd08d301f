package datapath

import (
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"weir/hook"
	"weir/internal/nstest"
	"weir/lang"
)

// large has a large map of each kind that packets are counted in.
const large = `
NETS   = [ip4("10.0.0.1"), ip4("10.0.0.2"), ip4("10.0.0.3")]
a      = array(u64, size = 200000)
W      = record(x = u64, y = u64)
wide   = array(W, size = 200000, init = {199999: W(x = 1, y = 2)})
perCPU = array(u64, size = 200000, percpu = True)
t      = table(ip4, u64, size = 200000, init = {ip4("192.0.2.1"): 1})
l      = lru(ip4, u64, size = 200000)
p      = lpm(prefix4, u64, size = 200000)
q      = queue(u64, size = 200000)
b      = bloom(ip4, size = 200000)
r      = ring(record(n = u32), size = 4194304)

def main(pkt):
    a[pkt.len] += 1
    a[199999] += 1
    a[3] = 5
    perCPU[199998] += 1
    wide[199999].x += wide[pkt.len].y
    t[pkt.ip4.src] += 1
    l[pkt.ip4.src] += 1
    q.push(a[199997])
    b.add(pkt.ip4.src)
    r.emit(n = pkt.len)
    if pkt.ip4.src in p or pkt.ip4.src in b or pkt.ip4.src in NETS:
        return drop("known")
    return drop("full") if a[199999] > 100000 else PASS
`

// The maps of a self-test are small whatever the chain's are, and a program that counts
// on a size passes with them.
func TestTrialIsSmall(t *testing.T) {
	p, err := lang.Compile([]byte(large), lang.Options{File: "edge.weir", Hook: hook.XDP})
	if err != nil {
		t.Fatal(err)
	}
	s := newState()
	defer s.Close()
	if _, err := s.add(trial(p), false, interfaceIndex); err != nil {
		t.Fatal(err)
	}
	for i, m := range p.Maps {
		info, err := s.maps[mapID(p, &p.Maps[i], 0)].Info()
		if err != nil {
			t.Fatal(err)
		}
		memory, _ := info.Memlock() // an empty trie takes none
		if per := uint64(ebpf.MustPossibleCPU()); memory > 256<<10*per {
			t.Errorf("%s (%s of %d entries) takes %d octets", m.Name, info.Type, info.MaxEntries, memory)
		}
	}
	if !slices.ContainsFunc(p.Maps, func(m lang.Map) bool { return m.Name == "a" && m.Spec.MaxEntries == 200000 }) {
		t.Errorf("the trial changed the program's maps: %+v", p.Maps)
	}

	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	places := []string{"wa", "wb:tc-ingress"}
	attachedAs(t, k, Options{Chains: compiled(t, n, large, places...)})
	attachedAs(t, k, Options{Chains: compiled(t, n, large, places...), Replace: true})
}
