// Package frames is the stock of Ethernet frames that the compiler's tests run
// chains on.
//
// A frame is its name and its bytes. [All] gives every frame that someone
// thought of, ordered by topic: well-formed traffic of every protocol that the
// language knows, fragments, extension headers, tags, and frames that lie about
// their lengths or end in the middle of a header. [Random] gives what nobody
// thought of. Both keep within the addresses set aside for documentation
// (RFC 5737, RFC 3849) and 10.0.0.0/8.
//
// Headers are serialised by gopacket, so checksums and lengths are right unless
// the frame's name says otherwise. The exceptions, which gopacket cannot write
// or refuses to, are the Ethernet header (gopacket pads it to 60 bytes), VLAN
// tags and IPv6 extension headers: these are spelt out here. The package knows
// nothing of the language or of package packet, on purpose: it must not share
// their mistakes.
package frames

import "slices"

// A Frame is one Ethernet frame without its check sequence, at least 14 bytes.
type Frame struct {
	Name string // unique, lower case, words joined with hyphens
	Data []byte
}

// Rewriting the UDP destination port of the frames "udp4-sum-zero-when-rewritten"
// and "udp6-sum-zero-when-rewritten" to RewritePort makes their checksum zero,
// which RFC 768 wants to be sent as 0xffff.
const RewritePort = 5353

// All returns every named frame. The bytes are the caller's own.
func All() []Frame {
	return slices.Concat(
		tcp4(), udp4(), icmp4(), other4(), options4(), fragments4(), limits4(),
		upper6(), extensions6(), fragments6(), limits6(),
		tcpOptions(), gre4and6(), segments6(), tunnels(), arps(),
		tagged(), link(), between(), logical(), cut(), lies(), apps(),
	)
}

// Named returns the frame called name, and panics if there is none: a test that
// asks for it is wrong.
func Named(name string) Frame {
	for _, f := range All() {
		if f.Name == name {
			return f
		}
	}
	panic("frames: no frame named " + name)
}
