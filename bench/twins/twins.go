// Package twins holds chains of real shape, each beside a twin in C, and runs
// the two on the same packets.
//
// # What is compared
//
// chains/NAME.weir is the chain, c/NAME.c the twin, objects/NAME.HOOK.VERSION.o what clang
// made of it (build.sh). A [Pair] is both at a hook, loaded, with a feeder
// before each. [Pair.Check] runs packets through both and compares verdicts,
// bytes and counters; [Pair.Measure] times them.
//
// joined/ holds ten chains that follow one another, and one file that does the same:
// see [Joined].
//
// # Fairness
//
// The question is what a chain costs beside the C that its author would have
// written in its place. The twin is neither handicapped nor spared:
//
//   - It is what people who write such programs write: xdp-tutorial's way to
//     headers (bounds, up to two tags, header length, fragments), one per-CPU
//     array for what is counted, maps and sizes as in the chain, hashes and
//     bitmaps where they are the faster. A trick that is good C is in: the ports
//     are a bitmap that a program wrote, the interval of the rate limit is
//     divided out by the loader.
//   - It counts packets and bytes for each return, since the chain does and since
//     people do (xdp_stats_kern.h). It does it once at its end, as they do.
//   - It does what makes it right at its hook on real packets: at traffic control
//     it pulls headers into the linear part where they are not, and changes
//     checksums by the helpers that know of offloads.
//   - It need not do what the language promises beyond: IPv6 where the chain asks
//     for IPv4 first, packets with a broken TCP data offset, the payload's end by
//     the length in the IP header. If a chain is slower for that, this is the
//     price of the promise, and it is paid here.
//   - Both are held to one meaning on packets that the timed ones do not show:
//     tags, IPv4 options, fragments, other protocols, packets cut short.
//
// The timed packets are what nearly all traffic is: no options, no tags but where
// the row is about them, 1,024 flows in an order without pattern.
//
// What it does not do: it knows no goals and prints nothing; see package bench.
package twins

import (
	"bytes"
	"embed"
	"fmt"

	"github.com/cilium/ebpf"

	"weir/hook"
	"weir/lang"
)

//go:generate ./build.sh

//go:embed chains/*.weir joined/*.weir objects/*.o
var files embed.FS

// A Twin is a chain and its twin.
type Twin struct {
	Name  string // of its files
	Title string // what it does, in a few words

	timed    func(*traffic) [][]byte // frames of one length
	versions []string                // of the twin; nil: all
}

// All returns the twins, in their order.
func All() []Twin {
	return []Twin{
		{Name: "parse", Title: "parse and drop", timed: parseFrames},
		{Name: "flows", Title: "5-tuple table count", timed: mixedFrames},
		{Name: "prefix", Title: "prefix drop", timed: prefixFrames},
		{Name: "ports", Title: "list of 200 ports", timed: portFrames},
		{Name: "rate", Title: "rate limit", timed: mixedFrames},
		{Name: "tags", Title: "two tags, IPv6 walk", timed: tagFrames},
		{Name: "nat", Title: "NAT with checksums", timed: natFrames},
		{Name: "match", Title: "payload match", timed: requestFrames},
		{Name: "find", Title: "find in 64 bytes", timed: hostFrames},
		{Name: "options", Title: "loop over TCP options", timed: synFrames},
		{Name: "sample", Title: "sampling to a ring", timed: mixedFrames},
		{Name: "record", Title: "record update", timed: tcpFrames},
		{Name: "rules", Title: "20 rules in a row", timed: ruleFrames},
		{Name: "hash", Title: "hash with multiplications", timed: udpFrames},
		{Name: "mix", Title: "150-line mix", timed: siteFrames},
	}
}

// Versions are the instruction sets that twins are compiled for.
func Versions() []string { return []string{"v3", "v4"} }

// Versions are those that the twin is compiled for.
func (t Twin) Versions() []string {
	if t.versions != nil {
		return t.versions
	}
	return Versions()
}

// Compiler is what compiled the twins.
const Compiler = "clang-22"

// Compile compiles the chain for a hook.
func (t Twin) Compile(h hook.Hook) (*lang.Program, error) {
	src, err := files.ReadFile("chains/" + t.Name + ".weir")
	if err != nil {
		return nil, err
	}
	return lang.Compile(src, lang.Options{File: t.Name + ".weir", Hook: h})
}

// Object returns the ELF object of the twin in C.
func (t Twin) Object(h hook.Hook, version string) ([]byte, error) {
	return files.ReadFile(fmt.Sprintf("objects/%s.%s.%s.o", t.Name, kindOf(h).object, version))
}

// spec returns the object as cilium/ebpf loads it.
func (t Twin) spec(h hook.Hook, version string) (*ebpf.CollectionSpec, error) {
	obj, err := t.Object(h, version)
	if err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(obj))
	if err != nil {
		return nil, fmt.Errorf("read object of %s: %w", t.Name, err)
	}
	return spec, nil
}
