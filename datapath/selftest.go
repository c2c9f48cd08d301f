package datapath

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/lang"
	"weir/lang/ir"
)

// trialRoom is how many entries the maps of a self-test have room for, trialRing how
// many octets their rings.
const (
	trialRoom = 1024
	trialRing = 16 << 10
)

// selfTest runs a program on a few frames before packets meet it: each must end
// by one of its exits, with what the kernel is told for that. It runs a copy with
// maps of its own, small and empty, so that the frames leave no trace in what is
// carried over. Programs that the kernel cannot run so are not tested.
func selfTest(p *lang.Program, frags bool, params []ParamValue) error {
	s := newState()
	defer s.Close()
	if p.Hook == hook.Connect {
		return nil // for which the kernel has no test run
	}
	u, err := s.add(trial(p), frags, interfaceIndex)
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	for _, v := range params {
		if err := s.setWord(v.Name, v.Word); err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("self-test: %w", err)
		}
	}
	for _, f := range trials(p.Hook) {
		err := u.try(f)
		if errors.Is(err, ebpf.ErrNotSupported) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("self-test on a frame of %s: %w", f.name, err)
		}
	}
	return nil
}

// trialShrinks are the uses of maps whose size is the chain's affair.
var trialShrinks = []lang.System{lang.User, lang.TallyMap, lang.ListMap, lang.OriginMap}

// trial returns p with maps fit for a self-test: small ones beside those that carry
// packets. Of an array what is behind its end is as if it were not there. Lists that
// are searched are empty, too: which of its exits a frame takes is not asked.
func trial(p *lang.Program) *lang.Program {
	out := *p
	out.Maps = slices.Clone(p.Maps)
	for i := range out.Maps {
		m := &out.Maps[i]
		switch {
		case m.Spec.Kind == ir.RingBuf:
			m.Spec.MaxEntries = min(m.Spec.MaxEntries, trialRing)
		case slices.Contains(trialShrinks, m.System):
			m.Spec.MaxEntries, m.Init = min(m.Spec.MaxEntries, trialRoom), nil
		}
	}
	return &out
}

// try runs the program once.
func (u *unit) try(f trialFrame) error {
	o, sees := f.options(u.prog.Hook)
	if !sees {
		return nil
	}
	before, err := u.exits(0)
	if err != nil {
		return err
	}
	code, err := u.obj.Run(o)
	if err != nil {
		return err
	}
	after, err := u.exits(0)
	if err != nil {
		return err
	}
	counted := 0
	for i, x := range after {
		if x.Packets == before[i].Packets {
			continue
		}
		counted += int(x.Packets - before[i].Packets)
		if want, ok := u.prog.Hook.Code(x.Verdict); !ok || int32(code) != want {
			return fmt.Errorf("it returned %d for %s, not %d", int32(code), x.Verdict, want)
		}
	}
	if counted != 1 {
		return fmt.Errorf("it returned %d, and counted %d exits, not 1", int32(code), counted)
	}
	return nil
}

// A trialFrame is what a program is run on: a frame, or the context of a connection.
type trialFrame struct {
	name          string
	data, context []byte
}

// options are how the frame is given to a program of a hook; false if the hook never
// sees it.
func (f trialFrame) options(h hook.Hook) (*ebpf.RunOptions, bool) {
	if f.context != nil {
		return &ebpf.RunOptions{Context: f.context, ContextOut: make([]byte, len(f.context))}, true
	}
	r, sees := NewTestRun(h, f.data, nil)
	if !sees {
		return nil, false
	}
	return &r.RunOptions, true
}

// trials are what programs of a hook are run on.
func trials(h hook.Hook) []trialFrame {
	if h != hook.SkLookup {
		return trialFrames()
	}
	four, six := netip.MustParseAddrPort("192.0.2.1:443"), netip.MustParseAddrPort("[2001:db8::1]:53")
	var out []trialFrame
	for name, proto := range map[string]uint8{"TCP": unix.IPPROTO_TCP, "UDP": unix.IPPROTO_UDP} {
		out = append(out,
			trialFrame{name: "a connection of " + name, context: LookupContext(proto, four, four)},
			trialFrame{name: "a connection of " + name + " over IPv6", context: LookupContext(proto, six, six)})
	}
	return out
}

// trialFrames are frames of 64 octets that lead a chain through its headers.
func trialFrames() []trialFrame {
	const (
		ip4 = "45000032000040004"                                                  // up to the time to live
		ad4 = "0000c0000201c6336401"                                               // checksum, 192.0.2.1, 198.51.100.1
		ip6 = "600000000018"                                                       // up to the next header
		ad6 = "4020010db800000000000000000000000120010db8000000000000000000000002" // hop limit, addresses
		tcp = "9c4001bb00000001000000005002ffff00000000"
		udp = "9c400035001e0000"
	)
	return []trialFrame{
		newFrame("TCP", "0800", ip4+"006"+ad4+tcp),
		newFrame("UDP", "0800", ip4+"011"+ad4+udp),
		newFrame("ICMP", "0800", ip4+"001"+ad4+"0800000000000001"),
		newFrame("TCP over IPv6", "86dd", ip6+"06"+ad6+tcp),
		newFrame("tagged UDP", "81000005", "0800"+ip4+"011"+ad4+udp),
		newFrame("ARP", "0806", "000108000604"+"0001"),
	}
}

// newFrame makes a frame of what follows the addresses, in hexadecimal digits.
func newFrame(name, typ, rest string) trialFrame {
	b, err := hex.DecodeString("020000000001" + "020000000002" + typ + rest)
	if err != nil {
		panic(err) // a fault of the list above
	}
	return trialFrame{name: name, data: append(b, make([]byte, max(0, 64-len(b)))...)}
}
