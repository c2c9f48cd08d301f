package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"weir/datapath"
	"weir/lab"
)

// killChain drops what goes to a port of its own. PORT and NAME are filled in; so
// is the type of a map, so that it is converted.
const killChain = `
limit     = param(u32, 5)
NAME_kept = table(u16, u64, size = 100)
NAME_grew = table(u16, WIDE, size = 100, init = {1: 2})

def main(pkt):
    count("packets")
    NAME_kept[pkt.len] += NAME_grew[1]
    if pkt.udp and pkt.udp.dport == PORT and limit > 0:
        return drop("PORT")
    return PASS
`

// Ports that the old generation drops, the new one drops, and none does.
const (
	oldPort = 1001
	newPort = 1002
	anyPort = 1003
)

// A victim is a host on which weir is killed.
type victim struct {
	*world
	name  string
	conns map[string]map[int]*net.UDPConn // by interface and port
}

func newVictim(t *testing.T) *victim {
	v := &victim{world: newWorld(t), name: fmt.Sprintf("k%x", rand.Uint32()), conns: map[string]map[int]*net.UDPConn{}}
	for file, x := range map[string]struct {
		port int
		wide string
	}{"old": {oldPort, "u32"}, "new": {newPort, "u64"}} {
		text := strings.NewReplacer("NAME", v.name, "PORT", fmt.Sprint(x.port), "WIDE", x.wide).Replace(killChain)
		check(t, os.Mkdir(filepath.Join(v.dir, file), 0o700))
		check(t, os.WriteFile(filepath.Join(v.dir, file, v.name+".weir"), []byte(text), 0o600))
	}
	for i := range 2 {
		iface := fmt.Sprintf("eth%d", i)
		v.conns[iface] = map[int]*net.UDPConn{}
		for _, port := range []int{oldPort, newPort, anyPort} {
			check(t, v.host.Do(func() (err error) {
				v.conns[iface][port], err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 9, byte(i), 2), Port: port})
				return err
			}))
			t.Cleanup(func() { v.conns[iface][port].Close() })
		}
	}
	return v
}

// The two generations, in part at other places. Traffic is sent to the first two.
func (v *victim) attachOld() []string {
	return []string{"attach", "old/" + v.name + ".weir", "--on", "eth0", "--on", "eth1:tc-ingress", "--on", "eth0:tc-egress", "--on", "@netfilter-forward"}
}

func (v *victim) attachNew() []string {
	return []string{"attach", "new/" + v.name + ".weir", "--replace", "--on", "eth0", "--on", "eth1:tc-ingress", "--on", "eth1:tc-egress", "--on", "@netfilter-forward", "--set", "limit=7"}
}

// command is weir on the host.
func (v *victim) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(v.dir, "weir"), args...)
	cmd.Dir, cmd.Env = v.dir, v.env
	return cmd
}

func (v *victim) weir(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	cmd := v.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	check(t, v.host.Do(cmd.Start))
	if err := cmd.Wait(); err != nil {
		t.Fatalf("weir %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// A killing is a command that is killed.
type killing struct {
	name   string
	before []func(*victim) []string // what is done before
	args   func(*victim) []string
	may    []string // what may run at a place afterwards
}

type commands = []func(*victim) []string

var killings = []killing{
	{"attach", nil, (*victim).attachOld, []string{"none", "old"}},
	{"swap", commands{(*victim).attachOld}, (*victim).attachNew, []string{"old", "new"}},
	{"detach", commands{(*victim).attachOld}, func(v *victim) []string { return []string{"detach", v.name} }, []string{"old", "none"}},
	{"rollback", commands{(*victim).attachOld, (*victim).attachNew},
		func(v *victim) []string { return []string{"rollback", v.name} }, []string{"new", "old"}},
}

// TestKill kills weir at each system call in turn by which it changes the kernel,
// or without WEIR_SOAK at every tenth.
func TestKill(t *testing.T) {
	v := newVictim(t)
	step := 10
	if os.Getenv("WEIR_SOAK") != "" {
		step = 1
	}
	for _, k := range killings {
		t.Run(k.name, func(t *testing.T) {
			calls := 0
			for n := rand.IntN(step); ; n += step {
				k.prepare(t, v)
				ended := v.watched(t, n, k.args(v)...)
				k.check(t, v, ended)
				if t.Failed() {
					t.Fatalf("when it was killed at call %d", n+1)
				}
				if ended {
					break
				}
				calls = n + 1
			}
			if calls < 20 {
				t.Errorf("%d calls: is it the real one?", calls)
			}
			t.Logf("killed at up to %d calls", calls)
		})
	}
}

// TestKillAnyTime kills weir at any time.
func TestKillAnyTime(t *testing.T) {
	v := newVictim(t)
	times := 20
	if os.Getenv("WEIR_SOAK") != "" {
		times = 200
	}
	lasts := map[string]time.Duration{}
	killed := 0
	for i := range times {
		k := killings[i%len(killings)]
		k.prepare(t, v)
		cmd := v.command(k.args(v)...)
		start := time.Now()
		check(t, v.host.Do(cmd.Start))
		after := time.Hour // the first time of each is measured
		if d := lasts[k.name]; d > 0 {
			after = rand.N(d)
		}
		timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if lasts[k.name] == 0 {
			lasts[k.name] = time.Since(start)
		}
		if err != nil {
			killed++
		}
		k.check(t, v, err == nil)
		if t.Failed() {
			t.Fatalf("when %s was killed after %v", k.name, after)
		}
	}
	if killed < times/3 {
		t.Errorf("%d of %d were killed", killed, times)
	}
	t.Logf("killed %d of %d", killed, times)
}

func (k killing) prepare(t *testing.T, v *victim) {
	t.Helper()
	for _, command := range k.before {
		v.weir(t, command(v)...)
	}
}

// check looks at what a killed command, or one that ended, has left.
func (k killing) check(t *testing.T, v *victim, ended bool) {
	t.Helper()
	want := k.may
	if ended {
		want = k.may[1:]
	}
	// Each place alone has a whole generation at every moment.
	for _, iface := range []string{"eth0", "eth1"} {
		if got := v.behaves(t, iface); !slices.Contains(want, got) {
			t.Errorf("%s behaves as %s, want %v", iface, got, want)
		}
	}
	// From the next command on all places have the same.
	said := v.listed(t)
	if there := v.attached(t); !slices.Equal(said, there) {
		t.Errorf("weir ls says %v, the kernel has %v", said, there)
	}
	one := v.behaves(t, "eth0")
	if other := v.behaves(t, "eth1"); one != other || !slices.Contains(want, one) {
		t.Errorf("eth0 behaves as %s, eth1 as %s, want one of %v", one, other, want)
	}
	places := map[string][]string{"old": {"@netfilter-forward netfilter-forward", "eth0 tc-egress", "eth0 xdp", "eth1 tc-ingress"}, "new": {"@netfilter-forward netfilter-forward", "eth0 xdp", "eth1 tc-egress", "eth1 tc-ingress"}}
	if !slices.Equal(said, places[one]) {
		t.Errorf("%s is attached at %v", one, said)
	}
	v.weir(t, "detach", "--all")
	v.checkClean(t)
}

// behaves returns which generation an interface behaves as: none, old or new. A
// packet may be late, on a CPU that is busy, and seem to be dropped: what is said
// was seen twice.
func (v *victim) behaves(t *testing.T, iface string) string {
	t.Helper()
	before := ""
	for range 10 {
		now := v.look(t, iface)
		if now == before {
			return now
		}
		before = now
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s behaves now so, now so", iface)
	return ""
}

func (v *victim) look(t *testing.T, iface string) string {
	t.Helper()
	var frames [][]byte
	host, err := v.host.Link(iface)
	check(t, err)
	remote := "veth" + iface[3:]
	peer, err := v.peer.Link(remote)
	check(t, err)
	for _, port := range []int{oldPort, newPort, anyPort} {
		f, err := lab.UDPFrame(
			lab.Station{MAC: peer.MAC, Addr: addrPort(peer, 4000)}, lab.Station{MAC: host.MAC, Addr: addrPort(host, port)}, make([]byte, 18))
		check(t, err)
		frames = append(frames, f)
		for v.arrived(t, iface, port, time.Millisecond) { // what was late the last time
		}
	}
	check(t, v.peer.Send(t.Context(), remote, frames...))
	if !v.arrived(t, iface, anyPort, 5*time.Second) {
		return "something that drops all"
	}
	const late = 5 * time.Millisecond
	switch o, n := v.arrived(t, iface, oldPort, late), v.arrived(t, iface, newPort, late); {
	case o && n:
		return "none"
	case n:
		return "old"
	case o:
		return "new"
	}
	return "both"
}

// arrived reports whether a datagram came.
func (v *victim) arrived(t *testing.T, iface string, port int, within time.Duration) bool {
	t.Helper()
	c := v.conns[iface][port]
	check(t, c.SetReadDeadline(time.Now().Add(within)))
	_, err := c.Read(make([]byte, 64))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return err == nil
}

// listed returns what weir ls says is attached.
func (v *victim) listed(t *testing.T) []string {
	t.Helper()
	var rows []row
	check(t, json.Unmarshal([]byte(v.weir(t, "ls", "--json")), &rows))
	var out []string
	for _, r := range rows {
		if r.Gone {
			t.Errorf("weir ls: %s at %s is gone", r.On, r.Hook)
		}
		out = append(out, r.On+" "+r.Hook)
	}
	slices.Sort(out)
	return out
}

// attached returns what the kernel says is attached.
func (v *victim) attached(t *testing.T) []string {
	t.Helper()
	var out []string
	check(t, v.host.Do(func() error {
		for _, iface := range []string{"eth0", "eth1"} {
			dev, err := netlink.LinkByName(iface)
			if err != nil {
				return err
			}
			if x := dev.Attrs().Xdp; x != nil && x.Attached {
				out = append(out, iface+" xdp")
			}
			for at, name := range map[ebpf.AttachType]string{ebpf.AttachTCXIngress: "tc-ingress", ebpf.AttachTCXEgress: "tc-egress"} {
				r, err := link.QueryPrograms(link.QueryOptions{Target: dev.Attrs().Index, Attach: at})
				if err != nil {
					return err
				}
				for range r.Programs {
					out = append(out, iface+" "+name)
				}
			}
		}
		return nil
	}))
	out = append(out, v.atNetfilter(t)...)
	slices.Sort(out)
	return out
}

// atNetfilter returns the place at which the victim's netfilter links are: there
// are two, of one program.
func (v *victim) atNetfilter(t *testing.T) []string {
	t.Helper()
	var programs []ebpf.ProgramID
	it := new(link.Iterator)
	defer it.Close()
	for it.Next() {
		info, err := it.Link.Info()
		if err != nil || info.Type != link.NetfilterType {
			continue
		}
		if p, err := ebpf.NewProgramFromID(info.Program); err == nil {
			if i, err := p.Info(); err == nil && i.Name == datapath.ProgramName(v.name) {
				programs = append(programs, info.Program)
			}
			p.Close()
		}
	}
	switch {
	case len(programs) == 0:
		return nil
	case len(programs) == 2 && programs[0] == programs[1]:
		return []string{"@netfilter-forward netfilter-forward"}
	}
	return []string{fmt.Sprint("netfilter programs ", programs)}
}

// checkClean fails if anything of the victim's is in the kernel. What is not used
// any more the kernel frees a moment later.
func (v *victim) checkClean(t *testing.T) {
	t.Helper()
	if there := v.attached(t); len(there) > 0 {
		t.Errorf("still attached: %v", there)
	}
	if left, _ := filepath.Glob(filepath.Join(v.dir, "bpf", "weir", "*")); len(left) > 0 {
		t.Errorf("pins are left: %v", left)
	}
	var left []string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = v.objects(t); len(left) == 0 {
			return
		}
	}
	t.Errorf("left in the kernel: %v", left)
}

// objects returns the programs and maps of the kernel that are the victim's.
func (v *victim) objects(t *testing.T) (out []string) {
	t.Helper()
	for id, err := ebpf.ProgramID(0), error(nil); ; {
		if id, err = ebpf.ProgramGetNextID(id); err != nil {
			break
		}
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue
		}
		if info, err := p.Info(); err == nil && info.Name == datapath.ProgramName(v.name) {
			out = append(out, p.String())
		}
		p.Close()
	}
	for id, err := ebpf.MapID(0), error(nil); ; {
		if id, err = ebpf.MapGetNextID(id); err != nil {
			break
		}
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			continue
		}
		if info, err := m.Info(); err == nil && (strings.HasPrefix(info.Name, v.name) || info.Name == "weir_manifest" && v.owns(m)) {
			out = append(out, m.String())
		}
		m.Close()
	}
	return out
}

// owns reports whether a manifest is of the victim's.
func (v *victim) owns(m *ebpf.Map) bool {
	b := make([]byte, m.ValueSize())
	return m.Lookup(uint32(0), b) == nil && bytes.Contains(b, []byte(v.name))
}

func addrPort(i lab.Iface, port int) netip.AddrPort {
	return netip.AddrPortFrom(i.Addrs[0].Addr(), uint16(port))
}
