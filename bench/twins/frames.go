package twins

import "encoding/binary"

// Addresses that chains know.
const (
	outside = 0xc6336450 // 198.51.100.80
	inside  = 0x0a000050 // 10.0.0.80
)

// client returns any address of a client, and a port of its choice.
func (t *traffic) client() (uint32, uint16) {
	return 0x0b000000 + t.Uint32N(80<<24), uint16(32768 + t.IntN(28000))
}

// any returns a datagram of some client to a server.
func (t *traffic) any(proto uint8, dport uint16) datagram {
	src, sport := t.client()
	return datagram{src: src, dst: outside + t.Uint32N(64), proto: proto, sport: sport, dport: dport}
}

// each makes a frame for each flow.
func each(of func(int) datagram) [][]byte {
	out := make([][]byte, flows)
	for i := range out {
		out[i] = of(i).frame()
	}
	return out
}

// one returns one of the values.
func one[T any](t *traffic, of ...T) T { return of[t.IntN(len(of))] }

func parseFrames(t *traffic) [][]byte {
	return each(func(int) datagram { return t.any(protoUDP, one[uint16](t, 1900, 53, 443, 11211)) })
}

func mixedFrames(t *traffic) [][]byte {
	return each(func(int) datagram { return t.any(one[uint8](t, protoTCP, protoUDP), one[uint16](t, 443, 80, 53)) })
}

func udpFrames(t *traffic) [][]byte {
	return each(func(int) datagram { return t.any(protoUDP, 443) })
}

func tcpFrames(t *traffic) [][]byte {
	return each(func(int) datagram {
		d := t.any(protoTCP, 443)
		d.flags = one[uint8](t, 0x10, 0x18, 0x02)
		return d
	})
}

// prefixFrames: every other is from one of the prefixes of prefix.weir.
func prefixFrames(t *traffic) [][]byte {
	return each(func(int) datagram {
		d := t.any(protoUDP, 53)
		if i := t.IntN(2000); i < 1000 {
			d.src = uint32(11+i%80)<<24 | uint32(i*7%256)<<16 | uint32(i%4*64)<<8 | t.Uint32N(64)
		}
		return d
	})
}

// portFrames: three of four are to one of the ports of ports.weir.
func portFrames(t *traffic) [][]byte {
	return each(func(int) datagram {
		i := t.IntN(200)
		port := 20 + 7*i + i*i%31*149
		if t.IntN(4) == 0 {
			port = t.IntN(65536)
		}
		return t.any(protoTCP, uint16(port))
	})
}

// ruleFrames: of every rule of rules.weir some, of those that let pass more.
func ruleFrames(t *traffic) [][]byte {
	return each(func(int) datagram {
		d := t.any(one[uint8](t, protoTCP, protoTCP, protoUDP), 443)
		d.flags = one[uint8](t, 0x10, 0x18, 0x10, 0x18, 0x02, 0, 3)
		switch d.proto {
		case protoTCP:
			d.dport = one[uint16](t, 80, 80, 443, 443, 443, 443, 22, 6001, 3389, 8080, 40000)
		default:
			d.dport = one[uint16](t, 53, 123, 443)
			d.sport = one(t, d.sport, d.sport, 11211, 389)
		}
		d.dst = one(t, d.dst, d.dst, outside-0x50+1, 0xe0000001, d.src)
		d.src = one(t, d.src, d.src, d.src, d.src, d.src, 0xc0000205, 0x7f000001, 0xf0000001)
		return d
	})
}

// natFrames: to the server, from it, and one of eight neither.
func natFrames(t *traffic) [][]byte {
	return each(func(int) datagram {
		d := t.any(protoTCP, 80)
		d.dst, d.flags = outside, 0x10
		switch t.IntN(8) {
		case 0:
			d.dport = 443
		case 1, 2, 3:
			d.dst, d.dport, d.src, d.sport = d.src, d.sport, inside, 8080
		}
		return d
	})
}

// requestFrames: HTTP requests, one of four for /admin; and other TCP.
func requestFrames(t *traffic) [][]byte {
	return each(func(int) datagram {
		d := t.any(protoTCP, one[uint16](t, 80, 80, 80, 443))
		d.payload = []byte(one(t, "GET /index.html HTTP/1.1\r\n", "GET /admin/login HTTP/1.1\r\n",
			"POST /submit HTTP/1.1\r\n", "GET /a HTTP/1.1\r\n"))
		d.size, d.flags = 96, 0x18
		return d
	})
}

// question is a DNS question for a name of three labels.
const question = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03org\x00\x00\x01\x00\x01"

// siteFrames: what comes to mix.weir: connections and their data, requests, DNS
// questions, other datagrams, pings, and of each reason to drop some.
func siteFrames(t *traffic) [][]byte {
	return each(func(int) datagram {
		d := t.any(one[uint8](t, protoTCP, protoTCP, protoTCP, protoUDP, protoUDP, 1), 443)
		d.size = 96
		switch d.proto {
		case protoTCP:
			d.dport = one[uint16](t, 80, 443, 443, 443, 8080, 25, 40000, 22)
			d.flags = one[uint8](t, 0x10, 0x18, 0x10, 0x18, 0x02, 0x12, 3)
			d.payload = []byte(one(t, "GET /index.html HTTP/1.1\r\n", "GET /admin HTTP/1.1\r\n", ""))
		case protoUDP:
			d.dport = one[uint16](t, 53, 53, 443, 4500)
			d.sport = one(t, d.sport, d.sport, d.sport, 123)
			d.payload = []byte(question)
		default:
			d.sport = 0x0800 // an echo request
		}
		d.dst = one(t, d.dst, d.dst, d.dst, d.dst, d.dst, d.dst, 0xcb007101)
		d.src = one(t, d.src, d.src, d.src, d.src, d.src, d.src, 0xc0000205, 0xe0000001,
			uint32(11+t.IntN(8)*10)<<24|t.Uint32N(1<<24))
		return d
	})
}

// hostFrames: HTTP requests that name their host within 64 bytes, behind them or
// not at all; one of eight names a host that is refused.
func hostFrames(t *traffic) [][]byte {
	return each(func(int) datagram {
		d := t.any(protoTCP, one[uint16](t, 80, 80, 80, 443))
		path := "GET /" + "a-path-to-a-page-of-that-host"[:t.IntN(30)] + " HTTP/1.1\r\n"
		host := one(t, "Host: good.example\r\n", "Host: hidden\r\n", "Accept: */*\r\n", "Host: even.example\r\n")
		if t.IntN(8) == 0 {
			host = "Host: evil.example\r\n"
		}
		d.payload = []byte(path + host + "Connection: close\r\n\r\n")
		d.size, d.flags = 160, 0x18
		return d
	})
}

// synFrames: three of four begin a connection, with the options of a common
// system, which stand in different orders; a few offer tiny segments.
func synFrames(t *traffic) [][]byte {
	return each(func(int) datagram {
		d := t.any(protoTCP, 443)
		d.flags = one[uint8](t, 0x02, 0x02, 0x02, 0x10)
		mss := string([]byte{2, 4, 5, 0xb4})
		if t.IntN(8) == 0 {
			mss = string([]byte{2, 4, 0, 0x40})
		}
		const sack, stamps, scale, nop = "\x04\x02", "\x08\x0a\x01\x02\x03\x04\x00\x00\x00\x00", "\x03\x03\x07", "\x01"
		d.tcpOptions = []byte(one(t, mss+sack+stamps+nop+scale, mss+nop+scale+nop+nop+sack+nop+nop+nop+nop+nop+nop+nop+nop,
			nop+nop+stamps+nop+nop+sack+mss, sack+nop+scale+stamps+mss)[:20])
		d.size = 80
		return d
	})
}

// tagFrames: two tags, then IPv6 with a hop-by-hop and a destination options
// header, then UDP.
func tagFrames(t *traffic) [][]byte {
	out := make([][]byte, flows)
	for i := range out {
		out[i] = tagged(t, []uint16{one[uint16](t, 100, 100, 100, 101), uint16(1500 + t.IntN(1000))}, one[uint16](t, 53, 443))
	}
	return out
}

func tagged(t *traffic, tags []uint16, dport uint16) []byte {
	f := link(tags, typeIPv6)
	ip := make([]byte, 40)
	ip[0], ip[6], ip[7] = 0x60, 0, 64
	put16(ip[4:], 8+8+8+18)
	copy(ip[8:], []byte{0x20, 1, 0xd, 0xb8})
	copy(ip[24:], []byte{0x20, 1, 0xd, 0xb8})
	binary.BigEndian.PutUint32(ip[20:], t.Uint32())
	ip[39] = 1
	f = append(f, ip...)
	f = append(f, 60, 0, 1, 4, 0, 0, 0, 0) // hop-by-hop: PadN
	f = append(f, protoUDP, 0, 1, 4, 0, 0, 0, 0)
	udp := make([]byte, 8+18)
	put16(udp, 32768+t.IntN(28000))
	put16(udp[2:], int(dport))
	put16(udp[4:], len(udp))
	return pad(append(f, udp...), 112)
}

// odd are frames of the kinds that the timed ones do not show, made of some of
// those: tags, IPv4 options, fragments, other protocols, cut short (but not in an
// L4 header, of which a program that asks for ports alone need not see the rest).
func (t *traffic) odd(timed [][]byte) [][]byte {
	var out [][]byte
	for _, f := range timed[:32] {
		for _, n := range []int{14, 18, 33, 34, 38, 42, 50, 54, 58, 62, 66, 70, 90} {
			if n < len(f) && !cutsL4(f, n) {
				out = append(out, f[:n])
			}
		}
		d := t.any(one[uint8](t, protoTCP, protoUDP, 1, 132), one[uint16](t, 1900, 80, 443, 53))
		d.flags, d.payload = 0x10, []byte("GET /admin HTTP/1.1\r\n")
		if t.IntN(2) == 0 {
			d.src, d.dst = one[uint32](t, inside, d.src), one[uint32](t, outside, d.dst)
			d.sport = one[uint16](t, 8080, d.sport)
		}
		out = append(out, d.variants()...)
		out = append(out, tagged(t, nil, 53), tagged(t, []uint16{100}, 53), tagged(t, []uint16{100, 2000}, 53))
	}
	return out
}

// cutsL4 reports whether n bytes of an untagged frame end in its L4 header.
func cutsL4(f []byte, n int) bool {
	const at = 14 + 20
	size := 8
	if f[23] == protoTCP {
		size = int(f[at+12]>>4) * 4
	}
	return f[12] == 8 && n > at && n < at+size
}

// variants are frames of d with what is rare.
func (d datagram) variants() [][]byte {
	with := func(change func(*datagram)) []byte {
		c := d
		change(&c)
		return c.frame()
	}
	return [][]byte{
		d.frame(),
		with(func(d *datagram) { d.tags = []uint16{100} }),
		with(func(d *datagram) { d.tags = []uint16{100, 2000} }),
		with(func(d *datagram) { d.tags = []uint16{1, 2, 3} }),
		with(func(d *datagram) { d.options = []byte{1, 1, 1, 1, 1, 1, 1, 0} }),
		with(func(d *datagram) { d.fragment = 0x2000 }),
		with(func(d *datagram) { d.fragment = 0x2064 }),
		with(func(d *datagram) { d.fragment = 0x4000 }),
		with(func(d *datagram) {
			if d.proto == protoTCP {
				d.tcpOptions = []byte{1, 1, 1, 1, 2, 4, 5, 0xb4}
			}
		}),
	}
}
