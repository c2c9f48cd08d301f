package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"weir/datapath"
)

// A victim is a host on which weir is killed. Two generations of one name are
// attached there, that can be told apart by what becomes of packets.
type victim struct {
	*world
	name string // of the chain

	sites []string // at each of which can be seen what runs: see look
	look  func(t *testing.T, site string) string

	on     map[string][]string // the places of the old and the new generation, as --on takes them
	listed map[string][]string // and as weir ls and the kernel list them
	kernel func(t *testing.T) []string

	conns map[string]map[int]*net.UDPConn // by interface and port
	sent  int                             // packets, since the last command that prepared
}

// Ports that the old generation is about, the new one, and none.
const (
	oldPort = 1001
	newPort = 1002
	anyPort = 1003
)

// makeVictim makes a victim whose generations are of a text in which NAME, PORT and
// WIDE are filled in: a name and a port of its own, and the type of a map, so that it
// is converted.
func makeVictim(t *testing.T, text string) *victim {
	v := &victim{world: newWorld(t), name: fmt.Sprintf("k%x", rand.Uint32()), conns: map[string]map[int]*net.UDPConn{}}
	for file, x := range map[string]struct {
		port int
		wide string
	}{"old": {oldPort, "u32"}, "new": {newPort, "u64"}} {
		text := strings.NewReplacer("NAME", v.name, "PORT", fmt.Sprint(x.port), "WIDE", x.wide).Replace(text)
		check(t, os.Mkdir(filepath.Join(v.dir, file), 0o700))
		check(t, os.WriteFile(filepath.Join(v.dir, file, v.name+".weir"), []byte(text), 0o600))
	}
	return v
}

// receive opens sockets of the host for the three ports of an address.
func (v *victim) receive(t *testing.T, site string, addr net.IP) {
	v.conns[site] = map[int]*net.UDPConn{}
	for _, port := range []int{oldPort, newPort, anyPort} {
		check(t, v.host.Do(func() (err error) {
			v.conns[site][port], err = net.ListenUDP("udp4", &net.UDPAddr{IP: addr, Port: port})
			return err
		}))
		t.Cleanup(func() { v.conns[site][port].Close() })
	}
}

// attachOld and attachNew are the commands for the two generations.
func (v *victim) attachOld() []string { return v.attachCommand("old") }

func (v *victim) attachNew() []string {
	return append(v.attachCommand("new"), "--replace", "--set", "limit=7")
}

func (v *victim) attachCommand(generation string) []string {
	args := []string{"attach", generation + "/" + v.name + ".weir"}
	for _, w := range v.on[generation] {
		args = append(args, "--on", w)
	}
	return args
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

// behaves returns which generation a site behaves as: none, old or new. A
// packet may be late, on a CPU that is busy, and seem to be dropped: what is said
// was seen twice.
func (v *victim) behaves(t *testing.T, site string) string {
	t.Helper()
	before := ""
	for range 10 {
		now := v.look(t, site)
		if now == before {
			return now
		}
		before = now
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s behaves now so, now so", site)
	return ""
}

// late is how long is waited for a datagram that should not come.
const late = 5 * time.Millisecond

// arrived reports whether a datagram came.
func (v *victim) arrived(t *testing.T, site string, port int, within time.Duration) bool {
	t.Helper()
	c := v.conns[site][port]
	check(t, c.SetReadDeadline(time.Now().Add(within)))
	_, err := c.Read(make([]byte, 64))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return err == nil
}

// says returns what weir ls says is attached.
func (v *victim) says(t *testing.T) []string {
	t.Helper()
	var rows []row
	check(t, json.Unmarshal([]byte(v.weir(t, "ls", "--json", "--for", "1ms")), &rows))
	var out []string
	for _, r := range rows {
		if r.Gone {
			t.Errorf("weir ls: %s at %s is gone", r.On, r.Hook)
		}
		out = append(out, strings.TrimPrefix(r.On, v.host.Netns()+"/")+" "+r.Hook)
	}
	slices.Sort(out)
	return out
}

// checkClean fails if anything of the victim's is in the kernel. What is not used
// any more the kernel frees a moment later.
func (v *victim) checkClean(t *testing.T) {
	t.Helper()
	if there := v.kernel(t); len(there) > 0 {
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
