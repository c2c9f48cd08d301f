package twins

import (
	"errors"
	"fmt"
	"path"

	"weir/hook"
	"weir/lang"
	"weir/lang/std"
)

// Samples are the names of the modules of the standard library: see [Sample].
func Samples() []string { return std.Names() }

// sampleFrames are packets for samples of modules whose work is not in packets of any
// kind.
var sampleFrames = map[string]func(*traffic) [][]byte{
	"std/dns.weir":        func(t *traffic) [][]byte { return messages(t, protoUDP, 53, question) },
	"std/http.weir":       func(t *traffic) [][]byte { return messages(t, protoTCP, 80, webRequest) },
	"std/names.weir":      func(t *traffic) [][]byte { return messages(t, protoUDP, 4000, "8 octets\x0fwww.example.org") },
	"std/timestamps.weir": func(t *traffic) [][]byte { return messages(t, protoTCP, 443, "") },
	"std/tls.weir":        func(t *traffic) [][]byte { return messages(t, protoTCP, 443, clientHello) },
	"std/syncookie.weir":  handshakes,
	"std/quic.weir":       func(t *traffic) [][]byte { return messages(t, protoUDP, 443, shortHeader) },
}

// What clients send first: requests of HTTP and TLS, and data of QUIC.
const (
	webRequest  = "GET /index.html HTTP/1.1\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nHost: www.example.org\r\n\r\n"
	thirtyTwo   = "0123456789abcdef0123456789abcdef"
	clientHello = "\x16\x03\x01\x00\x74\x01\x00\x00\x70\x03\x03" + thirtyTwo + "\x20" + thirtyTwo + "\x00\x04\x13\x01\x13\x02\x01\x00" +
		"\x00\x23\x00\x2b\x00\x03\x02\x03\x04\x00\x00\x00\x14\x00\x12\x00\x00\x0fwww.example.org\x00\x17\x00\x00"
	shortHeader = "\x43" + thirtyTwo
)

// messages are datagrams or segments of many clients that bear one message.
func messages(t *traffic, proto uint8, port uint16, message string) [][]byte {
	return each(func(int) datagram {
		d := t.any(proto, port)
		d.payload, d.flags = []byte(message), 0x18
		if message == "" {
			d.tcpOptions = []byte{1, 1, 8, 10, 0, 0, 1, 1, 0, 0, 2, 2}
		}
		return d
	})
}

// handshakes are SYNs as long as their answers: the feeder writes packets anew, and does
// not make them longer again.
func handshakes(t *traffic) [][]byte {
	const size = 14 + 20 + 24
	out := each(func(int) datagram {
		d := t.any(protoTCP, 443)
		d.flags, d.tcpOptions = 2, []byte{2, 4, 5, 0xb4}
		return d
	})
	for i, f := range out {
		out[i] = f[:size]
	}
	return out
}

// Sample opens the sample of a module of the standard library, alone. The error is a
// [diag.List] if the hook does not take it.
func Sample(name string, h hook.Hook) (p *Pair, err error) {
	text, err := std.Sample(name)
	if err != nil {
		return nil, err
	}
	frames := joinedFrames
	if f := sampleFrames[name]; f != nil {
		frames = f
	}
	p = &Pair{Twin: Twin{Name: name, Title: name}, frames: frames(newTraffic())}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	part := lang.Part{File: path.Base(name), Source: text}
	if p.ours, err = program("weir", h, p.frames, part); err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	if p.again, err = program("weir again", h, p.frames, part); err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	p.floor, err = empty(h, p.frames)
	return p, err
}
