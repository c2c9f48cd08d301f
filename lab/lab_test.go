package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childEnv makes the test binary build a lab, print its id and wait.
const childEnv = "WEIR_LAB_TEST_CHILD"

func TestMain(m *testing.M) {
	MaybeGuardian()
	if os.Getenv(childEnv) != "" {
		childLab()
	}
	code := m.Run()
	if left := namesOf(fmt.Sprintf("weir-%d.", os.Getpid())); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "left behind:", left)
		code = 1
	}
	os.Exit(code)
}

func childLab() {
	l, err := New(context.Background(), Options{Unguarded: os.Getenv(childEnv) == "unguarded"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	a, err1 := l.Host("a")
	b, err2 := l.Host("b")
	err = errors.Join(err1, err2)
	if err == nil {
		_, _, err = l.Link(a, "eth0", b, "eth0", LinkOptions{})
	}
	sleep := exec.Command("sleep", "60")
	if err == nil {
		_, err = a.Start(sleep)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		l.Close()
		os.Exit(1)
	}
	guardian := 0
	if l.guard != nil {
		guardian = l.guard.cmd.Process.Pid
	}
	fmt.Println(l.ID(), sleep.Process.Pid, guardian)
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0) // without Close
}

// namesOf lists the namespaces whose names start with prefix.
func namesOf(prefix string) []string {
	got, _ := filepath.Glob(netnsDir + "/" + prefix + "*")
	return got
}

func testLab(t *testing.T) *Lab {
	t.Helper()
	l, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if left := namesOf(namePrefix + l.ID()); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return l
}

func testHost(t *testing.T, l *Lab, name string) *Host {
	t.Helper()
	h, err := l.Host(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// testPair is two hosts with 10.0.0.1 and .2, fd00::1 and ::2 on eth0.
func testPair(t *testing.T, o LinkOptions) (a, b Iface) {
	t.Helper()
	l := testLab(t)
	if o.A.Addrs == nil {
		o.A.Addrs = MustPrefixes("10.0.0.1/24", "fd00::1/64")
		o.B.Addrs = MustPrefixes("10.0.0.2/24", "fd00::2/64")
	}
	a, b, err := l.Link(testHost(t, l, "a"), "eth0", testHost(t, l, "b"), "eth0", o)
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// echo sends a UDP datagram from a host to an address of another, at which an
// echo answers, and returns the answer.
func echo(t *testing.T, from, to *Host, addr string) error {
	t.Helper()
	var srv, cli net.Conn
	var pc net.PacketConn
	at := netip.AddrPortFrom(netip.MustParseAddr(addr), 7)
	if err := to.Do(func() (err error) {
		pc, err = net.ListenPacket("udp", at.String())
		return err
	}); err != nil {
		return err
	}
	defer pc.Close()
	srv = pc.(*net.UDPConn)
	if err := from.Do(func() (err error) {
		cli, err = net.Dial("udp", at.String())
		return err
	}); err != nil {
		return err
	}
	defer cli.Close()
	deadline := time.Now().Add(2 * time.Second)
	srv.SetDeadline(deadline)
	cli.SetDeadline(deadline)
	if _, err := cli.Write([]byte("ping")); err != nil {
		return err
	}
	buf := make([]byte, 16)
	n, back, err := pc.ReadFrom(buf)
	if err != nil {
		return err
	}
	if _, err := pc.WriteTo(buf[:n], back); err != nil {
		return err
	}
	n, err = cli.Read(buf)
	if err == nil && string(buf[:n]) != "ping" {
		err = fmt.Errorf("echo %q, want ping", buf[:n])
	}
	return err
}

func TestEcho(t *testing.T) {
	for _, neigh := range []bool{false, true} {
		a, b := testPair(t, LinkOptions{Neighbours: neigh, NoOffload: neigh, MTU: 1400, Queues: 2})
		for _, addr := range []string{"10.0.0.2", "fd00::2"} {
			if err := echo(t, a.Host, b.Host, addr); err != nil {
				t.Errorf("neighbours=%t %s: %v", neigh, addr, err)
			}
		}
		if a.MTU != 1400 || b.MTU != 1400 || !a.Up || len(a.MAC) != 6 || len(a.Addrs) < 2 {
			t.Errorf("interfaces %+v %+v: want MTU 1400, up, with MAC and addresses", a, b)
		}
	}
}

func TestRouterAndBridge(t *testing.T) {
	l := testLab(t)
	a, r, b, c := testHost(t, l, "a"), testHost(t, l, "r"), testHost(t, l, "b"), testHost(t, l, "c")
	link := func(x *Host, xn string, y *Host, yn string, xa, ya []netip.Prefix) {
		t.Helper()
		if _, _, err := l.Link(x, xn, y, yn, LinkOptions{A: End{Addrs: xa}, B: End{Addrs: ya}}); err != nil {
			t.Fatal(err)
		}
	}
	link(a, "eth0", r, "eth0", MustPrefixes("10.1.0.2/24", "fd01::2/64"), MustPrefixes("10.1.0.1/24", "fd01::1/64"))
	// b and c are on one bridge behind r.
	link(b, "eth0", r, "eth1", MustPrefixes("10.2.0.2/24", "fd02::2/64"), nil)
	link(c, "eth0", r, "eth2", MustPrefixes("10.2.0.3/24", "fd02::3/64"), nil)
	if _, err := r.Bridge("br0", "eth1", "eth2"); err != nil {
		t.Fatal(err)
	}
	if err := echo(t, b, c, "10.2.0.3"); err != nil {
		t.Errorf("across the bridge: %v", err)
	}
	ctx := t.Context()
	err := r.Forward()
	if err == nil {
		err = r.Sysctl("net.ipv6.conf.br0.disable_ipv6", "0")
	}
	for _, x := range []string{"10.2.0.1/24", "fd02::1/64"} {
		if err == nil {
			_, err = r.Run(ctx, "ip", "addr", "add", x, "dev", "br0", "nodad")
		}
	}
	for _, x := range [][2]string{{"10.2.0.0/24", "10.1.0.1"}, {"fd02::/64", "fd01::1"}} {
		if err == nil {
			err = a.Route(netip.MustParsePrefix(x[0]), netip.MustParseAddr(x[1]))
		}
	}
	for _, x := range [][2]string{{"0.0.0.0/0", "10.2.0.1"}, {"::/0", "fd02::1"}} {
		if err == nil {
			err = b.Route(netip.MustParsePrefix(x[0]), netip.MustParseAddr(x[1]))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"10.2.0.2", "fd02::2"} {
		if err := echo(t, a, b, addr); err != nil {
			t.Errorf("through the router to %s: %v", addr, err)
		}
	}
}

func TestOffload(t *testing.T) {
	a, _ := testPair(t, LinkOptions{})
	for _, on := range []bool{false, true, false} {
		offs := append([]Offload(nil), Offloads...)
		if on { // what others depend on first
			offs = []Offload{RXChecksum, TXChecksum, SG, TSO, GSO, GRO, TXVLAN}
		}
		if err := a.Host.SetOffload("eth0", on, offs...); err != nil {
			t.Error(err)
		}
	}
	if err := a.Host.SetOffload("nothere", true, GRO); !errors.Is(err, unix.ENODEV) {
		t.Errorf("offload of an unknown interface: %v, want ENODEV", err)
	}
}

func TestRefusals(t *testing.T) {
	l := testLab(t)
	testHost(t, l, "a")
	for _, name := range []string{"a", "", "A/B", "..", "x y"} {
		if _, err := l.Host(name); err == nil {
			t.Errorf("host %q: no error", name)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Host("late"); !errors.Is(err, ErrClosed) {
		t.Errorf("host of a closed lab: %v, want ErrClosed", err)
	}
}
