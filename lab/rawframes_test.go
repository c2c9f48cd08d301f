package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"
	"time"
)

// TestChecksumErrors shows that the counters see a wrong checksum.
func TestChecksumErrors(t *testing.T) {
	a, b := testPair(t, LinkOptions{})
	before, err := b.Host.Counters()
	if err != nil {
		t.Fatal(err)
	}
	for _, v6 := range []bool{false, true} {
		f := udpTemplate(t, a, b, v6, 10)
		f[len(f)-1] ^= 1
		if err := a.Host.Send(t.Context(), "eth0", f, f); err != nil {
			t.Fatal(err)
		}
	}
	f := udpTemplate(t, a, b, false, 10)
	f[24] ^= 1 // IPv4 header checksum
	if err := a.Host.Send(t.Context(), "eth0", f); err != nil {
		t.Fatal(err)
	}
	after, err := b.Host.Counters()
	if err != nil {
		t.Fatal(err)
	}
	d := after.Since(before)
	// A closed port is looked up before the checksum is: both count it.
	if d.MIB["UdpInCsumErrors"] != 2 || d.MIB["Udp6InCsumErrors"] != 2 || d.MIB["IpExtInCsumErrors"] != 1 || d.ChecksumErrors() != 5 {
		t.Errorf("UDP %d, UDP6 %d, IP %d, all %d, want 2, 2, 1 and 5", d.MIB["UdpInCsumErrors"],
			d.MIB["Udp6InCsumErrors"], d.MIB["IpExtInCsumErrors"], d.ChecksumErrors())
	}
}

func TestCaptureVLAN(t *testing.T) {
	a, b := testPair(t, LinkOptions{})
	plain := udpTemplate(t, a, b, false, 40)
	tag := func(f []byte, tpid, tci uint16) []byte {
		t := binary.BigEndian.AppendUint16(nil, tpid)
		return slices.Insert(slices.Clone(f), 12, binary.BigEndian.AppendUint16(t, tci)...)
	}
	one := tag(plain, 0x8100, 5<<13|42)
	frames := [][]byte{plain, one, tag(one, 0x88a8, 7), tag(plain, 0x8100, 0)}
	c, err := b.Host.Capture("eth0", CaptureOptions{Filter: func(d []byte) bool {
		return len(d) > 12 && slices.Equal(d[:12], plain[:12]) && d[len(d)-1] == 0 && len(d) >= len(plain)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := a.Host.Send(t.Context(), "eth0", frames...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	got, err := c.Frames(ctx, len(frames))
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range got {
		if !slices.Equal(g.Data, frames[i]) {
			t.Errorf("frame %d: got  % x\nwant % x", i, g.Data, frames[i])
		}
		if g.TagMoved != (i > 0) || g.Outgoing {
			t.Errorf("frame %d: tag in metadata %t, outgoing %t", i, g.TagMoved, g.Outgoing)
		}
	}
	if n, err := c.Lost(); n != 0 || err != nil {
		t.Errorf("lost %d frames, %v", n, err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Frames(short, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing more: %v, want deadline exceeded", err)
	}
}

// TestCapturePartial shows the two things that only real senders do.
func TestCapturePartial(t *testing.T) {
	for _, off := range []bool{false, true} {
		a, b := testPair(t, LinkOptions{NoOffload: off})
		c, err := a.Host.Capture("eth0", CaptureOptions{Outgoing: true, Filter: func(d []byte) bool {
			return len(d) > 23 && d[12] == 8 && d[13] == 0 && d[23] == protoUDP
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := echo(t, a.Host, b.Host, "10.0.0.2"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		got, err := c.Frames(ctx, 2)
		if err != nil {
			t.Fatal(err)
		}
		if !got[0].Outgoing || got[1].Outgoing {
			t.Errorf("outgoing %t %t, want true false", got[0].Outgoing, got[1].Outgoing)
		}
		if got[0].ChecksumPartial == off {
			t.Errorf("no offload %t: checksum to be computed %t", off, got[0].ChecksumPartial)
		}
	}
}

func TestParseTable(t *testing.T) {
	for _, bad := range []string{"Tcp: a b\nTcp: 1\n", "Tcp: a\nUdp: 1\n", "Tcp: a\nTcp: x\n"} {
		if err := parseTable(bad, map[string]uint64{}); err == nil {
			t.Errorf("parseTable(%q): no error", bad)
		}
	}
	b, err := os.ReadFile("/proc/thread-self/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]uint64{}
	if err := parseTable(string(b), m); err != nil || len(m) < 50 {
		t.Errorf("parseTable of the kernel's own: %d counters, %v", len(m), err)
	}
}
