package std_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
)

// hello is the ClientHello that crypto/tls sends for a configuration.
func hello(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		defer client.Close()
		tls.Client(client, c).Handshake() // which fails: nobody answers
	}()
	head := make([]byte, 5)
	if _, err := io.ReadFull(server, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(server, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// extensions gives the places of the extensions of a ClientHello, and where they begin.
func extensions(h []byte) (start int, parts [][]byte) {
	at := 44 + int(h[43])
	at += 2 + int(binary.BigEndian.Uint16(h[at:]))
	at += 1 + int(h[at])
	start = at
	for at += 2; at < len(h); {
		n := 4 + int(binary.BigEndian.Uint16(h[at+2:]))
		parts = append(parts, h[at:at+n])
		at += n
	}
	return start, parts
}

// withExtensions is h with other extensions, and lengths that are right.
func withExtensions(h []byte, parts [][]byte) []byte {
	start, _ := extensions(h)
	all := bytes.Join(parts, nil)
	out := binary.BigEndian.AppendUint16(slices.Clone(h[:start]), uint16(len(all)))
	out = append(out, all...)
	binary.BigEndian.PutUint16(out[3:], uint16(len(out)-5))
	binary.BigEndian.PutUint16(out[7:], uint16(len(out)-9))
	return out
}

// TestServerName reads the names of ClientHellos that crypto/tls made, whole and cut.
func TestServerName(t *testing.T) {
	k := load(t, `
load("std/names.weir", "name_list")
load("std/tls.weir", "SNI", "tls_server_name")
list = name_list(size = 100)
def main(pkt):
    at, n, found = tls_server_name(pkt.payload)
    numbers.emit(found)
    numbers.emit(n)
    numbers.emit(found == SNI.NAME and list.on_list(pkt.payload, at, n))
    numbers.emit(found == SNI.NAME and list.covers(pkt.payload, at, n))
    return PASS
`)
	n := newNamer(3)
	n.fill(t, k)
	send := func(body []byte) []uint64 {
		t.Helper()
		p := random(n.Rand)
		p.tcp, p.body = &layers.TCP{ACK: true, PSH: true}, body
		_, got := through(t, k, p.bytes(t))
		return got
	}
	grease := func() []byte {
		b := byte(n.IntN(16)<<4 | 0x0a)
		return append([]byte{b, b, 0, 3}, "abc"...)
	}
	for i := range 300 {
		name := n.any()
		c := &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12 + uint16(n.IntN(2))}
		if n.IntN(2) == 0 {
			c.CurvePreferences = []tls.CurveID{tls.X25519}
		}
		if n.IntN(2) == 0 {
			c.NextProtos = []string{"h2", "http/1.1"}
		}
		// crypto/tls sends the name as it was given.
		want := []uint64{1, uint64(len(name)), number(onList(n.list, name)), number(covered(n.list, name))}
		if i%10 == 0 {
			c.ServerName, c.InsecureSkipVerify = "", true
			want = []uint64{2, 0, 0, 0}
		}
		h := hello(t, c)
		if got := send(h); !slices.Equal(got, want) {
			t.Fatalf("%q: got %d, want %d\n%x", name, got, want, h)
		}
		_, parts := extensions(h)
		parts = append(parts, grease(), grease())
		n.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		h = withExtensions(h, parts)
		if got := send(h); !slices.Equal(got, want) {
			t.Fatalf("%q among others: got %d, want %d\n%x", name, got, want, h)
		}
		cut := n.IntN(len(h))
		got, end := send(h[:cut]), bytes.Index(h, []byte(name))+len(name)
		switch {
		case want[0] == 1 && cut >= end && !slices.Equal(got, want):
			t.Fatalf("%q, cut behind it: got %d, want %d\n%x", name, got, want, h[:cut])
		case got[0] == 1 && cut < end || got[0] != 1 && (got[1] != 0 || got[2] != 0 || got[3] != 0):
			t.Fatalf("%q, cut before its end: got %d\n%x", name, got, h[:cut])
		case cut > 200 && cut < end && got[0] != 3:
			t.Fatalf("%q goes on in the next segment: got %d\n%x", name, got, h[:cut])
		}
	}
}

// TestHTTP reads requests that net/http wrote.
func TestHTTP(t *testing.T) {
	k := load(t, `
load("std/http.weir", "http_host", "http_is_request", "http_path", "http_path_starts")
load("std/names.weir", "name_list")
list = name_list(size = 100)
def main(pkt):
    p = pkt.payload
    at, n = http_host(p)
    start, size = http_path(p)
    numbers.emit(http_is_request(p))
    numbers.emit(http_is_request(p, b"POST "))
    numbers.emit(list.on_list(p, at, n))
    numbers.emit(list.covers(p, at, n))
    numbers.emit(n)
    numbers.emit(size)
    numbers.emit(size > 0 and p.u8(start) == 0x2f)
    numbers.emit(http_path_starts(p, b"/api/"))
    return PASS
`)
	n := newNamer(4)
	n.fill(t, k)
	methods := []string{"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"}
	for range 2000 {
		host, path := n.any(), []string{"/", "/api/", "/api", "/api/x?y=1", "/apis/", "/" + strings.Repeat("z", n.IntN(250))}[n.IntN(6)]
		method := methods[n.IntN(len(methods))]
		r, err := http.NewRequest(method, "http://192.0.2.1"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host + []string{"", ":8080", "."}[n.IntN(3)]
		var b bytes.Buffer
		if err := r.Write(&b); err != nil {
			t.Fatal(err)
		}
		body := b.Bytes()
		if n.IntN(2) == 0 {
			body = bytes.Replace(body, []byte("Host: "), []byte([]string{"host:", "HOST:\t ", "Host:"}[n.IntN(3)]), 1)
		}
		p := random(n.Rand)
		p.tcp, p.body = &layers.TCP{ACK: true}, body
		want := []uint64{
			1, number(method == "POST"), number(onList(n.list, host)), number(covered(n.list, host)),
			uint64(len(host)), uint64(len(path)), 1, number(strings.HasPrefix(path, "/api/")),
		}
		if _, got := through(t, k, p.bytes(t)); !slices.Equal(got, want) {
			t.Fatalf("got %d, want %d\n%q", got, want, body)
		}
	}
	for _, body := range []string{"", "G", "GET", "HTTP/1.1 200 OK\r\nHost: example.org\r\n", "get / HTTP/1.1\r\nHost: a\r\n", "\x16\x03\x01"} {
		p := random(n.Rand)
		p.tcp, p.body = &layers.TCP{ACK: true}, []byte(body)
		if _, got := through(t, k, p.bytes(t)); !slices.Equal(got, make([]uint64, 8)) {
			t.Errorf("%q: got %d, want nothing", body, got)
		}
	}
}

// TestQUIC reads the headers of the samples of RFC 9001 and RFC 9369, and others.
func TestQUIC(t *testing.T) {
	k := load(t, `
load("std/quic.weir", "quic_dcid", "quic_scid", "quic_type", "quic_version")
def word(b):
    n = 0
    for i in range(8):
        n = n << 8 | b[i]
    return n if b else 1
def main(pkt):
    p = pkt.payload
    numbers.emit(quic_type(p))
    numbers.emit(quic_version(p))
    numbers.emit(word(quic_dcid(p, 8)))
    numbers.emit(word(quic_scid(p, 8)))
    return PASS
`)
	const client, server = 0x8394c8f03e515708, 0xf067a5502a4262b5
	for _, tt := range []struct {
		name, hex                 string
		kind, version, dcid, scid uint64
	}{
		{"RFC 9001 A.2, client initial", "c300000001088394c8f03e5157080000449e00000002", 1, 1, client, 1},
		{"RFC 9001 A.3, server initial", "cf000000010008f067a5502a4262b50040750001", 1, 1, 1, server},
		{"RFC 9001 A.4, retry", "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba", 4, 1, 1, server},
		{"RFC 9369 A.2, client initial", "d36b3343cf088394c8f03e5157080000449e00000002", 1, 0x6b3343cf, client, 1},
		{"RFC 9369 A.3, server initial", "dc6b3343cf0008f067a5502a4262b50040750001", 1, 0x6b3343cf, 1, server},
		{"RFC 9369 A.4, retry", "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6", 4, 0x6b3343cf, 1, server},
		{"0-RTT", "d300000001088394c8f03e5157080040", 2, 1, client, 1},
		{"0-RTT of version 2", "e36b3343cf088394c8f03e5157080040", 2, 0x6b3343cf, client, 1},
		{"handshake", "e300000001088394c8f03e51570808f067a5502a4262b5", 3, 1, client, server},
		{"handshake of version 2", "f36b3343cf088394c8f03e5157080040", 3, 0x6b3343cf, client, 1},
		{"negotiation", "8000000000088394c8f03e51570808f067a5502a4262b500000001", 5, 0, client, server},
		{"a version to come", "80ff00001d088394c8f03e51570808f067a5502a4262b5", 7, 0xff00001d, client, server},
		{"no fixed bit", "8300000001088394c8f03e5157080000449e00000002", 0, 1, client, 1},
		{"an id of 21 octets", "c30000000115" + strings.Repeat("11", 21) + "00", 0, 1, 0x1111111111111111, 1},
		{"an id beyond the end", "c300000001088394c8f03e5157", 0, 1, 1, 1},
		{"half a version", "c30000", 0, 0, 1, 1},
		{"short", "408394c8f03e515708" + strings.Repeat("00", 12), 6, 0, client, 1},
		{"too short", "408394c8f03e515708", 0, 0, client, 1},
		{"no fixed bit, short", "008394c8f03e515708" + strings.Repeat("00", 12), 0, 0, client, 1},
		{"nothing", "", 0, 0, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := random(rand.New(rand.NewPCG(1, 9)))
			body, err := hex.DecodeString(tt.hex)
			if err != nil {
				t.Fatal(err)
			}
			p.body = body
			want := []uint64{tt.kind, tt.version, tt.dcid, tt.scid}
			if _, got := through(t, k, p.bytes(t)); !slices.Equal(got, want) {
				t.Errorf("got %#x, want %#x", got, want)
			}
		})
	}
}

// TestRoundTrips does what a map of the first times of values does.
func TestRoundTrips(t *testing.T) {
	k := load(t, `
load("std/timestamps.weir", "round_trips")
trips = round_trips(size = 1000)
def main(pkt):
    numbers.emit(trips.measure(pkt))
    return PASS
`)
	type key struct {
		flow  int
		value uint32
	}
	r := rand.New(rand.NewPCG(5, 5))
	flows := []probe{random(r), random(r), random(r), random(r)}
	for _, p := range flows {
		flows = append(flows, p.swapped())
	}
	sent, now, measured := map[key]int64{}, int64(time.Hour), 0
	for i := range 4000 {
		now += r.Int64N(1e6)
		f := r.IntN(len(flows))
		value, echo := 1+uint32(i/40), uint32(r.IntN(2))*(1+uint32(max(0, i/40-r.IntN(2))))
		p := flows[f]
		p.tcp = &layers.TCP{ACK: r.IntN(8) > 0, Options: []layers.TCPOption{{
			OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10,
			OptionData: binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, value), echo),
		}}}
		if _, ok := sent[key{f, value}]; !ok {
			sent[key{f, value}] = now
		}
		want := int64(0)
		back := key{(f + 4) % 8, echo}
		if at, ok := sent[back]; ok && p.tcp.ACK && at > 0 {
			want = now - at
			sent[back] = -1
			measured++
		}
		res, _, err := k.Run(p.bytes(t), time.Unix(0, now))
		if err != nil || res.Error != "" {
			t.Fatal(err, res.Error)
		}
		if got := binary.NativeEndian.Uint64(res.Events[0].Octets); got != uint64(want) {
			t.Fatalf("segment %d: a round trip of %d, want %d", i, got, want)
		}
	}
	if measured < 100 || len(slices.Collect(maps.Keys(sent))) < 400 {
		t.Errorf("%d round trips of %d values: this tests little", measured, len(sent))
	}
}
