package trace

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// ErrLinkType is the cause of an error for captures of other links than
// Ethernet.
var ErrLinkType = errors.New("only Ethernet captures can be replayed")

// A capture reads a pcap or pcapng file of Ethernet frames.
type capture struct {
	read func() ([]byte, gopacket.CaptureInfo, error)
	link func(gopacket.CaptureInfo) (layers.LinkType, error)
	n    int // packets read
}

// Magic numbers of pcapng (its section header block) and of gzip.
const (
	ngMagic   = 0x0a0d0d0a
	gzipMagic = 0x1f8b
)

func openCapture(r io.Reader) (*capture, error) {
	b := bufio.NewReaderSize(r, 1<<20)
	magic, err := b.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty, or no capture")
		}
		return nil, fmt.Errorf("read capture: %w", err)
	}
	if binary.BigEndian.Uint16(magic) == gzipMagic {
		return nil, errors.New("read capture: the file is compressed: unpack it with gunzip first")
	}
	c := new(capture)
	if binary.BigEndian.Uint32(magic) == ngMagic {
		// Mixed: otherwise packets of a second link type would be left out in
		// silence.
		ng, err := pcapgo.NewNgReader(b, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			return nil, fmt.Errorf("read pcapng file: %w", err)
		}
		c.read = ng.ReadPacketData
		c.link = func(ci gopacket.CaptureInfo) (layers.LinkType, error) {
			i, err := ng.Interface(ci.InterfaceIndex)
			return i.LinkType, err
		}
		return c, nil
	}
	old, err := pcapgo.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("read pcap file: %w", err)
	}
	c.read = old.ReadPacketData
	c.link = func(gopacket.CaptureInfo) (layers.LinkType, error) { return old.LinkType(), nil }
	if old.LinkType() != layers.LinkTypeEthernet {
		return nil, fmt.Errorf("read capture: link type %s: %w", old.LinkType(), ErrLinkType)
	}
	return c, nil
}

// next returns the next packet, or io.EOF.
func (c *capture) next() ([]byte, gopacket.CaptureInfo, error) {
	data, ci, err := c.read()
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, ci, io.EOF
	}
	c.n++
	if err != nil {
		return nil, ci, fmt.Errorf("read packet %d: %w", c.n, err)
	}
	link, err := c.link(ci)
	if err != nil {
		return nil, ci, fmt.Errorf("read packet %d: %w", c.n, err)
	}
	if link != layers.LinkTypeEthernet {
		return nil, ci, fmt.Errorf("read packet %d: link type %s: %w", c.n, link, ErrLinkType)
	}
	return data, ci, nil
}

// Packets calls f for each packet of a pcap or pcapng file, with its time, until f
// returns an error, which Packets returns. The octets are valid during the call.
func Packets(r io.Reader, f func(data []byte, at time.Time) error) error {
	c, err := openCapture(r)
	if err != nil {
		return err
	}
	for {
		data, ci, err := c.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(data, ci.Timestamp); err != nil {
			return err
		}
	}
}
