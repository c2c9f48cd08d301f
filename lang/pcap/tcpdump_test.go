package pcap_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"weir/internal/frames"
	"weir/internal/golden"
	"weir/lang/pcap"
	"weir/lang/ref"
)

var (
	update  = flag.Bool("update", false, "ask tcpdump anew, and write its answers")
	capture = flag.Bool("capture", false, "with -update, take the frames of today, too")
)

const (
	captureFile = "testdata/capture.pcap" // frames of all kinds, and random ones
	answerFile  = "testdata/answers.txt"  // of tcpdump, about them
	renew       = "go test ./lang/pcap -run TestTcpdump -update"
)

// Each filter holds for the frames for which it holds in tcpdump. What tcpdump said
// is kept; with WEIR_SOAK=1, and by -update, it is asked.
func TestTcpdump(t *testing.T) {
	if *update && *capture {
		writeCapture(t)
	}
	fs := captured(t)
	if *update || os.Getenv("WEIR_SOAK") != "" {
		golden.Compare(t, answerFile, asked(t, len(fs)), *update, renew)
	}
	filters, answers := filtersOf(t), answersOf(t)
	if len(filters) < 200 || len(fs) < 200 || len(answers) != len(filters) {
		t.Fatalf("%d filters, %d frames and %d answers", len(filters), len(fs), len(answers))
	}
	held := 0
	for _, text := range filters {
		want, ok := answers[text]
		if !ok {
			t.Errorf("tcpdump was not asked about %q: %s", text, renew)
			continue
		}
		f, err := pcap.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var wrong []string
		for i, frame := range fs {
			got := ref.FilterHolds(f, frame, true)
			if held += map[bool]int{true: 1}[got]; got != (want[i] == '1') {
				wrong = append(wrong, fmt.Sprintf("frame %d (%x): %v", i, frame[:min(len(frame), 60)], got))
			}
		}
		if wrong != nil {
			t.Errorf("%s differs from tcpdump for %d frames; %s", text, len(wrong), wrong[0])
		}
	}
	t.Logf("%d filters on %d frames: they hold %d times", len(filters), len(fs), held)
}

// filtersOf reads the filters.
func filtersOf(t *testing.T) []string {
	text, err := os.ReadFile("testdata/filters.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}

// answersOf reads the answers: a line has a figure for each frame, 1 where the
// filter holds, then the filter.
func answersOf(t *testing.T) map[string]string {
	text, err := os.ReadFile(answerFile)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if figures, filter, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  "); ok {
			out[filter] = figures
		}
	}
	return out
}

// asked has tcpdump answer for each filter.
func asked(t *testing.T, n int) string {
	var b strings.Builder
	for _, text := range filtersOf(t) {
		figures, ok := ask(t, captureFile, text, n)
		if !ok {
			t.Fatalf("tcpdump does not take %q", text)
		}
		fmt.Fprintf(&b, "%s  %s\n", figures, text)
	}
	return b.String()
}

// ask has tcpdump answer: a figure for each of n frames. It is not ok where tcpdump
// refuses the filter.
func ask(t *testing.T, file, text string, n int, flags ...string) (figures string, ok bool) {
	answer := bytes.Repeat([]byte("0"), n)
	cmd := exec.Command("tcpdump", append(flags, "-r", file, "-w", "-", "--", text)...)
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err != nil {
		return string(answer), strings.Contains(told.String(), "expression rejects all packets")
	}
	eachPacket(t, out, func(number int, _ []byte) { answer[number] = '1' })
	return string(answer), true
}

func captured(t *testing.T) [][]byte {
	file, err := os.ReadFile(captureFile)
	if err != nil {
		t.Fatal(err)
	}
	var fs [][]byte
	eachPacket(t, file, func(_ int, data []byte) { fs = append(fs, data) })
	return fs
}

// eachPacket reads a capture. The second of a packet is its number.
func eachPacket(t *testing.T, file []byte, f func(number int, data []byte)) {
	r, err := pcapgo.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, ci, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		f(int(ci.Timestamp.Unix()), data)
	}
}

// writeCapture takes the stock of frames and random ones, none longer than there is
// room for in the tree.
func writeCapture(t *testing.T) {
	var fs [][]byte
	for _, f := range frames.All() {
		fs = append(fs, f.Data[:min(len(f.Data), 400)])
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		data := frames.Random(r)
		fs = append(fs, data[:min(len(data), 400)])
	}
	save(t, captureFile, layers.LinkTypeEthernet, fs)
}

func save(t *testing.T, file string, link layers.LinkType, fs [][]byte) {
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65536, link); err != nil {
		t.Fatal(err)
	}
	for i, data := range fs {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(data), Length: len(data)}
		if err := w.WritePacket(ci, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
