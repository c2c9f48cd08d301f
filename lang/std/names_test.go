package std_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"weir/trace"
)

// onList and covered are what the lists of std/names.weir do, in Go.
func onList(list map[string]bool, name string) bool { return list[strings.ToLower(name)] }

func covered(list map[string]bool, name string) bool {
	for {
		if onList(list, name) {
			return true
		}
		_, above, ok := strings.Cut(name, ".")
		if !ok {
			return false
		}
		name = above
	}
}

// A namer makes names: mostly of few labels, so that many are on a list or below one.
type namer struct {
	*rand.Rand
	list map[string]bool
}

func newNamer(seed uint64) *namer {
	return &namer{rand.New(rand.NewPCG(seed, seed)), map[string]bool{}}
}

// label is one of few, or one of any length.
func (n *namer) label() string {
	if n.IntN(4) > 0 {
		return []string{"www", "example", "org", "a", "xn--bcher-kva", "com", "_dmarc", "cdn-7"}[n.IntN(8)]
	}
	b := make([]byte, 1+n.IntN(63))
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz0123456789-_"[n.IntN(38)]
	}
	return string(b)
}

// name is of at most size characters.
func (n *namer) name(size int) string {
	labels := []string{n.label()}
	for range n.IntN(7) {
		labels = append(labels, n.label())
	}
	name := strings.Join(labels, ".")
	for len(name) > size {
		_, name, _ = strings.Cut(name, ".")
	}
	if name == "" {
		return "a"
	}
	return name
}

// below is a name on the list, one below it, or one that only looks like it.
func (n *namer) near() string {
	all := slices.Sorted(maps.Keys(n.list))
	name := all[n.IntN(len(all))]
	switch n.IntN(5) {
	case 0:
		name = n.label() + "." + name
	case 1:
		name = n.label() + name
	case 2:
		name = strings.Replace(name, ".", "-", 1)
	case 3:
		name += "." + n.label()
	}
	if len(name) > 250 {
		return "a"
	}
	return name
}

// any is a name for a packet, in any case.
func (n *namer) any() string {
	name := n.near()
	if n.IntN(3) == 0 {
		name = n.name(250)
	}
	b := []byte(name)
	for i := range b {
		if n.IntN(3) == 0 {
			b[i] = strings.ToUpper(name)[i]
		}
	}
	return string(b)
}

// fill puts 60 names on the list, while the chain runs.
func (n *namer) fill(t *testing.T, r *trace.Runner) {
	t.Helper()
	m, err := r.Map("list.names")
	if err != nil {
		t.Fatal(err)
	}
	for len(n.list) < 60 {
		name := n.name(63)
		n.list[name] = true
		if err := m.Put(name, ""); err != nil {
			t.Fatal(err)
		}
	}
}

func number(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// TestNames looks up names of random packets in a list, as Go does.
func TestNames(t *testing.T) {
	k := load(t, `
load("std/names.weir", "name_list")
list = name_list(size = 100)
def main(pkt):
    p = pkt.payload
    n = p.u16(8)
    numbers.emit(list.on_list(p, 10, n))
    numbers.emit(list.covers(p, 10, n))
    return PASS
`)
	n := newNamer(1)
	n.fill(t, k)
	hits := [2]int{}
	for range 4000 {
		name := n.any()
		switch n.IntN(20) {
		case 0:
			name += "\x00"
		case 1:
			name = strings.Replace(name, ".", "\x00", 1)
		case 2:
			name = strings.Replace(name, ".", "\xae", 1)
		}
		p := random(n.Rand)
		p.body = append([]byte("somewher"), byte(len(name)>>8), byte(len(name)))
		p.body = append(append(p.body, name...), "trail"[:n.IntN(6)]...)
		want := []uint64{number(onList(n.list, name)), number(covered(n.list, name))}
		if _, got := through(t, k, p.bytes(t)); !slices.Equal(got, want) {
			t.Fatalf("%q: got %d, want %d", name, got, want)
		}
		hits[0] += int(want[0])
		hits[1] += int(want[1])
	}
	if hits[0] < 100 || hits[1] < hits[0]+100 {
		t.Errorf("%d on the list, %d covered: this tests little", hits[0], hits[1])
	}
}

// query is a DNS message with one question, as gopacket writes it.
func query(t *testing.T, name string, kind layers.DNSType, flags func(*layers.DNS)) []byte {
	t.Helper()
	d := &layers.DNS{ID: 77, RD: true, Questions: []layers.DNSQuestion{{Name: []byte(name), Type: kind, Class: layers.DNSClassIN}}}
	if flags != nil {
		flags(d)
	}
	b := gopacket.NewSerializeBuffer()
	if err := d.SerializeTo(b, gopacket.SerializeOptions{FixLengths: true}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const dnsChain = `
load("std/dns.weir", "dns_is_query", "dns_is_response", "dns_question", "dns_start")
load("std/names.weir", "name_list")
list = name_list(size = 100)
def main(pkt):
    p, start = pkt.payload, dns_start(pkt)
    at, n, dots, kind = dns_question(p, start)
    numbers.emit(dns_is_query(p, start))
    numbers.emit(dns_is_response(p, start))
    numbers.emit(n)
    numbers.emit(kind)
    numbers.emit(list.dns_on_list(p, at, n, dots))
    numbers.emit(list.dns_covers(p, at, n, dots))
    return PASS
`

// TestDNS reads questions that gopacket wrote.
func TestDNS(t *testing.T) {
	k := load(t, dnsChain)
	n := newNamer(2)
	n.fill(t, k)
	for range 4000 {
		name, kind := n.any(), layers.DNSType(1+n.IntN(60000))
		if longLabel(name) {
			continue
		}
		answer, other := n.IntN(2) == 0, n.IntN(8) == 0
		p := random(n.Rand)
		p.body = query(t, name, kind, func(d *layers.DNS) {
			d.QR = answer
			if other {
				d.OpCode = layers.DNSOpCodeUpdate
			}
		})
		if n.IntN(2) == 0 {
			p.tcp = &layers.TCP{ACK: true}
			p.body = append([]byte{byte(len(p.body) >> 8), byte(len(p.body))}, p.body...)
		}
		want := []uint64{
			number(!answer && !other), number(answer && !other), uint64(len(name)), uint64(kind),
			number(onList(n.list, name)), number(covered(n.list, name)),
		}
		if _, got := through(t, k, p.bytes(t)); !slices.Equal(got, want) {
			t.Fatalf("%q: got %d, want %d\n%x", name, got, want, p.body)
		}
	}
}

func longLabel(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "."), func(l string) bool { return len(l) > 63 })
}

// TestHostileDNS gives names that are none, and names that look like others.
func TestHostileDNS(t *testing.T) {
	k := load(t, dnsChain)
	m, err := k.Map("list.names")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"example.org", "a.b", "org"} {
		if err := m.Put(name, ""); err != nil {
			t.Fatal(err)
		}
	}
	head := "\x00\x4d\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	tail := "\x00\x01\x00\x01"
	label := func(n int) string { return string(rune(n)) + strings.Repeat("x", n) }
	for _, tt := range []struct {
		name, body     string
		n, kind        uint64
		exact, covered bool
	}{
		{"as it should be", "\x07example\x03ORG\x00" + tail, 11, 1, true, true},
		{"the root", "\x00" + tail, 0, 1, false, false},
		{"a dot in a label", "\x03a.b\x00" + tail, 3, 1, false, false},
		{"a dot in a label above", "\x01x\x03a.b\x00" + tail, 5, 1, false, false},
		{"a zero in a label", "\x01a\x02b\x00\x00" + tail, 4, 1, false, false},
		{"a length like a dot", label(46) + "\x03org\x00" + tail, 50, 1, false, true},
		{"a length like a hyphen", "\x01a" + label(45) + "\x00" + tail, 47, 1, false, false},
		{"another length for the dot", "\x0aexample\x03or\x00" + tail, 10, 1, false, false},
		{"a pointer", "\x07example\xc0\x0c" + tail, 0, 0, false, false},
		{"a pointer at once", "\xc0\x0c" + tail, 0, 0, false, false},
		{"a label of a type that is none", "\x47example\x00" + tail, 0, 0, false, false},
		{"no end", "\x07example\x03org", 0, 0, false, false},
		{"the end is the last octet", "\x07example\x03org\x00", 11, 0, true, true},
		{"a label beyond the end", "\x07example\x3forg\x00", 0, 0, false, false},
		{"nothing", "", 0, 0, false, false},
		{"255 octets", label(63) + label(63) + label(63) + label(61) + "\x00" + tail, 253, 1, false, false},
		{"256 octets", label(63) + label(63) + label(63) + label(62) + "\x00" + tail, 0, 0, false, false},
		{"127 labels", strings.Repeat("\x01b", 125) + "\x01a\x01b\x00" + tail, 253, 1, false, true},
		{"128 labels", strings.Repeat("\x01b", 128) + "\x00" + tail, 0, 0, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := random(rand.New(rand.NewPCG(9, 9)))
			p.body = []byte(head + tt.body)
			_, got := through(t, k, p.bytes(t))
			want := []uint64{1, 0, tt.n, tt.kind, number(tt.exact), number(tt.covered)}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %d, want %d", got, want)
			}
		})
	}
}
