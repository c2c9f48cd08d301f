package differ

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/nstest"
	"weir/lang"
	"weir/lang/ref"
)

// connChains are chains of connections, by the hooks that take them.
var connChains = []struct{ name, hooks, src string }{
	{"ports", "connect sk-lookup", `
def main(conn):
    count("tcp", 1 if conn.tcp else 0)
    count("sum", conn.sport + conn.dport)
    if conn.dport in range(1000, 2000):
        return drop("range")
    return DROP if conn.udp and conn.dport == 53 else PASS
`},
	{"addresses", "connect sk-lookup", `
seen = table((ip, ip, u16, u8), u64, size = 1000)
def main(conn):
    seen[(conn.ip.src, conn.ip.dst, conn.dport, conn.proto)] += 1
    if conn.ip4.dst in prefix4("127.0.0.0/16"):
        return drop("four")
    if conn.ip6.dst in prefix6("fd00::/64") and conn.ip6:
        return drop("six")
    return ACCEPT
`},
	{"sources", "connect sk-lookup", `
four = table(ip4, u64, size = 100)
six = table(ip6, u64, size = 100)
def main(conn):
    ip = conn.ip4
    if ip:
        four[ip.src] += 1
        return PASS
    v6 = conn.ip6
    six[v6.src] += 1
    return drop("not four") if not ip and v6 else PASS
`},
	{"both families", "connect sk-lookup", `
BLOCKED = [prefix("127.1.0.0/16"), prefix("fd00::1:0:0/96")]
r = ring(record(a = ip, b = ip, p = u16, i = u32, q = u8), size = 65536)
def main(conn):
    r.emit(a = conn.ip.src, b = conn.ip.dst, p = conn.dport, i = conn.ifindex, q = conn.proto)
    if conn.ip.dst in BLOCKED:
        return reject()
    log("{} {}", conn.ip.dst, conn.now)
    return PASS
`},
	{"a function", "connect sk-lookup", `
def f(c, n):
    return c.dport % n == 1 and c.ip.dst != ip("127.0.0.1")
def main(c):
    return drop("odd") if f(c, 2) else (reject() if f(c, 3) else PASS)
`},
	{"loops", "connect sk-lookup", `
PORTS = [22, 80, 443, 1001, 8080]
def main(conn):
    for i, p in enumerate(PORTS):
        if conn.dport == p:
            return drop("listed") if i & 1 else ACCEPT
    n = 0
    for i in range(2000):
        n += conn.dport * i
        if n > 400000:
            return drop("long")
    count("n", n)
    return PASS
`},
	{"the process", "connect", `
who = table((u32, u32), u64, size = 10)
last = array(record(cgroup = u64, cookie = u64), size = 1)
def main(conn):
    who[(conn.pid, conn.uid)] += 1
    r = last[0]
    r.cgroup = conn.cgroup
    r.cookie = conn.cookie
    return PASS
`},
	{"rewrites", "connect", `
V4 = table(ip4, ip4, size = 8, init = {ip4("127.0.0.9"): ip4("127.0.0.1"), ip4("127.1.0.1"): ip4("127.0.0.3")})
V6 = table(ip6, ip6, size = 8, init = {ip6("fd00::9"): ip6("::1"), ip6("fd00::1:0:1"): ip6("fd00::2")})
def main(conn):
    if conn.ip4.dst in V4:
        conn.ip4.dst = V4[conn.ip4.dst]
        conn.dport += 1000
    elif conn.ip6.dst in V6:
        conn.ip6.dst = V6[conn.ip6.dst]
    count("after", conn.dport)
    return drop("there") if conn.ip.dst == ip("127.0.0.3") else PASS
`},
	{"rewrites either", "connect", `
TO = table(ip, ip, size = 8, init = {ip("127.0.0.9"): ip("127.0.0.1"), ip("fd00::9"): ip("::1"),
    ip("127.1.0.1"): ip("::1"), ip("fd00::1:0:1"): ip("127.0.0.1")})
def main(conn):
    if conn.ip.dst in TO:
        conn.ip.dst = TO[conn.ip.dst]
        count("to", 1 if conn.ip.dst == ip("127.0.0.1") else 2)
        conn.dport = 4242
    conn.ip6.dst = ip6("::1") if conn.dport == 443 else conn.ip6.dst
    conn.ip4.dst = ip4("127.0.0.7") if conn.dport == 80 else conn.ip4.dst
    return PASS
`},
	{"rewrites in a loop", "connect", `
def main(conn):
    for i in range(1000):
        if conn.dport & 1:
            conn.dport = conn.dport * 3 + 1
        else:
            conn.dport = conn.dport // 2
        if conn.dport == 1:
            conn.dport = i + 1
            return drop("long way") if i > 100 else PASS
    return PASS
`},
	{"a socket", "sk-lookup", `
def main(conn):
    if conn.dport in [22, 443] or conn.ip.dst in [prefix("fd00::/64"), prefix("127.1.0.0/16")]:
        return to_socket("web")
    return reject() if conn.dport == 53 else PASS
`},
	{"a socket of several", "sk-lookup", `
def pick(conn):
    return to_socket("a") if conn.dport & 1 else (to_socket("tcp:[::]:80") if conn.ip4 else drop("none"))
def main(conn):
    v = pick(conn)
    return v if v != to_socket("a") or conn.tcp else ACCEPT
`},
}

// followers are chains that follow another at connect.
var followers = []string{`
def main(conn):
    if conn.ip4.dst == ip4("127.0.0.9"):
        conn.ip4.dst = ip4("127.0.0.1")
    if conn.ip6 and conn.dport == 443:
        conn.dport = 8443
    return ACCEPT if conn.dport == 80 else PASS
`, `
seen = table((ip, u16), u64, size = 1000)
def main(conn):
    seen[(conn.ip.dst, conn.dport)] += 1
    if conn.dport == 8443 or conn.ip.dst == ip("127.0.0.1") and conn.udp:
        return drop("by the second")
    return reject() if conn.dport == 53 else PASS
`}

// TestConnsComposed: what the first chain has written the second reads.
func TestConnsComposed(t *testing.T) {
	net := connNet(t)
	cgroup := nstest.NewCgroup(t)
	c := Case{File: "first.weir", Source: []byte(followers[0]), Then: []lang.Part{{File: "second.weir", Source: []byte(followers[1])}}}
	conns := connStock(hook.Connect)
	for i := range conns {
		conns[i].Cgroup = cgroup.ID
	}
	net.Do(func() error { return c.RunConns(hook.Connect, cgroup.Dir, 0, conns) })
}

// connStock is the connections that every chain of them sees: the same for both
// hooks. At sk-lookup they come in, at connect they go out.
func connStock(h hook.Hook) []Conn {
	zero := map[bool]netip.Addr{true: netip.IPv4Unspecified(), false: netip.IPv6Unspecified()}
	var out []Conn
	add := func(proto uint8, dst string, port uint16, src netip.Addr, send bool) {
		c := ref.Conn{Proto: proto, Dst: netip.MustParseAddr(dst), DstPort: port, Src: src}
		if h == hook.SkLookup {
			c.SrcPort = 40000 + port
		}
		out = append(out, Conn{fmt.Sprintf("%d from %v to %v:%d, send %v", proto, src, dst, port, send), c, send})
	}
	for _, dst := range []string{"127.0.0.1", "127.0.0.9", "127.1.0.1", "::1", "fd00::9", "fd00::2", "fd00::1:0:1",
		"::ffff:127.0.0.1", "::ffff:127.0.0.9", "::ffff:127.1.0.1"} {
		a := netip.MustParseAddr(dst)
		if h == hook.SkLookup && a.Is4In6() {
			continue // packets are of one family
		}
		for _, port := range []uint16{22, 53, 80, 443, 1001, 1999, 2000, 8080, 65535} {
			for _, proto := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
				add(proto, dst, port, zero[a.Is4()], false)
			}
			if h == hook.Connect {
				add(unix.IPPROTO_UDP, dst, port, zero[a.Is4()], true)
			}
		}
		bound := netip.MustParseAddr(map[bool]string{true: "127.0.0.5", false: "fd00::2"}[a.Unmap().Is4()])
		if a.Is4In6() {
			bound = netip.AddrFrom16(bound.As16())
		}
		add(unix.IPPROTO_UDP, dst, 7, bound, false)
		add(unix.IPPROTO_UDP, dst, 9, bound, h == hook.Connect)
	}
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// connWorld makes what connections are made in: a network with a socket that listens,
// and a cgroup with this process.
func connWorld(t *testing.T) (net *nstest.Net, cgroup *nstest.Cgroup, listener int) {
	t.Helper()
	net = connNet(t)
	net.Do(func() (err error) {
		listener, err = listen()
		return err
	})
	t.Cleanup(func() { unix.Close(listener) })
	return net, nstest.NewCgroup(t), listener
}

// TestConns: chains of connections do the same in the reference and in the kernel.
func TestConns(t *testing.T) {
	net, cgroup, listener := connWorld(t)
	ran := 0
	for _, tt := range connChains {
		for _, h := range []hook.Hook{hook.Connect, hook.SkLookup} {
			c := Case{File: "conn.weir", Source: []byte(tt.src)}
			_, err := c.Compile(h, false)
			if takes := slices.Contains(strings.Fields(tt.hooks), h.String()); takes != (err == nil) {
				t.Errorf("%s at %s: compile: %v", tt.name, h, err)
				continue
			} else if !takes {
				continue
			}
			conns := connStock(h)
			for i := range conns {
				conns[i].Cgroup = cgroup.ID
			}
			ran += len(conns)
			net.Do(func() error {
				if err := c.RunConns(h, cgroup.Dir, listener, conns); err != nil {
					t.Errorf("%s at %s: %v", tt.name, h, err)
				}
				return nil
			})
		}
	}
	if ran < 2000 {
		t.Errorf("%d connections were compared, which is too few", ran)
	}
}

// connNet is a network namespace with the addresses that connections go to.
func connNet(t *testing.T) *nstest.Net {
	t.Helper()
	net := nstest.New(t)
	net.Do(func() error {
		for _, name := range []string{"all", "lo"} {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("0"), 0); err != nil {
				return err
			}
		}
		return addAddrs("lo", "::1/128", "fd00::2/128", "fd00::9/128", "fd00::1:0:1/128")
	})
	return net
}

func listen() (int, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet6{}); err != nil {
		return 0, err
	}
	return fd, unix.Listen(fd, 16)
}

func addAddrs(name string, addrs ...string) error {
	dev, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return err
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(dev, addr); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("%s: %w", a, err)
		}
	}
	return nil
}
