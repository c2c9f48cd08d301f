package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/codetest"
)

// arp returns a frame of n octets that is not IP.
func arp(n int) []byte {
	b := frameOf(n)
	b[13] = 0x06
	return b
}

// frameOf returns a frame of n octets, IPv4 by its type.
func frameOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	if n >= 14 {
		copy(b[12:], []byte{0x08, 0x00})
	}
	return b
}

var start = time.Unix(1_700_000_000, 123_456_789)

func info(i int, frame []byte) gopacket.CaptureInfo {
	return gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(i) * time.Second), CaptureLength: len(frame), Length: len(frame)}
}

func pcapFile(t *testing.T, link layers.LinkType, frames ...[]byte) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(snapLen, link); err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		if err := w.WritePacket(info(i, f), f); err != nil {
			t.Fatal(err)
		}
	}
	return &b
}

func pcapngFile(t *testing.T, links []layers.LinkType, frames ...[]byte) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, links[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links[1:] {
		i := pcapgo.DefaultNgInterface
		i.LinkType = l
		if _, err := w.AddInterface(i); err != nil {
			t.Fatal(err)
		}
	}
	for i, f := range frames {
		ci := info(i, f)
		ci.InterfaceIndex = i % len(links)
		if err := w.WritePacket(ci, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// replayText replays and returns what weir replay --json prints.
func replayText(t *testing.T, h hook.Hook, co codetest.ChainOptions, in io.Reader, o Options) (string, error) {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	o.Each = func(r Result) error { return e.Encode(r) }
	co.Trace = true
	sum, err := Replay(context.Background(), codetest.Chain(h, co), in, o)
	if e := e.Encode(sum); e != nil {
		t.Fatal(e)
	}
	return b.String(), err
}

func TestReplay(t *testing.T) {
	ether := []layers.LinkType{layers.LinkTypeEthernet}
	drop := map[string]string{"limit": "0"}
	tests := []struct {
		name  string
		hooks []hook.Hook
		chain codetest.ChainOptions
		in    *bytes.Buffer
		o     Options
		want  string
	}{
		{name: "pcap", in: pcapFile(t, ether[0], frameOf(98), arp(14)), want: `
{"n":1,"verdict":"PASS","reason":"","line":6,"in_len":98,"out_len":98}
{"n":2,"verdict":"PASS","reason":"","line":6,"in_len":14,"out_len":14}
{"packets":2,"verdicts":{"PASS":2},"counts":{"seen":2},"reasons":{}}
`},
		{name: "pcapng", in: pcapngFile(t, append(ether, ether...), frameOf(98), frameOf(99)), want: `
{"n":1,"verdict":"PASS","reason":"","line":6,"in_len":98,"out_len":98}
{"n":2,"verdict":"PASS","reason":"","line":6,"in_len":99,"out_len":99}
{"packets":2,"verdicts":{"PASS":2},"counts":{"seen":2},"reasons":{}}
`},
		{name: "no packets", in: pcapFile(t, ether[0]), want: `
{"packets":0,"verdicts":{},"counts":{},"reasons":{}}
`},
		{name: "dropped, with a parameter", in: pcapFile(t, ether[0], frameOf(98)), o: Options{Set: drop}, want: `
{"n":1,"verdict":"DROP","reason":"limited","line":5,"in_len":98,"out_len":98}
{"packets":1,"verdicts":{"DROP":1},"counts":{"seen":1},"reasons":{"limited":1}}
`},
		{name: "redirect to what is not there", chain: codetest.ChainOptions{Redirect: "wnone1"}, in: pcapFile(t, ether[0], frameOf(98)), want: `
{"n":1,"verdict":"REDIRECT","reason":"","line":6,"in_len":98,"out_len":98,"to":"wnone1"}
{"packets":1,"verdicts":{"REDIRECT":1},"counts":{"seen":1},"reasons":{}}
`},
		{name: "redirect to what is there", chain: codetest.ChainOptions{Redirect: "lo"}, in: pcapFile(t, ether[0], frameOf(98)), want: `
{"n":1,"verdict":"REDIRECT","reason":"","line":6,"in_len":98,"out_len":98,"to":"lo"}
{"packets":1,"verdicts":{"REDIRECT":1},"counts":{"seen":1},"reasons":{}}
`},
		{name: "too short", in: pcapFile(t, ether[0], frameOf(13), frameOf(98)), want: `
{"n":1,"verdict":"","reason":"","line":0,"in_len":13,"out_len":0,"error":"frame of 13 octets: shorter than an Ethernet header"}
{"n":2,"verdict":"PASS","reason":"","line":6,"in_len":98,"out_len":98}
{"packets":2,"verdicts":{"PASS":1},"counts":{"seen":1},"reasons":{},"errors":1}
`},
		{name: "cut off in the IP header", hooks: []hook.Hook{hook.TCEgress}, in: pcapFile(t, ether[0], frameOf(33)), want: `
{"n":1,"verdict":"","reason":"","line":0,"in_len":33,"out_len":0,"error":"frame of 33 octets: cut off in the IP header, which this kernel's test run does not take at tc-egress"}
{"packets":1,"verdicts":{},"counts":{},"reasons":{},"errors":1}
`},
		{name: "large at tc", hooks: []hook.Hook{hook.TCIngress}, in: pcapFile(t, ether[0], frameOf(3500), frameOf(4000), frameOf(65536)),
			want: atTC(t, 3500, 4000, 65536)},
		{name: "too large for tc", hooks: []hook.Hook{hook.TCIngress}, in: pcapFile(t, ether[0], frameOf(65537)), want: `
{"n":1,"verdict":"","reason":"","line":0,"in_len":65537,"out_len":0,"error":"frame of 65537 octets: larger than any that is replayed, which are up to 65536 octets"}
{"packets":1,"verdicts":{},"counts":{},"reasons":{},"errors":1}
`},
		{name: "too large for linear XDP", hooks: []hook.Hook{hook.XDP}, in: pcapFile(t, ether[0], frameOf(3520), frameOf(3521)), want: `
{"n":1,"verdict":"PASS","reason":"","line":6,"in_len":3520,"out_len":3520}
{"n":2,"verdict":"","reason":"","line":0,"in_len":3521,"out_len":0,"error":"frame of 3521 octets: the program takes XDP frames in one piece, up to 3520 octets"}
{"packets":2,"verdicts":{"PASS":1},"counts":{"seen":1},"reasons":{},"errors":1}
`},
		{name: "large XDP", hooks: []hook.Hook{hook.XDP}, in: pcapFile(t, ether[0], frameOf(3520), frameOf(9014), frameOf(65536), frameOf(65537)),
			o: Options{Frags: codetest.Chain(hook.XDP, codetest.ChainOptions{Trace: true})}, want: `
{"n":1,"verdict":"PASS","reason":"","line":6,"in_len":3520,"out_len":3520}
{"n":2,"verdict":"PASS","reason":"","line":6,"in_len":9014,"out_len":9014}
{"n":3,"verdict":"PASS","reason":"","line":6,"in_len":65536,"out_len":65536}
{"n":4,"verdict":"","reason":"","line":0,"in_len":65537,"out_len":0,"error":"frame of 65537 octets: larger than any that is replayed, which are up to 65536 octets"}
{"packets":4,"verdicts":{"PASS":3},"counts":{"seen":3},"reasons":{},"errors":1}
`},
	}
	for _, tt := range tests {
		hooks := tt.hooks
		if hooks == nil {
			hooks = hook.Frames()
		}
		for _, h := range hooks {
			t.Run(tt.name+" "+h.String(), func(t *testing.T) {
				got, err := replayText(t, h, tt.chain, bytes.NewReader(tt.in.Bytes()), tt.o)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want[1:], got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// atTC is what becomes of frames of so many octets at tc, which kernels differ in: whether
// theirs takes one, a program says that returns at once.
func atTC(t *testing.T, sizes ...int) string {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	passed, out := 0, "\n"
	for i, n := range sizes {
		_, err = p.Run(&ebpf.RunOptions{Data: frameOf(n)})
		switch {
		case err == nil:
			passed++
			out += fmt.Sprintf(`{"n":%d,"verdict":"PASS","reason":"","line":6,"in_len":%d,"out_len":%[2]d}`+"\n", i+1, n)
		case errors.Is(err, unix.EINVAL):
			out += fmt.Sprintf(`{"n":%d,"verdict":"","reason":"","line":0,"in_len":%d,"out_len":0,"error":"frame of %[2]d octets: larger than this kernel's test run takes at tc-ingress"}`+"\n", i+1, n)
		default:
			t.Fatal(err)
		}
	}
	if passed == 0 {
		t.Fatalf("this kernel's test run takes none of %v", sizes)
	}
	out += fmt.Sprintf(`{"packets":%d,"verdicts":{"PASS":%d},"counts":{"seen":%[2]d},"reasons":{}`, len(sizes), passed)
	if passed < len(sizes) {
		out += fmt.Sprintf(`,"errors":%d`, len(sizes)-passed)
	}
	return out + "}\n"
}

func TestReplayErrors(t *testing.T) {
	ether, raw := layers.LinkTypeEthernet, layers.LinkTypeRaw
	cut := pcapFile(t, ether, frameOf(98), frameOf(98))
	cut.Truncate(cut.Len() - 5)
	tests := []struct {
		name, want string
		in         io.Reader
		is         error
		packets    string
	}{
		{"raw IP", "replay: read capture: link type Raw: only Ethernet captures can be replayed", pcapFile(t, raw, frameOf(98)), ErrLinkType, `"packets":0`},
		{"mixed pcapng", "replay: read packet 2: link type Raw: only Ethernet captures can be replayed", pcapngFile(t, []layers.LinkType{ether, raw}, frameOf(98), frameOf(99)), ErrLinkType, `"packets":1,"verdicts":{"PASS":1},"counts":{"seen":1}`},
		{"raw pcapng", "replay: read packet 1: link type Raw: only Ethernet captures can be replayed", pcapngFile(t, []layers.LinkType{raw}, frameOf(98)), ErrLinkType, `"packets":0`},
		{"empty", "replay: read capture: the file is empty, or no capture", strings.NewReader(""), nil, ""},
		{"text", "replay: read pcap file: Unknown magic 6c6c6568", strings.NewReader("hello, this is no capture file at all"), nil, ""},
		{"gzip", "replay: read capture: the file is compressed: unpack it with gunzip first", strings.NewReader("\x1f\x8b\x08\x00aaaa"), nil, ""},
		{"cut off", "replay: read packet 2: unexpected EOF", cut, io.ErrUnexpectedEOF, `"packets":1,"verdicts":{"PASS":1},"counts":{"seen":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := replayText(t, hook.XDP, codetest.ChainOptions{}, tt.in, Options{})
			if err == nil || err.Error() != tt.want || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v\nwant  %s (%v)", err, tt.want, tt.is)
			}
			if !strings.Contains(got, tt.packets) {
				t.Errorf("output %s, want %s", got, tt.packets)
			}
		})
	}
	t.Run("not traced", func(t *testing.T) {
		_, err := Replay(context.Background(), codetest.Chain(hook.XDP, codetest.ChainOptions{}), pcapFile(t, ether), Options{})
		if err == nil || !strings.Contains(err.Error(), "was not compiled to be traced") {
			t.Errorf("got %v", err)
		}
	})
}

func TestReplayWrites(t *testing.T) {
	for _, h := range hook.Frames() {
		var out bytes.Buffer
		in := pcapFile(t, layers.LinkTypeEthernet, frameOf(60), frameOf(3), frameOf(1500))
		if _, err := replayText(t, h, codetest.ChainOptions{Swap: true}, in, Options{Out: &out}); err != nil {
			t.Fatal(err)
		}
		r, err := pcapgo.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []struct{ i, n int }{{0, 60}, {2, 1500}} {
			data, ci, err := r.ReadPacketData()
			if err != nil {
				t.Fatal(err)
			}
			frame := frameOf(want.n)
			frame[0] ^= 1
			if !bytes.Equal(data, frame) || !ci.Timestamp.Equal(info(want.i, frame).Timestamp) {
				t.Errorf("%s: packet of %d octets is not as the chain left it (time %s)", h, want.n, ci.Timestamp)
			}
		}
		if _, _, err := r.ReadPacketData(); err != io.EOF {
			t.Errorf("%s: more packets, or %v", h, err)
		}

		out.Reset()
		in = pcapFile(t, layers.LinkTypeEthernet, frameOf(60))
		if _, err := replayText(t, h, codetest.ChainOptions{}, in, Options{Out: &out, Set: map[string]string{"limit": "0"}}); err != nil {
			t.Fatal(err)
		}
		if out.Len() != 24 { // the file header
			t.Errorf("%s: a dropped packet was written", h)
		}
	}
}

// Timing changes nothing that is counted, and gives something in the order of
// what a handful of instructions takes.
func TestReplayRepeat(t *testing.T) {
	for _, h := range hook.Frames() {
		for _, swap := range []bool{false, true} {
			in := pcapFile(t, layers.LinkTypeEthernet, frameOf(60), frameOf(100))
			sum, err := Replay(context.Background(), codetest.Chain(h, codetest.ChainOptions{Trace: true, Swap: swap}), in,
				Options{Repeat: 1000, Timed: codetest.Chain(h, codetest.ChainOptions{Swap: swap})})
			if err != nil {
				t.Fatal(err)
			}
			if sum.Counts["seen"] != 2 || sum.Verdicts["PASS"] != 2 {
				t.Errorf("%s: counted %+v", h, sum)
			}
			if sum.NsPerPacket == nil || *sum.NsPerPacket <= 0 || *sum.NsPerPacket > 1e5 {
				t.Errorf("%s: ns per packet %v", h, sum.NsPerPacket)
			} else {
				t.Logf("%s, changed %t: %.1f ns", h, swap, *sum.NsPerPacket)
			}
		}
	}
}

func TestReplayInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	in := pcapFile(t, layers.LinkTypeEthernet, frameOf(60), frameOf(60), frameOf(60))
	sum, err := Replay(ctx, codetest.Chain(hook.XDP, codetest.ChainOptions{Trace: true}), in, Options{
		Each: func(Result) error { cancel(); return nil },
	})
	if !errors.Is(err, context.Canceled) || sum.Packets != 1 {
		t.Errorf("%d packets, %v; want 1 and Canceled", sum.Packets, err)
	}
}

// A packet is timed in pieces, so that ^C does not have to wait for its end;
// what was counted until then is told.
func TestReplayInterruptedWhileTiming(t *testing.T) {
	for _, swap := range []bool{false, true} {
		ctx, cancel := context.WithCancel(context.Background())
		in := pcapFile(t, layers.LinkTypeEthernet, frameOf(60), frameOf(60))
		begun := time.Now()
		time.AfterFunc(300*time.Millisecond, cancel)
		sum, err := Replay(ctx, codetest.Chain(hook.XDP, codetest.ChainOptions{Trace: true, Swap: swap}), in, Options{Repeat: 1_000_000_000})
		if !errors.Is(err, context.Canceled) || sum.Packets != 1 || sum.Counts["seen"] != 1 {
			t.Errorf("%+v, %v; want one packet and Canceled", sum, err)
		}
		if d := time.Since(begun); d > 1300*time.Millisecond {
			t.Errorf("ended %v after it began, want a second after 300 ms at most", d)
		}
	}
}

// The clock of a capture stands still where its times go back, and does not
// begin before 1970.
func TestCaptureClockNeverGoesBack(t *testing.T) {
	x := pass{now: epoch}
	for _, c := range []struct{ at, want time.Time }{
		{time.Time{}, epoch},
		{time.Unix(-5, 0), epoch},
		{time.Unix(20, 5), time.Unix(20, 5)},
		{time.Unix(10, 0), time.Unix(20, 5)},
		{time.Unix(20, 6), time.Unix(20, 6)},
	} {
		if x.at(c.at); !x.now.Equal(c.want) {
			t.Errorf("at %v the clock is %v, want %v", c.at, x.now, c.want)
		}
	}
}

func TestRedirectByNumber(t *testing.T) {
	r := &Runner{names: map[int]string{}}
	a, _ := r.index("wnone1")
	b, _ := r.index("wnone2")
	again, _ := r.index("wnone1")
	if a == b || a != again || a < firstMissing {
		t.Errorf("indexes %d, %d, %d", a, b, again)
	}
	for index, want := range map[int]string{int(a): "wnone1", int(b): "wnone2", 1: "lo", 987654: "987654"} {
		if got := r.interfaceName(index); got != want {
			t.Errorf("interfaceName(%d) = %s, want %s", index, got, want)
		}
	}
}

// A file that is no capture is an error, never a panic.
func FuzzCapture(f *testing.F) {
	f.Add(pcapFile(&testing.T{}, layers.LinkTypeEthernet, frameOf(20)).Bytes())
	f.Add(pcapngFile(&testing.T{}, []layers.LinkType{layers.LinkTypeEthernet}, frameOf(20)).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := openCapture(bytes.NewReader(b))
		for n := 0; err == nil && n < 1000; n++ {
			_, _, err = c.next()
		}
	})
}
