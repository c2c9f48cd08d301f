// Probe tries what weir's hooks and its tests could use of a kernel and prints
// what came of it, as JSON. It is for a machine of its own: package kernels makes
// one. What weir itself asks of a machine, weir doctor tries.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// cgroup is the root of the machine's control groups.
const cgroup = "/sys/fs/cgroup"

// A try is one thing; its error says why it is not there.
type try struct {
	name string
	do   func() error
}

var tries = []try{
	{"BPF at netfilter (link)", func() error { return attach(ebpf.Netfilter, ebpf.AttachNetfilter, netfilter) }},
	{"BPF at cgroup ingress (link)", func() error { return attach(ebpf.CGroupSKB, ebpf.AttachCGroupInetIngress, inCgroup) }},
	{"BPF at cgroup connect4 (link)", func() error { return attach(ebpf.CGroupSockAddr, ebpf.AttachCGroupInet4Connect, inCgroup) }},
	{"BPF at socket lookup (link)", func() error { return attach(ebpf.SkLookup, ebpf.AttachSkLookup, lookup) }},
	{"XDP on a tap device", func() error { return xdp(&netlink.Tuntap{LinkAttrs: named("weirtap"), Mode: netlink.TUNTAP_MODE_TAP}) }},
	{"XDP on a bond", func() error { return xdp(netlink.NewLinkBond(named("weirbond"))) }},
	{"VLAN device", func() error { return vlan(netlink.VLAN_PROTOCOL_8021Q) }},
	{"VLAN device of 802.1ad", func() error { return vlan(netlink.VLAN_PROTOCOL_8021AD) }},
	{"IPIP device", func() error { return made(&netlink.Iptun{LinkAttrs: named("weiripip"), Local: near, Remote: far}) }},
	{"sit device", func() error { return made(&netlink.Sittun{LinkAttrs: named("weirsit"), Local: near, Remote: far}) }},
	{"GRE device", func() error { return made(&netlink.Gretun{LinkAttrs: named("weirgre"), Local: near, Remote: far}) }},
	{"VXLAN device", func() error {
		return made(&netlink.Vxlan{LinkAttrs: named("weirvx"), VxlanId: 42, Group: far, Port: 4789})
	}},
	{"Geneve device", func() error { return made(&netlink.Geneve{LinkAttrs: named("weirgnv"), ID: 42, Remote: far}) }},
	{"receiver of GUE", func() error {
		fou := netlink.Fou{Family: netlink.FAMILY_V4, Port: 6080, EncapType: netlink.FOU_ENCAP_GUE}
		if err := netlink.FouAdd(fou); err != nil {
			return err
		}
		return netlink.FouDel(fou)
	}},
	{"segment of SRv6 (End)", segment},
	{"netkit device", netkit},
	{"raw tracepoint", rawTracepoint},
	{"typed tracepoint (tp_btf)", func() error { return tracing(ebpf.AttachTraceRawTp, "kfree_skb") }},
	{"fentry", func() error { return tracing(ebpf.AttachTraceFEntry, "ip_rcv") }},
	{"fexit", func() error { return tracing(ebpf.AttachTraceFExit, "ip_rcv") }},
	{"kprobe", kprobe},
	{"BPF LSM", lsm},
	{"function bpf_dynptr_from_skb", func() error { return function("bpf_dynptr_from_skb") }},
	{"function bpf_dynptr_from_xdp", func() error { return function("bpf_dynptr_from_xdp") }},
	{"function bpf_xdp_metadata_rx_hash", func() error { return function("bpf_xdp_metadata_rx_hash") }},
}

// A check is what came of a try, in the form of weir doctor.
type check struct {
	Area   string `json:"area"`
	Name   string `json:"name"`
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

func main() {
	var out []check
	for _, t := range tries {
		c := check{Area: "kernel", Name: t.name, Status: "ok"}
		if err := t.do(); err != nil {
			c.Status, c.Detail = "missing", short(err)
		}
		out = append(out, c)
	}
	json.NewEncoder(os.Stdout).Encode(out)
}

// short is the cause alone.
func short(err error) string {
	var no unix.Errno
	switch {
	case errors.Is(err, ebpf.ErrNotSupported):
		return "not supported"
	case errors.As(err, &no):
		return no.Error()
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// program loads one that returns 1.
func program(spec *ebpf.ProgramSpec) (*ebpf.Program, error) {
	spec.Name, spec.License = "probe", "GPL"
	spec.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()}
	switch spec.AttachType {
	case ebpf.AttachTraceFEntry, ebpf.AttachTraceFExit, ebpf.AttachTraceRawTp, ebpf.AttachLSMMac:
		spec.Instructions[0].Constant = 0
	}
	return ebpf.NewProgram(spec)
}

func attach(typ ebpf.ProgramType, at ebpf.AttachType, do func(*ebpf.Program, ebpf.AttachType) (link.Link, error)) error {
	p, err := program(&ebpf.ProgramSpec{Type: typ, AttachType: at})
	if err != nil {
		return err
	}
	defer p.Close()
	return closed(do(p, at))
}

func closed(l link.Link, err error) error {
	if err != nil {
		return err
	}
	return l.Close()
}

func netfilter(p *ebpf.Program, _ ebpf.AttachType) (link.Link, error) {
	return link.AttachNetfilter(link.NetfilterOptions{
		Program: p, ProtocolFamily: link.NetfilterProtoIPv4, Hook: link.NetfilterInetPreRouting, Priority: -128,
	})
}

func inCgroup(p *ebpf.Program, at ebpf.AttachType) (link.Link, error) {
	return link.AttachCgroup(link.CgroupOptions{Path: cgroup, Attach: at, Program: p})
}

func lookup(p *ebpf.Program, _ ebpf.AttachType) (link.Link, error) {
	ns, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return link.AttachNetNs(int(ns.Fd()), p)
}

func named(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

// made makes an interface and takes it away.
func made(l netlink.Link) error {
	if err := netlink.LinkAdd(l); err != nil {
		return err
	}
	return netlink.LinkDel(l)
}

func netkit() error {
	pair := &netlink.Netkit{LinkAttrs: named("weirnk0"), Mode: netlink.NETKIT_MODE_L2}
	peer := named("weirnk1")
	pair.SetPeerAttrs(&peer)
	return made(pair)
}

// segment makes a route that is the end of a segment.
func segment() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	end := &netlink.SEG6LocalEncap{Action: nl.SEG6_LOCAL_ACTION_END}
	end.Flags[nl.SEG6_LOCAL_ACTION] = true
	r := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: netlink.NewIPNet(net.ParseIP("fc00::e")), Encap: end}
	if err := netlink.RouteAdd(r); err != nil {
		return err
	}
	return netlink.RouteDel(r)
}

// near and far are the ends of tunnels.
var near, far = net.IPv4(10, 0, 1, 1), net.IPv4(10, 0, 1, 2)

// vlan takes names that no module gives to interfaces of its own.
func vlan(of netlink.VlanProtocol) error {
	under := &netlink.Dummy{LinkAttrs: named("weirdummy")}
	if err := netlink.LinkAdd(under); err != nil {
		return fmt.Errorf("make dummy: %w", err)
	}
	defer netlink.LinkDel(under)
	a := named("weirvlan")
	a.ParentIndex = under.Attrs().Index
	return made(&netlink.Vlan{LinkAttrs: a, VlanId: 7, VlanProtocol: of})
}

// xdp attaches to an interface in native mode.
func xdp(l netlink.Link) error {
	if err := netlink.LinkAdd(l); err != nil {
		return err
	}
	defer netlink.LinkDel(l)
	dev, err := netlink.LinkByName(l.Attrs().Name)
	if err != nil {
		return err
	}
	return attach(ebpf.XDP, 0, func(p *ebpf.Program, _ ebpf.AttachType) (link.Link, error) {
		return link.AttachXDP(link.XDPOptions{Program: p, Interface: dev.Attrs().Index, Flags: link.XDPDriverMode})
	})
}

func rawTracepoint() error {
	return attach(ebpf.RawTracepoint, 0, func(p *ebpf.Program, _ ebpf.AttachType) (link.Link, error) {
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: "kfree_skb", Program: p})
	})
}

func tracing(at ebpf.AttachType, to string) error {
	p, err := program(&ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: at, AttachTo: to})
	if err != nil {
		return err
	}
	defer p.Close()
	return closed(link.AttachTracing(link.TracingOptions{Program: p}))
}

func kprobe() error {
	return attach(ebpf.Kprobe, 0, func(p *ebpf.Program, _ ebpf.AttachType) (link.Link, error) {
		return link.Kprobe("ip_rcv", p, nil)
	})
}

func lsm() error {
	p, err := program(&ebpf.ProgramSpec{Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: "file_open"})
	if err != nil {
		return err
	}
	defer p.Close()
	return closed(link.AttachLSM(link.LSMOptions{Program: p}))
}

// function asks the kernel's BTF for a function that programs may call.
func function(name string) error {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return err
	}
	var f *btf.Func
	if err := spec.TypeByName(name, &f); err != nil {
		return errors.New("not there")
	}
	return nil
}
