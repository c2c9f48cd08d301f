package bench

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	bpflink "github.com/cilium/ebpf/link"
)

// What filters at the places of hooks without weir. Each does what the small filter
// does: it drops UDP to port 53, and counts every packet, dropped or not, by the
// counters that it has.
var (
	nftIngress    = nft("nft netdev ingress", "netdev", `type filter hook ingress device "eth0" priority 0`)
	nftPrerouting = nft("nft prerouting", "inet", "type filter hook prerouting priority raw")
	nftInput      = nft("nft input", "inet", "type filter hook input priority filter")

	iptablesRaw   = iptables("iptables raw", "raw", "PREROUTING")
	iptablesInput = iptables("iptables INPUT", "filter", "INPUT")

	tcU32 = commands("tc u32",
		[]string{
			"tc qdisc add dev eth0 clsact",
			"tc filter add dev eth0 ingress prio 1 protocol ip u32 match ip protocol 17 0xff match ip dport 53 0xffff action drop",
			"tc filter add dev eth0 ingress prio 2 protocol all matchall action continue",
		},
		"tc -s filter show dev eth0 ingress", regexp.MustCompile(`Sent \d+ bytes (\d+) pkt`),
		"tc qdisc del dev eth0 clsact")
)

func nft(name, family, where string) contender {
	// One argument of nft is a script.
	table := family + " weirbench"
	return commands(name,
		[]string{
			"nft add table " + table,
			"nft add chain " + table + " c { " + where + " ; }",
			"nft add rule " + table + " c udp dport 53 counter drop",
			"nft add rule " + table + " c counter",
		},
		"nft list table "+table, regexp.MustCompile(`counter packets (\d+)`),
		"nft delete table "+table)
}

// iptables is the classic one, with tables of its own in the kernel. What passes
// is counted by the chain's policy.
func iptables(name, table, chain string) contender {
	const do = "iptables-legacy -w -t "
	rule := " " + chain + " -p udp --dport 53 -j DROP"
	return commands(name,
		[]string{do + table + " -A" + rule},
		do+table+" -vxnL "+chain, regexp.MustCompile(`(?m)policy ACCEPT (\d+) packets|^ *(\d+) +\d+ DROP `),
		do+table+" -D"+rule)
}

// commands makes a contender of commands: what puts it up, what lists it, with what
// finds its counters there, and what takes it down.
func commands(name string, up []string, list string, counter *regexp.Regexp, down string) contender {
	return contender{name, func(ctx context.Context, p *plain) (standing, error) {
		run := func(line string) (string, error) {
			words := strings.Fields(line)
			out, err := p.to.Run(ctx, words[0], words[1:]...)
			return string(out), err
		}
		s := standing{
			counted: func(context.Context) (uint64, error) {
				out, err := run(list)
				if err != nil {
					return 0, err
				}
				return sum(counter.FindAllStringSubmatch(out, -1))
			},
			down: func() error {
				_, err := run(down)
				return err
			},
		}
		for i, line := range up {
			if _, err := run(line); err != nil {
				if i > 0 {
					err = errors.Join(err, s.down())
				}
				return standing{}, err
			}
		}
		return s, nil
	}}
}

// sum adds up what the groups of matches have found.
func sum(found [][]string) (n uint64, err error) {
	for _, groups := range found {
		for _, g := range groups[1:] {
			if g == "" {
				continue
			}
			x, err := strconv.ParseUint(g, 10, 64)
			if err != nil {
				return 0, err
			}
			n += x
		}
	}
	return n, nil
}

// emptyXDP is the floor: it drops everything, and counts nothing but what comes.
var emptyXDP = contender{"empty program", func(_ context.Context, p *plain) (s standing, err error) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "counted", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return s, err
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "empty", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMapValue(asm.R1, m.FD(), 0),
		asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord),
		asm.Add.Imm(asm.R2, 1),
		asm.StoreMem(asm.R1, 0, asm.R2, asm.DWord),
		asm.Mov.Imm(asm.R0, 1), // XDP_DROP
		asm.Return(),
	}})
	if err != nil {
		return s, errors.Join(err, m.Close())
	}
	var l bpflink.Link
	if err := p.to.Do(func() (err error) {
		l, err = bpflink.AttachXDP(bpflink.XDPOptions{Program: prog, Interface: p.b.Index, Flags: bpflink.XDPDriverMode})
		return err
	}); err != nil {
		return s, errors.Join(err, prog.Close(), m.Close())
	}
	return standing{
		counted: func(context.Context) (n uint64, err error) { return n, m.Lookup(uint32(0), &n) },
		runs: func() (uint64, error) {
			st, err := prog.Stats()
			if err != nil {
				return 0, err
			}
			return st.RunCount, nil
		},
		down: func() error { return errors.Join(l.Close(), prog.Close(), m.Close()) },
	}, nil
}}
