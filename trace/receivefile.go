package trace

import (
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"

	"weir/datapath"
)

// A receiveFile is the pcapng file of what was received: an interface for each place,
// and the queue of each packet.
type receiveFile struct {
	out     io.Writer
	w       *pcapgo.NgWriter // nil until the first place is there
	start   time.Time
	written []uint64 // packets of each place
}

// add adds a place.
func (f *receiveFile) add(name string, a *datapath.Attachment) (err error) {
	if f.w, err = addInterface(f.out, f.w, name, "hands to user space", a, snapLen); err != nil {
		return err
	}
	f.written = append(f.written, 0)
	return f.flush()
}

func (f *receiveFile) write(place int, x Received) error {
	ci := gopacket.CaptureInfo{Timestamp: x.Time, CaptureLength: x.Len, Length: x.Len, InterfaceIndex: place}
	if err := f.w.WritePacketWithOptions(ci, x.Frame, pcapgo.NgPacketOptions{Queue: &x.Queue}); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	f.written[place]++
	return nil
}

func (f *receiveFile) flush() error {
	if err := f.w.Flush(); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}

// close tells of each place what came, and what of it was lost.
func (f *receiveFile) close(places []*receiving) error {
	for i, p := range places {
		var lost uint64
		for _, s := range p.sockets {
			x, err := s.Stats()
			if err != nil {
				return err
			}
			lost += x.Lost()
		}
		now := time.Now()
		stats := pcapgo.NgInterfaceStatistics{LastUpdate: now, StartTime: f.start, EndTime: now, PacketsReceived: f.written[i] + lost, PacketsDropped: lost}
		if err := f.w.WriteInterfaceStats(i, stats); err != nil {
			return fmt.Errorf("write capture: %w", err)
		}
	}
	if f.w == nil {
		return nil
	}
	return f.flush()
}
