package main

import "time"

// A suite is what one test binary does in a machine.
type suite struct {
	name  string // what it shows, for the page
	pkg   string // folder of the package
	tests string // -test.run
	args  []string
	limit time.Duration
}

// suites are what runs on every kernel. The corpus is large and a machine slow: a
// part of the chains runs there, each on a part of the frames.
var suites = []suite{
	{name: "attach: every hook and mode", pkg: "attach"},
	{name: "datapath: load, attach, pin, swap, find again", pkg: "datapath"},
	{name: "trace: replay", pkg: "trace", args: []string{"-test.skip", "WhileTiming"}}, // which is about time
	{name: "doctor: what there is", pkg: "internal/doctor"},
	{name: "VLAN devices", pkg: "internal/traffic", tests: "^TestVLANDevice"},
	{name: "tunnels: the kernel's own devices at the other end", pkg: "internal/traffic", tests: "^TestTunnel"},
	{name: "standard library: on real traffic", pkg: "internal/traffic", tests: "^TestStd"},
	{name: "standard library: every module against the reference", pkg: "internal/differ", tests: "^TestStd$", args: []string{"-every", "20"}},
	{name: "SYN cookies, against the kernel's", pkg: "internal/differ", tests: "^TestCookies$", args: []string{"-every", "20"}},
	{name: "hooks: what only some can do, against the reference", pkg: "internal/differ", tests: "^TestHooks$", args: []string{"-every", "20"}},
	{name: "answers of chains, against the reference", pkg: "internal/differ", tests: "^TestCorpus$/^reject$", args: []string{"-every", "20"}},
	{name: "corpus at tc, against the reference", pkg: "internal/differ", tests: "^TestCorpusOfTC$", args: []string{"-every", "20"}},
	{name: "corpus, a twentieth, against the reference", pkg: "internal/differ", tests: "^TestCorpus$", args: []string{"-cases", "20", "-every", "20"}, limit: 20 * time.Minute},
}

// floor is what runs on the oldest kernel within "make soak".
var floor = []suite{
	{name: "attach", pkg: "attach"},
	{name: "datapath", pkg: "datapath"},
	{name: "VLAN devices", pkg: "internal/traffic", tests: "^TestVLANDevice"},
	{name: "corpus", pkg: "internal/differ", tests: "^TestCorpus$", args: []string{"-cases", "40", "-every", "40"}},
}

// modules are what tests need of the kernel; what a kernel has not, or has built
// in, is passed over.
var modules = []string{
	"veth", "8021q", "bridge", "dummy", "ifb", "tun", "bonding", "macvlan", "netkit",
	"vxlan", "geneve", "ipip", "sit", "ip6_tunnel", "ip_gre", "ip6_gre", "fou",
	"sch_ingress", "cls_bpf", "cls_matchall", "cls_u32", "act_bpf", "act_gact", "act_mirred",
	"sch_fq", "sch_netem", "sch_prio",
	"nf_tables", "nf_conntrack", "nf_defrag_ipv4", "nf_defrag_ipv6", "nft_chain_nat",
	"tcp_diag", "udp_diag", "tls",
}

// commands are programs of this machine that tests run.
var commands = []string{"ip", "tc", "bpftool", "bash", "sh", "sleep", "cat", "grep", "stat", "truncate"}
