package lower_test

import (
	"testing"

	"weir/hook"
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/lower"
)

// first asks for nothing on some ways, for IPv4 on others, and for UDP on the rest.
const first = `
seen = table(ip4, u64, size = 8)

def main(pkt):
    if pkt.len > 1000:
        return PASS
    ip = pkt.ip4
    if not ip:
        return PASS
    if ip.ttl == 1:
        return PASS
    if not pkt.udp:
        return drop("not udp")
    seen[ip.src] += 1
    return PASS
`

const second = `
def main(pkt):
    if pkt.udp.dport == 53 and pkt.payload.len > 100:
        return drop("long")
    return PASS if pkt.ip4.ttl > 2 else DROP
`

// parses counts the places of a program that begin to look for headers: at the
// protocol of a frame without tags, and at that of an IPv4 packet.
func parses(t *testing.T, o lower.Options, sources ...string) (l3, l4 int) {
	t.Helper()
	var then []check.Part
	for i, s := range sources[1:] {
		then = append(then, check.Part{File: string(rune('b'+i)) + ".weir", Source: []byte(s)})
	}
	tree, ds := check.Check("a.weir", []byte(sources[0]), check.Options{Hook: o.Hook, Then: then})
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	res, ds := lower.Lower(tree, o)
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(res.IR.Funcs[0]); err != nil {
		t.Fatal(err)
	}
	for _, b := range res.IR.Funcs[0].Blocks {
		for _, v := range b.Values {
			if v.Op == ir.OpLoad && v.Width == 2 && v.Off == 12 {
				l3++
			}
			if v.Op == ir.OpLoad && v.Width == 1 && v.Off == 9 {
				l4++
			}
		}
	}
	return l3, l4
}

// What one chain has parsed the next ones do not parse again, on whichever way
// packets come to them; apart they do.
func TestParsedOnce(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, x := range []struct {
			name    string
			sources []string
			apart   bool
			l3, l4  int
		}{
			{"one", []string{second}, false, 1, 1},
			{"two that ask alike", []string{second, second}, false, 1, 1},
			// Ways that have not asked for it catch up: once each, whatever their number.
			{"two, of which the first asks on some ways", []string{first, second}, false, 2, 2},
			{"five", []string{first, second, second, second, second}, false, 2, 2},
			{"five, apart", []string{first, second, second, second, second}, true, 5, 5},
		} {
			l3, l4 := parses(t, lower.Options{Hook: h, Apart: x.apart}, x.sources...)
			if l3 != x.l3 || l4 != x.l4 {
				t.Errorf("%s, %s: looks for IP in %d places and behind it in %d, want %d and %d", h, x.name, l3, l4, x.l3, x.l4)
			}
		}
	}
}
