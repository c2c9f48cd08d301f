package wtest

import "testing"

// entries is a chain with maps of several kinds.
const entries = `
at   = record(x = u16, y = u16)
flow = record(n = u32, last = ip4, pos = at)
flows = table(ip4, flow, size = 8)
apart = lru(ip4, u64, size = 8, percpu = True, init = {ip4("192.0.2.1"): 40})
nets  = lpm(prefix4, flow, size = 8, init = {prefix4("192.0.0.0/8"): flow(n = 1)})
ports = table((ip4, u16), u64, size = 8)
slots = array(i32, size = 4)
brief = table(ip4, flow, size = 8, expiring = "10s")

def main(pkt):
    ip = pkt.ip4
    if not ip:
        return PASS
    r = flows[ip.src]
    if r:
        r.n += 1
    else:
        flows[ip.src] = flow(n = 1, last = ip.dst)
    apart[ip.src] += 1
    ports[(ip.src, ip.ttl)] += 1
    slots[ip.ttl % 4] += 1
    if nets[ip.src]:
        count("known", nets[ip.src].n)
    if brief[ip.src]:
        count("brief")
    return PASS
`

// TestEntries: what a test writes into a map, whole or by a field, the chain finds, and
// what it finds is what the chain would.
func TestEntries(t *testing.T) {
	for _, tt := range []struct{ name, body string }{
		{"field", `
    run(main, p)
    r = flows[A]
    r.n = 7
    r.pos.y = 9
    assert.eq(flows[A], flow(n = 7, last = ip4("192.0.2.2"), pos = at(y = 9)))
    run(main, p)
    assert.eq((r.n, flows[A].n), (7, 8))
    flows[A].n += 2
    r.last = A
    assert.eq((flows[A].n, flows[A].last, flows[A].pos.y), (10, A, 9))
    for k, v in flows.items():
        v.n = 3
    assert.eq(flows.get(A).n, 3)
`},
		{"field of what is gone", `
    run(main, p)
    r = flows.pop(A)
    r.n = 7
    assert.eq(len(flows), 0)
    run(main, p)
    r = flows[A]
    flows.clear()
    assert.fails(lambda: writes(r), "map flows: 192.0.2.1 is no key of it: write flows[…] = the whole record")
`},
		{"field that does not fit", `
    run(main, p)
    r = flows[A]
    assert.fails(lambda: writes(r, 1 << 32), "field n: 4294967296 does not fit u32")
    assert.eq((r.n, flows[A].n), (1, 1))
`},
		{"field of a prefix", `
    assert.fails(lambda: writes(nets[A]), "192.0.2.1/32 is no key of it")
    nets[prefix4("192.0.0.0/8")].n = 5
    assert.eq((nets[A].n, len(nets), run(main, p).counts), (5, 1, {"known": 5}))
`},
		{"a write of a field keeps an entry", `
    brief[A] = flow(n = 1)
    advance("9s")
    brief[A].n = 2
    advance("9s")
    assert.eq(run(main, p).counts, {"known": 1, "brief": 1})
    advance("1s")
    assert.eq((run(main, p).counts, brief[A]), ({"known": 1}, None))
`},
		{"of each CPU", `
    assert.eq(apart[A], 40)
    run(main, p)
    assert.eq(apart[A], 41)
    apart[A] = 5
    run(main, p)
    assert.eq((apart[A], apart.items()), (6, [(A, 6)]))
`},
		{"in order", `
    keys = [(ip4(a), n) for a in ["1.0.0.2", "2.0.0.1", "10.0.0.1"] for n in [1, 255, 256]][:8]
    for k in reversed(keys):
        ports[k] = k[1]
    assert.eq(list(ports), keys)
    assert.eq([k for k, v in ports.items()], keys)
    slots[2] = -1
    assert.eq(slots.items(), [(0, 0), (1, 0), (2, -1), (3, 0)])
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			head := `load("./entries.weir", "main", "at", "flow", "flows", "apart", "nets", "ports", "slots", "brief")
A = ip4("192.0.2.1")
p = packet(ip4())
def writes(r, n = 1):
    r.n = n
`
			files := map[string]string{"entries.weir": entries, "entries_test.weir": head + "def test_it():" + tt.body}
			if got := runs(t, files, "entries_test.weir", Options{}); got != "passed test_it:6 \n" {
				t.Error(got)
			}
		})
	}
}
