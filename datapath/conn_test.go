package datapath_test

import (
	"testing"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
)

// connChain compiles a chain of connections and loads it.
func connChain(t *testing.T, h hook.Hook, src string, opts lang.Options) (*datapath.State, *lang.Program) {
	t.Helper()
	opts.File, opts.Hook = "conn.weir", h
	p, err := lang.Compile([]byte(src), opts)
	if err != nil {
		t.Fatal(err)
	}
	s, err := datapath.Load(p, datapath.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, p
}

// TestConnLoads: chains of connections pass the verifier, whatever they read and
// write.
func TestConnLoads(t *testing.T) {
	connect, lookup := hook.Connect, hook.SkLookup
	for _, tt := range []struct {
		name, src string
		hook      hook.Hook
	}{
		{"all fields", `
log4 = ring(record(a = ip4, b = ip4, c = ip, d = ip, e = ip6, f = ip6, p = u16, q = u16, r = u8, i = u32), size = 65536)
def main(conn):
    log4.emit(a = conn.ip4.src, b = conn.ip4.dst, c = conn.ip.src, d = conn.ip.dst, e = conn.ip6.src, f = conn.ip6.dst,
        p = conn.sport, q = conn.dport, r = conn.proto, i = conn.ifindex)
    return DROP if conn.tcp and not conn.ip4 else reject()
`, lookup},
		{"all fields", `
log4 = ring(record(a = ip4, b = ip4, c = ip, d = ip, e = ip6, f = ip6, p = u16, q = u16, r = u8, i = u32, j = u32, k = u32, l = u64, m = u64, n = u64), size = 65536)
def main(conn):
    log4.emit(a = conn.ip4.src, b = conn.ip4.dst, c = conn.ip.src, d = conn.ip.dst, e = conn.ip6.src, f = conn.ip6.dst,
        p = conn.sport, q = conn.dport, r = conn.proto, i = conn.ifindex, j = conn.pid, k = conn.uid, l = conn.cgroup,
        m = conn.cookie, n = conn.now)
    return DROP if conn.tcp and not conn.ip4 else reject()
`, connect},
		{"writes", `
V4 = table(ip4, ip4, size = 8)
V6 = table(ip6, ip6, size = 8)
VIPS = table(ip, ip, size = 8)
def main(conn):
    if conn.ip4.dst in V4:
        conn.ip4.dst = V4[conn.ip4.dst]
        conn.dport += 1
    elif conn.ip6 and conn.ip6.dst in V6:
        conn.ip6.dst = V6[conn.ip6.dst]
    elif conn.ip.dst in VIPS:
        conn.ip.dst = VIPS[conn.ip.dst]
        conn.dport = 53
    return PASS
`, connect},
		{"a long loop", `
def main(conn):
    n = 0
    for i in range(4000):
        n += i * conn.dport
        if n == 77:
            return drop("77")
        conn.dport = n
    return PASS
`, connect},
		{"a long loop", `
def main(conn):
    n = 0
    for i in range(4000):
        n += i * conn.dport
        if n == 77:
            return to_socket("web")
    return PASS
`, lookup},
		{"a verdict of a table", `
GO = [PASS, DROP, ACCEPT, to_socket("a"), to_socket("b"), reject()]
def pick(conn):
    return to_socket("a") if conn.dport & 1 else (reject() if conn.tcp else to_socket("b"))
def main(conn):
    return pick(conn)
`, lookup},
		{"a verdict that is chosen", `
def pick(conn):
    return drop("a") if conn.dport & 1 else (reject() if conn.tcp else ACCEPT)
def main(conn):
    conn.ip6.dst = ip6("::1")
    v = pick(conn)
    return v
`, connect},
	} {
		t.Run(tt.name+" at "+tt.hook.String(), func(t *testing.T) { connChain(t, tt.hook, tt.src, lang.Options{Trace: true}) })
	}
}
