package packet

import "encoding/binary"

// A Layer is a header in a frame.
type Layer struct {
	Header Header // None: what follows the last header that is known
	Off    int    // octets from the start of the frame
	Size   int    // octets, with options; of None, the rest
}

// EtherTypes (IEEE 802 numbers) and protocols (IANA), as far as headers of the table
// follow them.
const (
	typeIP4 = 0x0800
	typeARP = 0x0806
	typeTag = 0x8100 // 802.1Q
	typeIP6 = 0x86dd
	typeAD  = 0x88a8 // 802.1ad

	protoICMP4 = 1
	protoTCP   = 6
	protoUDP   = 17
	protoIP6   = 41
	protoSRH   = 43
	protoGRE   = 47
	protoESP   = 50
	protoICMP6 = 58
	protoSCTP  = 132
)

// extensions of IPv6 that are stepped over (RFC 8200, section 4; RFC 4302).
var extensions = map[byte]bool{0: true, 43: true, 44: true, 51: true, 60: true, 135: true}

// Layers takes an Ethernet frame apart, for people and tests: the chain's own view,
// with its bounds of tags and extension headers, is the compiler's. A header that is
// cut off is no layer. Extension headers of IPv6 but the segment routing header are
// left out, and so is what follows the header of a fragment but the first.
func Layers(frame []byte) []Layer {
	w := walker{frame: frame}
	if len(frame) >= Eth.Size() {
		w.add(Eth, Eth.Size())
		w.afterType(binary.BigEndian.Uint16(frame[12:]))
	}
	if w.at < len(frame) {
		w.out = append(w.out, Layer{None, w.at, len(frame) - w.at})
	}
	return w.out
}

type walker struct {
	frame []byte
	at    int // where the next header begins
	tags  int
	out   []Layer
}

// add takes a header of n octets, if it is there whole.
func (w *walker) add(h Header, n int) bool {
	if n < h.Size() || w.at+n > len(w.frame) {
		return false
	}
	w.out = append(w.out, Layer{h, w.at, n})
	w.at += n
	return true
}

func (w *walker) rest() []byte { return w.frame[w.at:] }

func (w *walker) afterType(typ uint16) {
	switch typ {
	case typeTag, typeAD:
		h := VLAN
		if w.tags++; w.tags > 1 {
			h = VLAN2
		}
		if w.tags <= 2 && w.add(h, h.Size()) {
			w.afterType(binary.BigEndian.Uint16(w.frame[w.at-2:]))
		}
	case typeARP:
		w.add(ARP, ARP.Size())
	case typeIP4:
		w.ip4()
	case typeIP6:
		w.ip6()
	}
}

func (w *walker) ip4() {
	b := w.rest()
	if len(b) < IP4.Size() || b[0]>>4 != 4 || !w.add(IP4, int(b[0]&15)*4) {
		return
	}
	if binary.BigEndian.Uint16(b[6:])&0x1fff == 0 {
		w.afterProto(b[9])
	}
}

func (w *walker) ip6() {
	b := w.rest()
	if len(b) < IP6.Size() || b[0]>>4 != 6 || !w.add(IP6, IP6.Size()) {
		return
	}
	next := b[6]
	for extensions[next] {
		x := w.rest()
		if len(x) < 8 {
			return
		}
		n := 8 * (int(x[1]) + 1)
		switch next {
		case 44:
			n = 8
		case 51:
			n = 4 * (int(x[1]) + 2)
		}
		if len(x) < n {
			return
		}
		fragment := next == 44 && binary.BigEndian.Uint16(x[2:])>>3 != 0
		if next == protoSRH && x[2] == 4 {
			w.add(SRH, n)
		} else {
			w.at += n
		}
		if next = x[0]; fragment {
			return
		}
	}
	w.afterProto(next)
}

func (w *walker) afterProto(proto byte) {
	b := w.rest()
	switch proto {
	case protoTCP:
		if len(b) >= TCP.Size() {
			w.add(TCP, int(b[12]>>4)*4)
		}
	case protoUDP:
		w.add(UDP, UDP.Size())
	case protoSCTP:
		w.add(SCTP, SCTP.Size())
	case protoICMP4:
		w.add(ICMP4, ICMP4.Size())
	case protoICMP6:
		w.add(ICMP6, ICMP6.Size())
	case protoESP:
		w.add(ESP, ESP.Size())
	case protoGRE:
		w.gre()
	}
}

// gre is a header of 4 octets and of 4 more for each of checksum, key and sequence
// number that its flags announce (RFC 2890).
func (w *walker) gre() {
	b := w.rest()
	if len(b) < GRE.Size() {
		return
	}
	n := 4
	for _, flag := range []byte{0x80, 0x20, 0x10} {
		if b[0]&flag != 0 {
			n += 4
		}
	}
	w.add(GRE, n)
}
