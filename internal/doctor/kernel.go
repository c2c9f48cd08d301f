package doctor

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/perf"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
)

// A sample is a chain that needs something of the verifier.
type sample struct{ name, of, source, do string }

var samples = []sample{
	{
		"a chain", "chains at all",
		"def main(pkt):\n    return drop(\"dns\") if pkt.udp.dport == 53 else PASS\n",
		"take a kernel that is built with CONFIG_BPF_SYSCALL and CONFIG_NET_CLS_ACT, at least Linux 6.1",
	},
	{
		"a chain with state", "maps, limits, counters",
		"seen = lru(ip, u64, size = 64)\ndef main(pkt):\n    seen[pkt.ip.src] += 1\n    count(\"all\")\n    return PASS\n",
		"take Linux 6.1 or newer",
	},
	{
		"a chain with a long loop", "loops over more than a few packets' bytes",
		"def main(pkt):\n    n = 0\n    for i in range(1000):\n        n += pkt.payload.u8(i)\n    count(\"sum\", n)\n    return PASS\n",
		"take Linux 5.17 or newer (bpf_loop)",
	},
}

// connSamples are those for connections.
var connSamples = []sample{{
	"a chain of connections", "chains at connect and sk-lookup",
	"def main(conn):\n    return drop(\"mail\") if conn.tcp and conn.ip4 and conn.dport == 25 else PASS\n",
	"take Linux 5.9 or newer",
}}

// samplesFor are the samples that a hook takes.
func samplesFor(h hook.Hook) []sample {
	if h.Info().Conn {
		return connSamples
	}
	return samples
}

// programs compiles and loads chains for every hook.
func programs() []Check {
	var out []Check
	for _, h := range hook.All() {
		for _, s := range samplesFor(h) {
			out = append(out, s.check(h, false))
		}
		if h == hook.XDP {
			frags := samples[0]
			frags.of, frags.do = "interfaces with an MTU beyond 1,500", "take Linux 5.18 or newer, or an MTU of 1500"
			c := frags.check(h, true)
			c.Name += ", in fragments"
			c.Must = false
			out = append(out, c)
		}
	}
	return out
}

// needsNewer reports whether the oldest kernel that weir supports lacks the hook:
// without it the others run.
func needsNewer(h hook.Hook) bool { return h.Netfilter() }

func (s sample) check(h hook.Hook, frags bool) Check {
	c := Check{Area: "program", Name: fmt.Sprintf("%s at %s", s.name, h), For: s.of, Must: s.name == samples[0].name && !needsNewer(h)}
	ps, err := s.compile(h)
	if err != nil {
		return c.result(err, "")
	}
	if !frags {
		ps = ps[:1]
	}
	return c.result(load(ps), s.do)
}

// compile compiles a sample, for XDP also for frames in fragments.
func (s sample) compile(h hook.Hook) ([]*lang.Program, error) {
	forms := []lang.Options{{File: "doctor.weir", Hook: h}}
	if h == hook.XDP {
		forms = append(forms, lang.Options{File: "doctor.weir", Hook: h, Frags: true})
	}
	var ps []*lang.Program
	for _, o := range forms {
		p, err := lang.Compile([]byte(s.source), o)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// open loads what compile gave.
func open(ps []*lang.Program) (*datapath.State, error) {
	var o datapath.LoadOptions
	if len(ps) > 1 {
		o.Frags = ps[1]
	}
	return datapath.Load(ps[0], o)
}

func load(ps []*lang.Program) error {
	s, err := open(ps)
	if err != nil {
		return err
	}
	return s.Close()
}

var atXDP, atTC = []ebpf.ProgramType{ebpf.XDP}, []ebpf.ProgramType{ebpf.SchedCLS}
var atBoth = slices.Concat(atXDP, atTC)

// helperTable is the helpers of the kernel that not every chain needs.
var helperTable = []struct {
	name  string
	fn    asm.BuiltinFunc
	at    []ebpf.ProgramType
	since string
	of    string
}{
	{"bpf_ktime_get_ns", asm.FnKtimeGetNs, atBoth, "4.1", "pkt.now, expiring =, token_bucket"},
	{"bpf_ktime_get_tai_ns", asm.FnKtimeGetTaiNs, atBoth, "6.1", "tai()"},
	{"bpf_get_prandom_u32", asm.FnGetPrandomU32, atBoth, "4.1", "sample(), rand()"},
	{"bpf_redirect", asm.FnRedirect, atBoth, "4.14", "redirect()"},
	{"bpf_loop", asm.FnLoop, atBoth, "5.17", "long loops"},
	{"bpf_for_each_map_elem", asm.FnForEachMapElem, atBoth, "5.13", "a full table with expiring ="},
	{"bpf_perf_event_output", asm.FnPerfEventOutput, atBoth, "4.8", "weir run -w"},
	{"bpf_ringbuf_output", asm.FnRingbufOutput, atBoth, "5.8", "ring, log()"},
	{"bpf_xdp_load_bytes", asm.FnXdpLoadBytes, atXDP, "5.18", "packets in fragments, and those that are no plain IP packets"},
	{"bpf_xdp_store_bytes", asm.FnXdpStoreBytes, atXDP, "5.18", "writing to these"},
	{"bpf_xdp_get_buff_len", asm.FnXdpGetBuffLen, atXDP, "5.18", "pkt.len of packets in fragments"},
	{"bpf_xdp_adjust_head", asm.FnXdpAdjustHead, atXDP, "4.10", "pkt.push, pkt.pop, VLAN tags"},
	{"bpf_xdp_adjust_tail", asm.FnXdpAdjustTail, atXDP, "4.18", "pkt.trim"},
	{"bpf_redirect_map", asm.FnRedirectMap, atXDP, "4.14", "redirect_cpu(), to_user()"},
	{"bpf_skb_load_bytes", asm.FnSkbLoadBytes, atTC, "4.5", "packets that do not lie in one piece"},
	{"bpf_skb_store_bytes", asm.FnSkbStoreBytes, atTC, "4.1", "writing to packets"},
	{"bpf_l4_csum_replace", asm.FnL4CsumReplace, atTC, "4.1", "writing to packets"},
	{"bpf_skb_vlan_push", asm.FnSkbVlanPush, atTC, "4.3", "writing VLAN tags, pkt.vlan_push"},
	{"bpf_skb_vlan_pop", asm.FnSkbVlanPop, atTC, "4.3", "writing VLAN tags, pkt.vlan_pop"},
	{"bpf_skb_change_tail", asm.FnSkbChangeTail, atTC, "4.9", "pkt.trim"},
	{"bpf_get_hash_recalc", asm.FnGetHashRecalc, atTC, "4.8", "pkt.hash"},
	{"bpf_fib_lookup", asm.FnFibLookup, atBoth, "4.18", "fib()"},
	{"bpf_tcp_raw_gen_syncookie_ipv4", asm.FnTcpRawGenSyncookieIpv4, atBoth, "6.0", "syncookie()"},
	{"bpf_clone_redirect", asm.FnCloneRedirect, atTC, "4.2", "clone()"},
	{"bpf_redirect_peer", asm.FnRedirectPeer, atTC, "5.10", "redirect_peer()"},
}

func helpers() []Check {
	var out []Check
	for _, h := range helperTable {
		c := Check{Area: "helper", Name: h.name, For: h.of}
		var err error
		for _, t := range h.at {
			err = errors.Join(err, features.HaveProgramHelper(t, h.fn))
		}
		out = append(out, c.result(err, "take Linux "+h.since+" or newer"))
	}
	return out
}

// mapTable is the kinds of kernel maps.
var mapTable = []struct {
	typ   ebpf.MapType
	since string
	of    string
	must  bool
}{
	{ebpf.Array, "3.19", "params, array", true},
	{ebpf.PerCPUArray, "4.6", "counters of every chain", true},
	{ebpf.Hash, "3.19", "table", false},
	{ebpf.LRUHash, "4.10", "lru, token_bucket", false},
	{ebpf.LPMTrie, "4.11", "lpm", false},
	{ebpf.PerCPUHash, "4.6", "percpu = True, count(x)", false},
	{ebpf.LRUCPUHash, "4.10", "percpu = True, count(x)", false},
	{ebpf.RingBuf, "5.8", "ring, log()", false},
	{ebpf.Queue, "4.20", "queue", false},
	{ebpf.Stack, "4.20", "stack", false},
	{ebpf.BloomFilter, "5.16", "bloom", false},
	{ebpf.CPUMap, "4.15", "redirect_cpu()", false},
	{ebpf.DevMap, "4.14", "redirect([…]) at xdp", false},
	{ebpf.XSKMap, "4.18", "to_user()", false},
	{ebpf.PerfEventArray, "4.3", "weir run -w", false},
}

func mapKinds() []Check {
	var out []Check
	for _, m := range mapTable {
		c := Check{Area: "map", Name: m.typ.String(), For: m.of, Must: m.must}
		out = append(out, c.result(features.HaveMapType(m.typ), "take Linux "+m.since+" or newer"))
	}
	big := Check{Area: "map", Name: "64 MiB", For: "large maps"}
	out = append(out, big.result(makeMap(64<<20), "raise the limit of locked memory: ulimit -l unlimited; or the memory of the cgroup"))
	events := Check{Area: "map", Name: "event buffers", For: "weir run -w"}
	return append(out, events.result(openEvents(), "let root open perf events: sysctl kernel.perf_event_paranoid=2"))
}

// makeMap makes an array of so many octets.
func makeMap(octets uint32) error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "weir_doctor", Type: ebpf.Array, KeySize: 4, ValueSize: 4096, MaxEntries: octets / 4096})
	if err != nil {
		return err
	}
	return m.Close()
}

func openEvents() error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "weir_doctor", Type: ebpf.PerfEventArray})
	if err != nil {
		return err
	}
	defer m.Close()
	r, err := perf.NewReader(m, 4096)
	if err != nil {
		return err
	}
	return r.Close()
}
