package lab

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
)

// Counters are what the kernel has counted in a host.
type Counters struct {
	// MIB holds /proc/net/snmp, netstat and snmp6. Keys are the protocol and the
	// name, as nstat prints them without a dot: "TcpInCsumErrors",
	// "UdpInDatagrams", "IpExtInCsumErrors", "TcpExtTCPTimeouts",
	// "Icmp6InCsumErrors". TCP over IPv6 is counted in "Tcp".
	MIB map[string]uint64
	// Links holds the interfaces' counters by name.
	Links map[string]LinkCounters
}

// LinkCounters count packets and bytes of an interface.
type LinkCounters struct {
	RxPackets, RxBytes, RxErrors, RxDropped uint64
	TxPackets, TxBytes, TxErrors, TxDropped uint64
}

// Counters reads the counters of the host.
func (h *Host) Counters() (Counters, error) {
	c := Counters{MIB: make(map[string]uint64), Links: make(map[string]LinkCounters)}
	err := h.Do(func() error {
		// Not /proc/net: it is /proc/self/net, the namespace of the main thread.
		for _, f := range []string{"snmp", "netstat", "snmp6"} {
			b, err := os.ReadFile("/proc/thread-self/net/" + f)
			if err != nil {
				return err
			}
			if f == "snmp6" {
				err = parsePairs(string(b), c.MIB)
			} else {
				err = parseTable(string(b), c.MIB)
			}
			if err != nil {
				return fmt.Errorf("parse %s: %w", f, err)
			}
		}
		return nil
	})
	if err != nil {
		return Counters{}, fmt.Errorf("counters of host %s: %w", h.name, err)
	}
	nl, err := h.netlink()
	if err != nil {
		return Counters{}, err
	}
	links, err := nl.LinkList()
	if err != nil {
		return Counters{}, fmt.Errorf("counters of host %s: %w", h.name, err)
	}
	for _, l := range links {
		s := l.Attrs().Statistics
		if s == nil {
			continue
		}
		c.Links[l.Attrs().Name] = LinkCounters{
			RxPackets: s.RxPackets, RxBytes: s.RxBytes, RxErrors: s.RxErrors, RxDropped: s.RxDropped,
			TxPackets: s.TxPackets, TxBytes: s.TxBytes, TxErrors: s.TxErrors, TxDropped: s.TxDropped,
		}
	}
	return c, nil
}

// parseTable reads pairs of lines "Tcp: name name" and "Tcp: 1 2". Some values
// are signed (TcpMaxConn -1): those are kept as two's complement.
func parseTable(text string, into map[string]uint64) error {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if len(names) == 0 || len(names) != len(values) || names[0] != values[0] {
			return fmt.Errorf("line %d does not match line %d", i+1, i+2)
		}
		for j := 1; j < len(names); j++ {
			if err := putCounter(into, strings.TrimSuffix(names[0], ":")+names[j], values[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// parsePairs reads lines "name value".
func parsePairs(text string, into map[string]uint64) error {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 2 {
			return fmt.Errorf("line %q: want a name and a value", line)
		}
		if err := putCounter(into, f[0], f[1]); err != nil {
			return err
		}
	}
	return nil
}

func putCounter(into map[string]uint64, name, value string) error {
	if v, err := strconv.ParseUint(value, 10, 64); err == nil {
		into[name] = v
		return nil
	}
	v, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("counter %s: %w", name, err)
	}
	into[name] = uint64(v)
	return nil
}

// Since returns what was counted after before was read.
func (c Counters) Since(before Counters) Counters {
	d := Counters{MIB: maps.Clone(c.MIB), Links: maps.Clone(c.Links)}
	for k, v := range before.MIB {
		d.MIB[k] -= v
	}
	for k, v := range before.Links {
		n := d.Links[k]
		n.RxPackets -= v.RxPackets
		n.RxBytes -= v.RxBytes
		n.RxErrors -= v.RxErrors
		n.RxDropped -= v.RxDropped
		n.TxPackets -= v.TxPackets
		n.TxBytes -= v.TxBytes
		n.TxErrors -= v.TxErrors
		n.TxDropped -= v.TxDropped
		d.Links[k] = n
	}
	return d
}

// csumCounters are the counters of wrong checksums, TCP's for both families.
var csumCounters = []string{
	"IpExtInCsumErrors", "TcpInCsumErrors", "UdpInCsumErrors", "IcmpInCsumErrors",
	"UdpLiteInCsumErrors", "Udp6InCsumErrors", "Icmp6InCsumErrors", "UdpLite6InCsumErrors",
}

// ChecksumErrors returns the packets that were refused for a wrong checksum of
// IPv4, TCP, UDP, ICMP or ICMPv6.
func (c Counters) ChecksumErrors() uint64 {
	var n uint64
	for _, k := range csumCounters {
		n += c.MIB[k]
	}
	return n
}
