package modules_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"weir/datapath"
	"weir/examples/modules"
	"weir/hook"
	"weir/lang"
)

// A rig is a loaded chain at XDP that answers in a map called out.
type rig struct {
	*testing.T
	state *datapath.State
	prog  *ebpf.Program
}

func load(t *testing.T, source string) *rig {
	t.Helper()
	p, err := lang.Compile([]byte(source), lang.Options{File: "t.weir", Hook: hook.XDP, Load: modules.Load})
	if err != nil {
		t.Fatal(err)
	}
	s, err := datapath.Load(p, datapath.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{t, s, s.Object(p)}
}

// ask runs the chain on a frame and returns out[0].
func (r *rig) ask(frame []byte) uint64 {
	r.Helper()
	if _, err := r.prog.Run(&ebpf.RunOptions{Data: frame, DataOut: make([]byte, 4096)}); err != nil {
		r.Fatal(err)
	}
	m, err := r.state.Map("out")
	if err != nil {
		r.Fatal(err)
	}
	text, err := m.Get("0")
	if err != nil {
		r.Fatal(err)
	}
	var n uint64
	if _, err := fmt.Sscan(text, &n); err != nil {
		r.Fatal(err)
	}
	return n
}

func (r *rig) put(name, key, value string) {
	r.Helper()
	m, err := r.state.Map(name)
	if err == nil {
		err = m.Put(key, value)
	}
	if err != nil {
		r.Fatal(err)
	}
}

// random is the same in each run.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// The scorer in Go.
func score(networks map[[3]byte]uint32, ports map[uint16]uint32, b []byte) uint64 {
	sum := networks[[3]byte(b[0:3])]
	sum += ports[binary.BigEndian.Uint16(b[10:])]
	if proto, flags := b[12], b[13]; proto == 6 && (flags == 0 || flags&3 == 3) {
		sum += 50
	}
	if binary.BigEndian.Uint16(b[14:]) < 8 {
		sum += 10
	}
	return uint64(sum)
}

func TestACL(t *testing.T) {
	r := load(t, `
load("./c/acl.o", "flow", "networks", "ports", "score")

out = array(u64, size = 1)

def main(pkt):
    out[0] = score(flow(
        src = ip4(pkt.u32(14)), dst = ip4(pkt.u32(18)), sport = pkt.u16(22), dport = pkt.u16(24),
        proto = pkt.u8(26), flags = pkt.u8(27), len = pkt.u16(28),
    ))
    return PASS
`)
	networks, ports := map[[3]byte]uint32{{192, 0, 2}: 7, {203, 0, 113}: 90}, map[uint16]uint32{23: 45, 53: 1, 445: 60}
	for n, w := range networks {
		r.put("networks", fmt.Sprintf("%d.%d.%d.0/24", n[0], n[1], n[2]), fmt.Sprint(w))
	}
	for p, w := range ports {
		r.put("ports", fmt.Sprint(p), fmt.Sprint(w))
	}
	rng, hits := random(1), 0
	for range 500 {
		frame := make([]byte, 60)
		b := frame[14:30]
		for i := range b {
			b[i] = byte(rng.UintN(256))
		}
		if rng.IntN(2) == 0 {
			copy(b, [][]byte{{192, 0, 2}, {203, 0, 113}}[rng.IntN(2)])
			binary.BigEndian.PutUint16(b[10:], []uint16{23, 53, 445, 80}[rng.IntN(4)])
			binary.BigEndian.PutUint16(b[14:], uint16(rng.UintN(16)))
			b[12], b[13] = 6, byte(rng.UintN(4))
		}
		want := score(networks, ports, b)
		if got := r.ask(frame); got != want {
			t.Fatalf("score of % x: %d, want %d", b, got, want)
		}
		if want > 50 {
			hits++
		}
	}
	if hits < 50 {
		t.Errorf("%d flows meet several rules: too few to say something", hits)
	}
}

const words = 1 << 14

// The bit that the filter in Go takes for an address.
func bit(addr, i uint32) uint32 {
	x := addr*0x9e3779b1 + i*0x85ebca77 + 1
	x ^= x >> 15
	x *= 0x2c1b3c6d
	return (x ^ x>>12) % (64 * words)
}

func TestBloom(t *testing.T) {
	r := load(t, `
load("./c/bloom.o", "remember", "seen")

out = array(u64, size = 1)

def main(pkt):
    addr = ip4(pkt.u32(14))
    out[0] = 1 if seen(addr) else 0
    if pkt.u8(18):
        remember(addr)
    return PASS
`)
	set, rng := map[uint32]bool{}, random(2)
	known := func(addr uint32) uint64 {
		for i := range uint32(4) {
			if !set[bit(addr, i)] {
				return 0
			}
		}
		return 1
	}
	old := 0
	for range 1000 {
		addr := rng.Uint32N(600) * 65539
		frame := make([]byte, 60)
		binary.BigEndian.PutUint32(frame[14:], addr)
		frame[18] = byte(rng.IntN(2))
		want := known(addr)
		if got := r.ask(frame); got != want {
			t.Fatalf("seen(%#x) = %d, want %d", addr, got, want)
		}
		old += int(want)
		if frame[18] == 1 {
			for i := range uint32(4) {
				set[bit(addr, i)] = true
			}
		}
	}
	if old < 100 {
		t.Errorf("%d addresses were seen before: too few to say something", old)
	}
	m, err := r.state.Map("bloom.bits")
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.Get(fmt.Sprint(bit(65539, 0) / 64))
	if err != nil {
		t.Fatal(err)
	}
	var w uint64
	if fmt.Sscan(text, &w); set[bit(65539, 0)] != (w>>(bit(65539, 0)%64)&1 == 1) {
		t.Errorf("the word is %#x, and the bit is %t in Go", w, set[bit(65539, 0)])
	}
}

// The fingerprint in Go: of what follows the header of the record.
func ja4(hello []byte) uint64 {
	u16 := func(off int) int { return int(binary.BigEndian.Uint16(hello[off:])) }
	grease := func(x int) bool { return x&0x0f0f == 0x0a0a && x>>8 == x&0xff }
	mix := func(x uint32) uint32 {
		x ^= x >> 16
		x *= 0x85ebca6b
		x ^= x >> 13
		x *= 0xc2b2ae35
		return x ^ x>>16
	}
	var hash uint32
	var ciphers, extensions uint64
	off := 39 + int(hello[38])
	n := u16(off)
	for i := off + 2; i < off+2+n; i += 2 {
		if !grease(u16(i)) {
			ciphers++
			hash += mix(uint32(u16(i)))
		}
	}
	off += 2 + n
	off += 3 + int(hello[off])
	for ; off+4 <= len(hello); off += 4 + u16(off+2) {
		if !grease(u16(off)) {
			extensions++
			hash += mix(uint32(u16(off)) | 0x10000)
		}
	}
	return uint64(u16(4))<<48 | ciphers<<40 | extensions<<32 | uint64(hash)
}

// clientHello is what Go's TLS sends first, without the header of the record.
func clientHello(t *testing.T, config *tls.Config) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		tls.Client(theirs, config).HandshakeContext(ctx)
		theirs.Close()
	}()
	b := make([]byte, 4096)
	n, err := ours.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[5:n]
}

// tcpFrame is a TCP segment with a TLS record.
func tcpFrame(hello []byte) []byte {
	b := make([]byte, 54, 54+5+len(hello))
	b[12], b[14], b[23] = 8, 0x45, 6
	binary.BigEndian.PutUint16(b[16:], uint16(40+5+len(hello)))
	b[46] = 5 << 4
	b = append(b, 22, 3, 1, byte(len(hello)>>8), byte(len(hello)))
	return append(b, hello...)
}

func TestJA4(t *testing.T) {
	r := load(t, `
load("./c/ja4.o", "ja4")

out = array(u64, size = 1)

def main(pkt):
    out[0] = ja4(pkt)
    return PASS
`)
	seen := map[uint64]bool{}
	for i, c := range []*tls.Config{
		{ServerName: "example.net"},
		{ServerName: "example.net", NextProtos: []string{"h2", "http/1.1"}},
		{ServerName: "example.org", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
	} {
		hello := clientHello(t, c)
		want := ja4(hello)
		if got := r.ask(tcpFrame(hello)); got != want || want == 0 {
			t.Errorf("hello %d: %#x, want %#x", i, got, want)
		}
		seen[want] = true
		for _, cut := range []int{0, 20, 50} { // it is not whole
			if got := r.ask(tcpFrame(hello)[:54+cut]); got != 0 {
				t.Errorf("hello %d cut to %d octets: %#x, want 0", i, cut, got)
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d fingerprints of three clients", len(seen))
	}
}

// The chains beside the modules are what one begins with: no warning, and each
// loads at XDP.
func TestChains(t *testing.T) {
	for _, name := range []string{"acl.weir", "bloom.weir", "ja4.weir"} {
		src, err := modules.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := lang.Compile(src, lang.Options{File: name, Hook: hook.XDP, Load: modules.Load})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Warnings) > 0 {
			t.Errorf("%s: %s", name, p.Warnings)
		}
		s, err := datapath.Load(p, datapath.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range s.Maps() {
			names = append(names, m.Name)
		}
		if base := strings.TrimSuffix(name, ".weir"); base != "ja4" && !strings.Contains(strings.Join(names, " "), map[string]string{"acl": "networks", "bloom": "bloom.bits"}[base]) {
			t.Errorf("%s has the maps %v", name, names)
		}
		s.Close()
	}
}

// The same source and object give the same program, which can be handed on, and from
// what it carries it can be compiled again.
func TestPure(t *testing.T) {
	src, err := modules.Load("acl.weir")
	if err != nil {
		t.Fatal(err)
	}
	encode := func(p *lang.Program, err error) []byte {
		t.Helper()
		var b bytes.Buffer
		if err == nil {
			err = gob.NewEncoder(&b).Encode(p)
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	first := encode(lang.Compile(src, lang.Options{File: "acl.weir", Load: modules.Load}))
	if again := encode(lang.Compile(src, lang.Options{File: "acl.weir", Load: modules.Load})); !bytes.Equal(first, again) {
		t.Error("compiled twice, it is not the same program")
	}
	var p lang.Program
	if err := gob.NewDecoder(bytes.NewReader(first)).Decode(&p); err != nil {
		t.Fatal(err)
	}
	carried := func(name string) ([]byte, error) {
		for _, s := range p.Sources {
			if s.Name == name {
				return []byte(s.Text), nil
			}
		}
		return nil, fmt.Errorf("%s was not carried", name)
	}
	part := p.Parts()[0]
	if again := encode(lang.Compile(part.Source, lang.Options{File: part.File, Func: part.Func, Load: carried})); !bytes.Equal(first, again) {
		t.Error("compiled from what it carries, it is not the same program")
	}
}
