package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
	"weir/lang/diag"
)

// A dropped is a packet as the kernel handed it on.
type dropped struct {
	place int
	ns    uint64 // of CLOCK_MONOTONIC
	exit  int
	len   int    // octets on the wire
	data  []byte // with the tag where it is on the wire
}

// dropHead is the octets before the packet: see package lower.
const dropHead = 32

// decodeDrop reads an event. Its end may be padding.
func decodeDrop(b []byte, place int) (dropped, error) {
	if len(b) < dropHead {
		return dropped{}, fmt.Errorf("a dropped packet's event of %d octets", len(b))
	}
	word := func(at int) int { return int(binary.NativeEndian.Uint32(b[at:])) }
	x := dropped{place: place, ns: binary.NativeEndian.Uint64(b), exit: word(8), len: word(12)}
	n := min(word(24), len(b)-dropHead)
	x.data = make([]byte, 0, n+4)
	buf := b[dropHead : dropHead+n]
	if proto := word(20); proto != 0 && n >= 12 {
		// The kernel keeps the protocol as it is on the wire, the rest as a number.
		x.data = append(x.data, buf[:12]...)
		x.data = binary.NativeEndian.AppendUint16(x.data, uint16(proto))
		x.data = binary.BigEndian.AppendUint16(x.data, uint16(word(16)))
		buf = buf[12:]
	}
	x.data = append(x.data, buf...)
	x.len = max(x.len, len(x.data))
	return x, nil
}

// A dropFile is the pcapng file of a generation's drops: an interface for each
// place.
type dropFile struct {
	w       *pcapgo.NgWriter
	snap    int
	start   time.Time
	offset  int64 // from CLOCK_MONOTONIC to the time of day, in ns
	exits   [][]string
	verdict [][]pcapgo.NgEpbVerdict // DROP, as the hook of the place has it
	before  []int                   // octets of a frame that the hook does not see
}

func newDropFile(w io.Writer, g *datapath.Generation, snap int, text diag.Source) (*dropFile, error) {
	f := &dropFile{snap: snap, start: time.Now()}
	mono, err := monotonic()
	if err != nil {
		return nil, fmt.Errorf("read clock: %w", err)
	}
	f.offset = time.Now().UnixNano() - mono
	for _, a := range g.Attachments {
		if f.w, err = addInterface(w, f.w, g.Name, does(a.Where.Hook), a, snap); err != nil {
			return nil, err
		}
		var exits []string
		for _, x := range a.Program.Exits {
			exits = append(exits, dropComment(x, text))
		}
		f.exits = append(f.exits, exits)
		f.verdict = append(f.verdict, dropVerdict(a.Where.Hook))
		before := 0
		if !a.Where.Hook.Info().Ethernet {
			before = minFrame
		}
		f.before = append(f.before, before)
	}
	if f.w == nil {
		return nil, errors.New("nothing is attached")
	}
	return f, f.flush()
}

// addInterface adds a place to a pcapng file, which the first one begins.
func addInterface(w io.Writer, to *pcapgo.NgWriter, name, does string, a *datapath.Attachment, snap int) (*pcapgo.NgWriter, error) {
	intf := pcapgo.NgInterface{
		Name: a.Where.On(), LinkType: linkType(a.Where.Hook),
		SnapLength: uint32(snap), OS: runtime.GOOS,
		Description: fmt.Sprintf("what %s %s at %s (%s)", name, does, a.Where.Hook, a.Mode),
	}
	var err error
	if to == nil {
		o := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: "weir"}}
		to, err = pcapgo.NewNgWriterInterface(w, intf, o)
	} else {
		_, err = to.AddInterface(intf)
	}
	if err != nil {
		return nil, fmt.Errorf("write capture: %w", err)
	}
	return to, nil
}

// dropComment says why and where: DROP "dns", edge.weir:17: return drop("dns").
func dropComment(x lang.Exit, text diag.Source) string {
	s := x.Verdict
	if x.Reason != "" {
		s += fmt.Sprintf(" %q", x.Reason)
	}
	return fmt.Sprintf("%s, %s:%d: %s", s, path.Base(x.File), x.Line, strings.TrimSpace(text.Line(x.File, x.Line)))
}

// does says what a chain does to the packets that are kept.
func does(h hook.Hook) string {
	if h == hook.Socket {
		return "passes"
	}
	return "drops"
}

// linkType is what packets begin with at a hook.
func linkType(h hook.Hook) layers.LinkType {
	if h.Info().Ethernet {
		return layers.LinkTypeEthernet
	}
	return layers.LinkTypeRaw
}

// dropVerdict is what the kernel was told: XDP_DROP, TC_ACT_SHOT. The format has no
// words for other hooks.
func dropVerdict(h hook.Hook) []pcapgo.NgEpbVerdict {
	v := pcapgo.NgEpbVerdict{Type: pcapgo.NgEpbVerdictTypeLinuxeBPFTC, Data: binary.LittleEndian.AppendUint64(nil, 2)}
	switch h {
	case hook.XDP:
		v = pcapgo.NgEpbVerdict{Type: pcapgo.NgEpbVerdictTypeLinuxeBPFXDP, Data: binary.LittleEndian.AppendUint64(nil, 1)}
	case hook.TCIngress, hook.TCEgress:
	default:
		return nil
	}
	return []pcapgo.NgEpbVerdict{v}
}

func (f *dropFile) write(x dropped) error {
	data := x.data[:min(len(x.data), f.snap)]
	ci := gopacket.CaptureInfo{
		Timestamp: time.Unix(0, int64(x.ns)+f.offset), CaptureLength: len(data), Length: max(x.len-f.before[x.place], len(data)), InterfaceIndex: x.place,
	}
	o := pcapgo.NgPacketOptions{Verdicts: f.verdict[x.place]}
	if exits := f.exits[x.place]; x.exit < len(exits) {
		o.Comments = []string{exits[x.exit]}
	}
	if err := f.w.WritePacketWithOptions(ci, data, o); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}

// stats tells of a place what came and what of it was not written.
func (f *dropFile) stats(place int, came, missing uint64) error {
	now := time.Now()
	s := pcapgo.NgInterfaceStatistics{LastUpdate: now, StartTime: f.start, EndTime: now, PacketsReceived: came, PacketsDropped: missing}
	if err := f.w.WriteInterfaceStats(place, s); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}

func (f *dropFile) flush() error {
	if err := f.w.Flush(); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}
