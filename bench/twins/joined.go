package twins

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
)

// Names of what a composition is compared with.
const (
	OneFile = "one file"
	Alone   = "each alone, added"
)

// Joined opens ten chains of one header each at a hook, joined into one program;
// beside them the one file that somebody would have written in their place, which
// does the same, and each of the ten alone.
func Joined(h hook.Hook) (p *Pair, err error) {
	tr := newTraffic()
	p = &Pair{Twin: Twin{Name: "joined", Title: "ten chains of one header each"}, frames: joinedFrames(tr)}
	p.odd = tr.odd(p.frames)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	parts, err := joinedParts()
	if err != nil {
		return p, err
	}
	if p.floor, err = empty(h, p.frames); err != nil {
		return p, err
	}
	if p.ours, err = program("weir", h, p.frames, parts...); err != nil {
		return p, err
	}
	if p.again, err = program("weir again", h, p.frames, parts...); err != nil {
		return p, err
	}
	text, err := files.ReadFile("joined/one.weir")
	if err != nil {
		return p, err
	}
	one, err := program(OneFile, h, p.frames, lang.Part{File: "one.weir", Source: text})
	if err != nil {
		return p, err
	}
	p.peers = append(p.peers, one)
	for _, part := range parts {
		s, err := program(part.File, h, p.frames, part)
		if err != nil {
			return p, err
		}
		p.alone = append(p.alone, s)
	}
	return p, nil
}

// joinedParts are the ten chains, in order.
func joinedParts() ([]lang.Part, error) {
	names, err := fs.Glob(files, "joined/[0-9]*.weir")
	if err != nil {
		return nil, err
	}
	var parts []lang.Part
	for _, n := range names {
		text, err := files.ReadFile(n)
		if err != nil {
			return nil, err
		}
		parts = append(parts, lang.Part{File: strings.TrimPrefix(n, "joined/"), Source: text})
	}
	return parts, nil
}

// program compiles chains into one program and loads it. Its exits are those of a
// verdict and reason, in order of their names.
func program(name string, h hook.Hook, frames [][]byte, parts ...lang.Part) (*side, error) {
	p, err := lang.Compile(parts[0].Source, lang.Options{
		File: parts[0].File, Then: parts[1:], Hook: h,
		Load: func(name string) ([]byte, error) { return files.ReadFile("objects/" + name) },
	})
	if err != nil {
		return nil, err
	}
	st, err := datapath.Load(p, datapath.LoadOptions{Interface: func(string) (uint32, error) { return 1, nil }})
	if err != nil {
		return nil, err
	}
	m := st.SystemMap(p, lang.ExitMap)
	s := &side{name: name, hook: h, prog: st.Object(p), closes: []func() error{st.Close}}
	s.exits = func() ([]Exit, error) { return exitsByReason(p, m) }
	return newSide(s, frames)
}

func exitsByReason(p *lang.Program, m *ebpf.Map) ([]Exit, error) {
	order := make([]int, len(p.Exits))
	for i := range order {
		order[i] = i
	}
	each, err := readExits(m, order)
	if err != nil {
		return nil, err
	}
	sums := map[string]Exit{}
	for i, x := range p.Exits {
		key := fmt.Sprintf("%s %s", x.Verdict, x.Reason)
		sums[key] = Exit{sums[key].Packets + each[i].Packets, sums[key].Bytes + each[i].Bytes}
	}
	var out []Exit
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		out = append(out, sums[key])
	}
	return out, nil
}

// joinedFrames: TCP, UDP and pings; of each reason to drop that they can have
// some, and most that nobody drops.
func joinedFrames(t *traffic) [][]byte {
	return each(func(int) datagram {
		d := t.any(one[uint8](t, protoTCP, protoTCP, protoTCP, protoUDP, protoUDP, 1), one[uint16](t, 443, 443, 80, 53))
		d.flags = one[uint8](t, 0x10, 0x18, 0x10, 0x18, 0x02)
		switch t.IntN(16) {
		case 0:
			d.src = 0xc0000205
		case 1:
			d.flags = 3
		case 2:
			d.dport = 23
		}
		return d
	})
}
