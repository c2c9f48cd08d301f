package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// A oneliner is a command of docs/oneliners.md, with lines that it prints.
type oneliner struct {
	command string
	prints  []string
}

func oneliners(t *testing.T) []oneliner {
	t.Helper()
	page, err := os.ReadFile("../../docs/oneliners.md")
	check(t, err)
	parts := strings.Split("\n"+string(page), "\n```")
	var out []oneliner
	for i := 1; i < len(parts); i += 2 {
		text := strings.ReplaceAll(strings.TrimSpace(parts[i]), "\\\n", "")
		lines := strings.Split(text, "\n")
		if len(lines) < 2 || !strings.HasPrefix(lines[0], "weir run -e ") {
			t.Errorf("a block that is no one-liner with its output: %q", text)
			continue
		}
		out = append(out, oneliner{lines[0], lines[1:]})
	}
	return out
}

// TestOneliners runs every one-liner of the manual on the same packets.
func TestOneliners(t *testing.T) {
	all := oneliners(t)
	if len(all) < 20 {
		t.Fatalf("%d one-liners, want twenty", len(all))
	}
	w := newWorld(t)
	frames := w.mixture(t)
	for _, o := range all {
		t.Run(o.command, func(t *testing.T) {
			got := w.oneline(t, o.command, frames)
			for _, want := range o.prints {
				if !prints(got, want) {
					t.Errorf("no line begins with %q in\n%s", want, got)
				}
			}
		})
	}
}

// prints reports whether a line of the text begins with the words of want: what
// follows, rates and bars, is different each time.
func prints(text, want string) bool {
	w := strings.Fields(want)
	for _, l := range strings.Split(text, "\n") {
		if f := strings.Fields(l); len(f) >= len(w) && strings.Join(f[:len(w)], " ") == strings.Join(w, " ") {
			return true
		}
	}
	return false
}

// oneline runs a command, sends frames to it, and returns what it says at the
// end.
func (w *world) oneline(t *testing.T, command string, frames [][]byte) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", fmt.Sprintf("exec %s --packets %d --interval 0", command, len(frames)))
	cmd.Dir, cmd.Env = w.dir, w.env
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	check(t, w.host.Do(cmd.Start))
	hook := "xdp"
	if strings.Contains(command, ":tc-") {
		hook = "tc"
	}
	for n := 0; n == 0; time.Sleep(10 * time.Millisecond) {
		check(t, w.host.Do(func() (err error) { n, err = programs(hook); return err }))
		if ctx.Err() != nil {
			break
		}
	}
	check(t, w.peer.Send(ctx, "veth0", frames...))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v:\n%s", err, out.String())
	}
	return out.String()
}

// mixture returns the packets that docs/oneliners.md speaks of: to eth0 of the
// host, as they could come at any server.
func (w *world) mixture(t *testing.T) [][]byte {
	t.Helper()
	var dst net.HardwareAddr
	check(t, w.host.Do(func() error {
		i, err := net.InterfaceByName("eth0")
		if err == nil {
			dst = i.HardwareAddr
		}
		return err
	}))
	m := &mixture{t: t, dst: dst}
	for range 3 { // DNS queries
		m.udp("10.9.0.1", 4000, 53, 30)
	}
	for range 2 { // and large answers
		m.udp("192.0.2.53", 53, 4000, 600)
	}
	for _, port := range []layers.TCPPort{22, 22, 22, 23} {
		m.tcp("203.0.113.9", &layers.TCP{SrcPort: 5000, DstPort: port, SYN: true}, "")
	}
	for range 3 {
		m.tcp("10.9.0.1", &layers.TCP{SrcPort: 5001, DstPort: 80, PSH: true, ACK: true}, "GET / HTTP/1.1\r\n\r\n")
	}
	m.tcp("10.9.0.1", &layers.TCP{SrcPort: 5002, DstPort: 443, RST: true}, "")
	for _, ttl := range []uint8{64, 2} {
		ip := m.ip4("10.9.0.1", layers.IPProtocolICMPv4)
		ip.TTL = ttl
		m.add(layers.EthernetTypeIPv4, ip, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0)})
	}
	m.add(layers.EthernetTypeARP, &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1,
		SourceHwAddress: m.src(), SourceProtAddress: net.IP{10, 9, 0, 1}, DstHwAddress: make([]byte, 6), DstProtAddress: net.IP{10, 9, 0, 2},
	})
	for range 2 {
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2")}
		u := &layers.UDP{SrcPort: 5353, DstPort: 5353}
		check(t, u.SetNetworkLayerForChecksum(ip))
		m.add(layers.EthernetTypeIPv6, ip, u, gopacket.Payload("mdns"))
	}
	ip := m.ip4("10.9.0.1", layers.IPProtocolUDP)
	u := &layers.UDP{SrcPort: 4000, DstPort: 53}
	check(t, u.SetNetworkLayerForChecksum(ip))
	m.add(layers.EthernetTypeDot1Q, &layers.Dot1Q{VLANIdentifier: 100, Type: layers.EthernetTypeIPv4}, ip, u, gopacket.Payload("tagged"))
	ip = m.ip4("10.9.0.1", layers.IPProtocolUDP)
	ip.FragOffset = 185
	m.add(layers.EthernetTypeIPv4, ip, gopacket.Payload("the end of a fragmented packet"))
	if len(m.frames) != 20 {
		t.Fatalf("%d packets, the manual says twenty", len(m.frames))
	}
	return m.frames
}

type mixture struct {
	t      *testing.T
	dst    net.HardwareAddr
	frames [][]byte
}

func (m *mixture) src() net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, 1} }

func (m *mixture) ip4(src string, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: net.ParseIP(src), DstIP: net.ParseIP("10.9.0.2")}
}

func (m *mixture) udp(src string, sport, dport layers.UDPPort, octets int) {
	ip, u := m.ip4(src, layers.IPProtocolUDP), &layers.UDP{SrcPort: sport, DstPort: dport}
	check(m.t, u.SetNetworkLayerForChecksum(ip))
	m.add(layers.EthernetTypeIPv4, ip, u, gopacket.Payload(make([]byte, octets)))
}

func (m *mixture) tcp(src string, h *layers.TCP, text string) {
	ip := m.ip4(src, layers.IPProtocolTCP)
	check(m.t, h.SetNetworkLayerForChecksum(ip))
	m.add(layers.EthernetTypeIPv4, ip, h, gopacket.Payload(text))
}

func (m *mixture) add(typ layers.EthernetType, ls ...gopacket.SerializableLayer) {
	b := gopacket.NewSerializeBuffer()
	o := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	eth := &layers.Ethernet{SrcMAC: m.src(), DstMAC: m.dst, EthernetType: typ}
	check(m.t, gopacket.SerializeLayers(b, o, append([]gopacket.SerializableLayer{eth}, ls...)...))
	m.frames = append(m.frames, b.Bytes())
}
