package frames

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Options of TCP as hosts send them (RFC 9293, RFC 7323, RFC 2018).
var (
	optMSS    = []byte{2, 4, 5, 180}
	optSack   = []byte{4, 2}
	optTimes  = []byte{8, 10, 0xaa, 0xbb, 0xcc, 0xdd, 0x11, 0x22, 0x33, 0x44}
	optScale  = []byte{3, 3, 7}
	optNop    = []byte{1}
	optBlocks = []byte{5, 10, 0, 0, 0, 100, 0, 0, 0, 200}
)

// segment is a TCP segment whose options are opts, filled with zeros to whole
// words; gopacket writes no option that is malformed. Its checksum is right.
func segment(v6 bool, flags string, opts []byte, payload ...byte) []byte {
	for len(opts)%4 != 0 {
		opts = append(opts[:len(opts):len(opts)], 0)
	}
	t := tcp(40000, 443, flags)
	for range opts {
		t.Options = append(t.Options, layers.TCPOption{OptionType: layers.TCPOptionKindNop})
	}
	head, at := over4(ip4(layers.IPProtocolTCP, client4, server4), t, raw(payload...)), offUpper4
	if v6 {
		head, at = over6(ip6(nextTCP, client6, server6), t, raw(payload...)), offUpper6
	}
	nops := make([]byte, len(opts))
	for i := range nops {
		nops[i] = 1
	}
	sum := head[at+16:]
	old := uint32(binary.BigEndian.Uint16(sum)) ^ 0xffff
	// RFC 1624, equation 3, over all words of the options.
	was, is := gopacket.ComputeChecksum(nops, 0), gopacket.ComputeChecksum(opts, 0)
	binary.BigEndian.PutUint16(sum, gopacket.FoldChecksum(old+uint32(gopacket.FoldChecksum(was))+is))
	copy(head[at+20:], opts)
	return head
}

func join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func tcpOptions() []Frame {
	linux := join(optMSS, optSack, optTimes, optNop, optScale)
	s := func(opts ...[]byte) []byte { return segment(false, "S", join(opts...)) }
	long := join(optNop, optNop, optTimes, optNop, optNop, []byte{5, 26}, fill(24))
	return []Frame{
		{"tcp4-options-linux", s(linux)},
		{"tcp6-options-linux", segment(true, "S", linux)},
		{"tcp4-options-windows", s(optMSS, optNop, optScale, optNop, optNop, optSack)},
		{"tcp4-options-times", segment(false, "PA", join(optNop, optNop, optTimes), request...)},
		{"tcp6-options-times", segment(true, "A", join(optNop, optNop, optTimes))},
		{"tcp4-options-times-alone", segment(false, "A", join(optTimes, optNop, optNop))},
		{"tcp4-options-sack-blocks", segment(false, "A", join(optNop, optNop, optTimes, optNop, optNop, optBlocks))},
		{"tcp4-options-full", segment(false, "A", long[:40])},
		{"tcp4-options-mss-odd", s(optNop, optMSS)},
		{"tcp4-options-mss-third", s(optNop, optNop, optNop, optMSS)},
		{"tcp4-options-mss-last", s(optSack, optNop, optNop, optMSS)},
		{"tcp4-options-mss-twice", s(optMSS, []byte{2, 4, 2, 24})},
		{"tcp4-options-mss-short", s([]byte{2, 3, 5}, optSack)},
		{"tcp4-options-mss-long", s([]byte{2, 6, 5, 180, 1, 2})},
		{"tcp4-options-mss-zero", s([]byte{2, 4, 0, 0})},
		{"tcp4-options-mss-max", s(optNop, []byte{2, 4, 0xff, 0xff})},
		{"tcp4-options-after-end", s([]byte{0}, optNop, optSack, optMSS)},
		{"tcp4-options-length-0", s([]byte{9, 0}, optMSS)},
		{"tcp4-options-length-1", s([]byte{9, 1}, optMSS)},
		{"tcp4-options-beyond-doff", s([]byte{9, 9}, optSack, optMSS[:2])},
		{"tcp4-options-kind-alone", s(optNop, optNop, optNop, []byte{2})},
		{"tcp4-options-mss-cut", s(optSack, optMSS[:2])},
		{"tcp4-options-nops", s(make([]byte, 0), []byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, optMSS)},
		{"tcp4-options-twenty", s(join(optSack, optSack, optSack, optSack, optSack, optSack, optSack, optSack, optSack, optSack),
			join(optSack, optSack, optSack, optSack, optSack, optSack, optSack, optSack, optMSS))},
		{"tcp4-options-experiment", s([]byte{254, 8, 0xf9, 0x89, 'w', 'e', 'i', 'r'}, optMSS)},
		{"tcp4-options-experiment-other", s([]byte{254, 4, 1, 2}, optMSS)},
		{"vlan-tcp4-options", frame(ether(typeQ), tag(0, 0, 100, typeIPv4), raw(s(optNop, linux[:19])[14:]...))},
		{"ip4-ihl-6-options", withIPOption(s(optNop, optMSS, optNop, optScale))},
	}
}

// withIPOption returns a frame with four bytes of options in its IPv4 header.
func withIPOption(data []byte) []byte {
	out := join(data[:offUpper4], []byte{1, 1, 1, 1}, data[offUpper4:])
	out[offIP4]++
	binary.BigEndian.PutUint16(out[offIP4+2:], uint16(len(out)-offIP4))
	return resum4(out)
}

// randomOptions draws options for a SYN or a data packet, mostly well-formed.
func randomOptions(r *rand.Rand) []byte {
	var out []byte
	for range r.IntN(7) {
		part := pick(r, optMSS, optSack, optTimes, optScale, optNop, optNop, optBlocks, []byte{254, 4, 1, 2},
			[]byte{byte(r.Uint32()), byte(r.IntN(12))})
		if len(out)+len(part) <= 40 {
			out = append(out, part...)
		}
	}
	return out
}
