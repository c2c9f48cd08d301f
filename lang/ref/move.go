package ref

import (
	"encoding/binary"
	"slices"

	"github.com/gopacket/gopacket/layers"
	"go.starlark.net/starlark"
)

// The most octets that one move may add or take away.
const (
	mostPushed  = 128
	mostPopped  = 1024
	mostTrimmed = 65535
)

// move is pkt.push(n) and its like: whether it was done, or nil if name is none of
// them. Views that were taken before are of no use after it; that the compiler
// refuses their use is not for the reference to check.
func (p *packet) move(name string, args []value, named map[string]value) value {
	arg := func(i int, word string) uint64 {
		if i < len(args) {
			return needNum(args[i], name).bits
		}
		if v, ok := named[word]; ok {
			return needNum(v, name).bits
		}
		if word == "prio" {
			return 0
		}
		refuse("%s: no value for %s", name, word)
		return 0
	}
	switch name {
	case "encap":
		return p.encap(args, named)
	case "decap":
		return p.decap()
	}
	size := uint64(len(p.frame))
	const ethernet = 14
	switch name {
	case "push":
		n := arg(0, "n")
		if n > mostPushed {
			return starlark.False
		}
		p.frame = append(make([]byte, n), p.frame...)
	case "pop":
		n := arg(0, "n")
		if n > mostPopped || n+ethernet > size {
			return starlark.False
		}
		p.frame = slices.Clone(p.frame[n:])
	case "trim":
		n, least := arg(0, "n"), uint64(ethernet)
		if walk(p.frame, true).vlan != absent {
			least += 4
		}
		if n > mostTrimmed || n+least > size {
			return starlark.False
		}
		p.frame = p.frame[:size-n]
	case "vlan_push":
		tag := binary.BigEndian.AppendUint16(nil, uint16(layers.EthernetTypeDot1Q))
		tag = binary.BigEndian.AppendUint16(tag, uint16(arg(1, "prio")&7<<13|arg(0, "id")&0xfff))
		p.frame = slices.Insert(p.frame, 12, tag...)
	case "vlan_pop":
		if walk(p.frame, true).vlan == absent {
			return starlark.False
		}
		p.frame = slices.Delete(p.frame, 12, 16)
	default:
		return nil
	}
	return starlark.True
}
