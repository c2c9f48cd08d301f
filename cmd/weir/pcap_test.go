package main

import (
	"bytes"
	"net"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"weir/lab"
)

// pcapOf returns a capture with a UDP packet from 10.9.0.1 to each port, a
// second apart.
func pcapOf(ports ...int) []byte { return pcapEvery(time.Second, ports...) }

// pcapEvery is pcapOf with another time between packets.
func pcapEvery(step time.Duration, ports ...int) []byte {
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	must(w.WriteFileHeader(65536, layers.LinkTypeEthernet))
	for i, p := range ports {
		frame, err := lab.UDPFrame(
			lab.Station{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Addr: netip.MustParseAddrPort("10.9.0.1:4000")},
			lab.Station{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, Addr: netip.AddrPortFrom(netip.MustParseAddr("10.9.0.2"), uint16(p))},
			make([]byte, 18))
		must(err)
		must(w.WritePacket(gopacket.CaptureInfo{
			Timestamp: time.Unix(1_700_000_000, 0).Add(time.Duration(i) * step), CaptureLength: len(frame), Length: len(frame),
		}, frame))
	}
	return b.Bytes()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
