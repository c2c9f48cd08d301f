package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/internal/child"
	"weir/internal/demo"
	"weir/internal/nstest"
	"weir/internal/toll"
	"weir/lab"
)

func TestMain(m *testing.M) {
	maybeWatched()
	child.MaybeServe()
	lab.MaybeGuardian()
	demo.MaybeServe()
	toll.MaybeOpen()
	testscript.Main(m, map[string]func(){"weir": func() { os.Exit(run()) }})
}

// TestScripts runs the commands as a user sees them. Each script has its own
// folder of pins; $MODULES are the modules of the examples. Besides what testscript
// has there are:
//
//	exits CODE COMMAND…   the command ends with that exit code
//	lab                   two hosts, $HOST with interface eth0 (10.9.0.2) and $PEER
//	                      with eth0 (10.9.0.1); addresses never have to be asked for
//	send N PORT [FROM]    N UDP packets from $PEER to a port of $HOST
//	flow PORT             a packet every 10 ms from $PEER to a port of $HOST, until the
//	                      script ends
//	cgroup                a cgroup, $CGROUP
//	unplug                eth0 of $HOST goes away
//	pcap [-back] FILE PORT…  a capture with a UDP packet to each port, a second
//	                      later than the one before, or earlier
//	nobody COMMAND…       the command, without any rights
//	interrupt SIGNAL      to the last command in the background
//	attached xdp|tc|clsact eth0 of $HOST has a program, or a clsact qdisc, within five seconds
//	grown FILE            waits until a command in the background has written a kilobyte to it
//	write FILE N [a|random] a file of N octets: lines, one line, or random
//	foreign [tcx|clsact] NAME  a program that is not weir's on eth0 of $HOST: at
//	                      XDP, or at the ingress of tc
//	serve ADDRESS:PORT    a server on $HOST that tells whom it took a connection for
//	dial host|peer ADDRESS:PORT WANT  a connection, of $HOST from the cgroup $CGROUP:
//	                      refused, denied, or what the server tells and who the peer is
func TestScripts(t *testing.T) {
	cgroup := nstest.NewCgroup(t)
	cgroup.Leave()
	examples, err := filepath.Abs("../../examples/modules")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Values["lab"] = new(scriptLab)
			e.Setenv("CGROUP", cgroup.Path)
			e.Setenv("MODULES", examples)
			return pinFolder(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "lab": makeLab, "send": send, "flow": flow, "cgroup": makeCgroup, "unplug": unplug, "pcap": writePcap,
			"nobody": nobody, "interrupt": interrupt, "attached": attached, "foreign": foreign,
			"write": writeFile, "grown": grown, "busy": busy, "serve": serveTCP, "dial": dialFrom(cgroup),
		},
	})
}

// pinFolder gives the script a BPF file system for its pins, and sees to it
// that nothing is left in it.
func pinFolder(e *testscript.Env) error {
	dir := filepath.Join(e.WorkDir, ".bpf")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("bpf", dir, "bpf", 0, "mode=0700"); err != nil {
		return fmt.Errorf("mount BPF file system: %w", err)
	}
	root := filepath.Join(dir, "weir")
	e.Setenv("WEIR_ROOT", root)
	e.Defer(func() {
		left, _ := filepath.Glob(root + "/*")
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil || len(left) > 0 {
			e.T().Log("left behind: ", left, err)
			e.T().FailNow()
		}
	})
	return nil
}

// A scriptLab is the network of a script.
type scriptLab struct {
	*lab.Lab
	host, peer   *lab.Host
	eth0, remote lab.Iface
}

func labOf(ts *testscript.TestScript) *scriptLab {
	l := ts.Value("lab").(*scriptLab)
	if l.Lab == nil {
		ts.Fatalf("no lab was made")
	}
	return l
}

func makeLab(ts *testscript.TestScript, _ bool, _ []string) {
	l := ts.Value("lab").(*scriptLab)
	var err error
	l.Lab, err = lab.New(context.Background(), lab.Options{})
	ts.Check(err)
	ts.Defer(func() { ts.Check(l.Close()) })
	l.host, err = l.Host("host")
	ts.Check(err)
	l.peer, err = l.Host("peer")
	ts.Check(err)
	l.eth0, l.remote, err = l.Link(l.host, "eth0", l.peer, "eth0", lab.LinkOptions{
		A: lab.End{Addrs: lab.MustPrefixes("10.9.0.2/24")}, B: lab.End{Addrs: lab.MustPrefixes("10.9.0.1/24")},
		Neighbours: true,
	})
	ts.Check(err)
	ts.Setenv("HOST", l.host.Netns())
	ts.Setenv("PEER", l.peer.Netns())
}

// udp is a UDP frame from the peer, or from another address, to the host.
func (l *scriptLab) udp(from string, port int) ([]byte, error) {
	return lab.UDPFrame(
		lab.Station{MAC: l.remote.MAC, Addr: netip.AddrPortFrom(netip.MustParseAddr(from), 4000)},
		lab.Station{MAC: l.eth0.MAC, Addr: netip.AddrPortFrom(netip.MustParseAddr("10.9.0.2"), uint16(port))},
		make([]byte, 18))
}

func send(ts *testscript.TestScript, _ bool, args []string) {
	l := labOf(ts)
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	port, err := strconv.Atoi(args[1])
	ts.Check(err)
	from := "10.9.0.1"
	if len(args) > 2 {
		from = args[2]
	}
	frame, err := l.udp(from, port)
	ts.Check(err)
	frames := make([][]byte, n)
	for i := range frames {
		frames[i] = frame
	}
	ts.Check(l.peer.Send(context.Background(), "eth0", frames...))
}

func makeCgroup(ts *testscript.TestScript, _ bool, _ []string) {
	root, err := attach.CgroupRoot()
	ts.Check(err)
	dir, err := os.MkdirTemp(root, "weir-script-")
	ts.Check(err)
	ts.Defer(func() { ts.Check(os.Remove(dir)) })
	ts.Setenv("CGROUP", "/"+filepath.Base(dir))
}

func flow(ts *testscript.TestScript, _ bool, args []string) {
	l := labOf(ts)
	port, err := strconv.Atoi(args[0])
	ts.Check(err)
	frame, err := l.udp("10.9.0.1", port)
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		var err error
		for ; err == nil && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			err = l.peer.Send(context.Background(), "eth0", frame)
		}
		done <- err
	}()
	ts.Defer(func() {
		cancel()
		ts.Check(<-done)
	})
}

func unplug(ts *testscript.TestScript, _ bool, _ []string) {
	_, err := labOf(ts).peer.Run(context.Background(), "ip", "link", "delete", "eth0")
	ts.Check(err)
}

// exits runs a command that must end with a certain code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// writeFile writes a large file.
func writeFile(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var text []byte
	switch strings.Join(args[2:], "") {
	case "a":
		text = bytes.Repeat([]byte("a"), n)
	case "random":
		text = make([]byte, n)
		rand.NewChaCha8([32]byte{}).Read(text)
	default:
		text = bytes.Repeat([]byte("x = 1 # a line\n"), n/15+1)[:n]
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

// nobody runs a command as a user without rights. The command must fail if
// negated.
func nobody(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups",
		"--bounding-set=-all", "--inh-caps=-all"}, args...)...)
	if neg == (err == nil) {
		ts.Fatalf("%v: %v", args, err)
	}
}

// interrupt sends a signal to the last command in the background.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	sig := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}[args[0]]
	cmds := ts.BackgroundCmds()
	if sig == 0 || len(cmds) == 0 {
		ts.Fatalf("no signal %s, or no command in the background", args[0])
	}
	ts.Check(cmds[len(cmds)-1].Process.Signal(sig))
}

// busy waits until the last command in the background has used half a second of CPU
// time: it does its work, and no longer gets ready for it.
func busy(ts *testscript.TestScript, _ bool, _ []string) {
	cmds := ts.BackgroundCmds()
	if len(cmds) == 0 {
		ts.Fatalf("no command in the background")
	}
	last := cmds[len(cmds)-1]
	for range 3000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", last.Process.Pid))
		ts.Check(err)
		// The 14th and 15th field are the time, in hundredths of a second: proc(5).
		// The second is the name, in parentheses.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
		user, err := strconv.Atoi(fields[12])
		ts.Check(err)
		system, err := strconv.Atoi(fields[13])
		ts.Check(err)
		if user+system > 50 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%v: did not work for half a second in thirty", last.Args)
}

// grown waits until a file has a kilobyte.
func grown(ts *testscript.TestScript, _ bool, args []string) {
	for range 3000 {
		if s, err := os.Stat(ts.MkAbs(args[0])); err == nil && s.Size() >= 1024 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s: less than a kilobyte after thirty seconds", args[0])
}

// attached waits until eth0 of the host has a program at a hook, or has none.
func attached(ts *testscript.TestScript, neg bool, args []string) {
	l := labOf(ts)
	for start := time.Now(); time.Since(start) < 5*time.Second; time.Sleep(10 * time.Millisecond) {
		n := 0
		ts.Check(l.host.Do(func() (err error) {
			n, err = programs(args[0])
			return err
		}))
		if (n > 0) != neg {
			return
		}
	}
	ts.Fatalf("programs at %s: not as expected after five seconds", args[0])
}

// programs counts what is attached to eth0 of the thread's namespace.
func programs(hook string) (int, error) {
	dev, err := netlink.LinkByName("eth0")
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if hook == "xdp" {
		if x := dev.Attrs().Xdp; x != nil && x.Attached {
			return 1, nil
		}
		return 0, nil
	}
	n := 0
	if hook == "clsact" {
		qs, err := netlink.QdiscList(dev)
		for _, q := range qs {
			if q.Type() == "clsact" {
				n++
			}
		}
		return n, err
	}
	for _, at := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress} {
		r, err := link.QueryPrograms(link.QueryOptions{Target: dev.Attrs().Index, Attach: at})
		if err != nil {
			return 0, err
		}
		n += len(r.Programs)
	}
	return n, nil
}

// foreign attaches a program that does nothing.
func foreign(ts *testscript.TestScript, _ bool, args []string) {
	l := labOf(ts)
	spec := &ebpf.ProgramSpec{Name: args[len(args)-1], Type: ebpf.SchedCLS, License: "GPL"}
	next := int32(-1) // TC_ACT_UNSPEC
	if len(args) == 1 {
		spec.Type, next = ebpf.XDP, 2 // XDP_PASS
	}
	spec.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, next), asm.Return()}
	p, err := ebpf.NewProgram(spec)
	ts.Check(err)
	ts.Defer(func() { p.Close() })
	ts.Check(l.host.Do(func() error {
		dev, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		switch args[0] {
		case "tcx":
			tcx, err := link.AttachTCX(link.TCXOptions{Program: p, Interface: dev.Attrs().Index, Attach: ebpf.AttachTCXIngress})
			if err == nil {
				ts.Defer(func() { tcx.Close() })
			}
			return err
		case "clsact":
			at := netlink.QdiscAttrs{LinkIndex: dev.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}
			return errors.Join(netlink.QdiscAdd(&netlink.GenericQdisc{QdiscAttrs: at, QdiscType: "clsact"}),
				netlink.FilterAdd(&netlink.BpfFilter{
					FilterAttrs: netlink.FilterAttrs{LinkIndex: dev.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Protocol: unix.ETH_P_ALL, Priority: 1},
					Fd:          p.FD(), Name: args[1], DirectAction: true,
				}))
		}
		return netlink.LinkSetXdpFdWithFlags(dev, p.FD(), 0)
	}))
}

// writePcap writes a capture.
func writePcap(ts *testscript.TestScript, _ bool, args []string) {
	step := time.Second
	if args[0] == "-back" {
		step, args = -step, args[1:]
	}
	var ports []int
	for _, a := range args[1:] {
		p, err := strconv.Atoi(a)
		ts.Check(err)
		ports = append(ports, p)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pcapEvery(step, ports...), 0o644))
}
