// Package packet is the one table of packet headers: where each field lies, how
// wide it is, what it holds and whether a chain may write it.
//
// The compiler reads it to turn pkt.ip4.ttl into a load, tracers read it to
// print what a chain saw. It knows bytes and bits of one header at a time; how
// headers follow each other in a frame is the compiler's business (package
// lower) and, independently, the reference's.
//
// The pseudo headers [IP] and [L4] stand for whichever of their members a frame
// has; their fields are those that all members share.
package packet

// A Header names a kind of header.
type Header uint8

// The headers of a frame. IP and L4 are pseudo headers.
const (
	None Header = iota
	Eth
	VLAN  // outer tag
	VLAN2 // inner tag
	ARP   // of IPv4 over Ethernet
	IP4
	IP6
	SRH // segment routing header of IPv6
	TCP
	UDP
	SCTP
	ICMP4
	ICMP6
	GRE
	ESP
	IP // IP4 or IP6
	L4 // TCP, UDP or SCTP
	numHeaders
)

var headerNames = [numHeaders]string{
	None: "none", Eth: "eth", VLAN: "vlan", VLAN2: "vlan2", ARP: "arp", IP4: "ip4", IP6: "ip6", SRH: "srh",
	TCP: "tcp", UDP: "udp", SCTP: "sctp", ICMP4: "icmp4", ICMP6: "icmp6", GRE: "gre", ESP: "esp", IP: "ip", L4: "l4",
}

// String returns the name of the header as chains write it after "pkt.".
func (h Header) String() string { return headerNames[h] }

// Lookup returns the header that chains write as pkt.NAME, or None.
func Lookup(name string) Header {
	for h := Eth; h < numHeaders; h++ {
		if headerNames[h] == name {
			return h
		}
	}
	return None
}

// Headers returns every header, pseudo headers included, in table order.
func Headers() []Header {
	var hs []Header
	for h := Eth; h < numHeaders; h++ {
		hs = append(hs, h)
	}
	return hs
}

// A Kind says what the bits of a field mean.
type Kind uint8

// Kinds of fields.
const (
	Uint  Kind = iota // an unsigned integer, big-endian on the wire
	Flag              // one bit, a bool
	MAC               // 6 octets
	Addr4             // an IPv4 address, 4 octets
	Addr6             // an IPv6 address, 16 octets
	Addr              // an address of either family (pseudo header IP only)
)

// A Field is a run of bits of a header.
//
// The bits lie in a big-endian storage unit of Bytes octets that begins Off
// octets into the header: value = (unit >> Shift) & (1<<Bits - 1), times Scale.
type Field struct {
	Name     string
	Kind     Kind
	Off      int // octets from the start of the header
	Bytes    int // octets of the storage unit: 1, 2, 4, 6 (MAC) or 16 (IPv6)
	Shift    int
	Bits     int
	Scale    int  // 8 for frag_off, else 1
	ReadOnly bool // changing it would move or break what follows
	Virtual  bool // worked out by the compiler, not a run of bits
}

// Max returns the greatest value that the field can hold, in the unit that
// chains see; 0 for addresses.
func (f Field) Max() uint64 {
	if f.Kind != Uint && f.Kind != Flag {
		return 0
	}
	return (1<<uint(f.Bits) - 1) * uint64(f.Scale)
}

// Size returns the fixed part of a header in octets: what must be in the frame
// for the header to be there. It is 0 for pseudo headers.
func (h Header) Size() int { return headerSizes[h] }

var headerSizes = [numHeaders]int{
	Eth: 14, VLAN: 4, VLAN2: 4, ARP: 28, IP4: 20, IP6: 40, SRH: 8,
	TCP: 20, UDP: 8, SCTP: 12, ICMP4: 8, ICMP6: 8, GRE: 4, ESP: 8,
}

// FieldOf returns the field of h of that name.
func (h Header) FieldOf(name string) (Field, bool) {
	for _, f := range fields[h] {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Fields returns the fields of h in wire order.
func (h Header) Fields() []Field { return fields[h] }
