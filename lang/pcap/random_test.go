package pcap_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"weir/lang/pcap"
	"weir/lang/ref"
)

// Tcpdump is asked about filters that nobody has looked at, too, made of those of
// the list: about some, and with WEIR_SOAK=1 about many.
//
// Where a frame ends in the middle of a header it matters whether a read past the end
// was needed at all. There libpcap's optimizer leaves out more than libpcap without
// it (-O), and graphs, which are made with more thought, leave out more still. So the
// answer may be another one where that without the optimizer is no; for frames that
// are long enough it may not.
func TestTcpdumpRandom(t *testing.T) {
	if os.Getenv("WEIR_SOAK") == "" {
		return // as TestTcpdump: tcpdump need not be here
	}
	fs := captured(t)
	var long [][]byte
	for _, frame := range fs {
		long = append(long, slices.Concat(frame, make([]byte, 1200)))
	}
	longFile := filepath.Join(t.TempDir(), "long.pcap")
	save(t, longFile, layers.LinkTypeEthernet, long)
	// A division by zero ends a filter, too, and so may be left out as a read may.
	whole := slices.DeleteFunc(filtersOf(t), func(text string) bool { return strings.Contains(text, "/ (") })
	m := mixer{rand.New(rand.NewPCG(7, 7)), whole}
	refused, odd := 0, 0
	for range 1000 {
		text := m.filter(4)
		want, ok := ask(t, longFile, text, len(fs))
		f, err := pcap.Parse(text)
		if err != nil || !ok { // as: no VLAN match after MPLS
			if refused++; (err != nil) != !ok {
				t.Errorf("%s: %v, and tcpdump takes it: %v", text, err, ok)
			}
			continue
		}
		if wrong := differ(f, long, want); wrong != nil {
			i := wrong[0]
			t.Errorf("%s: differs for frame %d (%x), long", text, i, fs[i][:min(len(fs[i]), 60)])
		}
		want, _ = ask(t, captureFile, text, len(fs))
		short := differ(f, fs, want)
		if short == nil {
			continue
		}
		odd++
		plain, _ := ask(t, captureFile, text, len(fs), "-O")
		for _, i := range short {
			if plain[i] == '1' {
				t.Errorf("%s: differs for frame %d (%x)", text, i, fs[i][:min(len(fs[i]), 60)])
			}
		}
	}
	t.Logf("%d of 1000 filters were refused, %d differ for frames that end too early", refused, odd)
	if refused > 300 || odd > 50 {
		t.Errorf("%d filters were refused, and %d differ for frames that end too early: too many", refused, odd)
	}
}

// differ gives the frames for which the filter does not say what tcpdump did.
func differ(f *pcap.Filter, fs [][]byte, want string) (out []int) {
	for i, frame := range fs {
		if ref.FilterHolds(f, frame, true) != (want[i] == '1') {
			out = append(out, i)
		}
	}
	return out
}

type mixer struct {
	*rand.Rand
	filters []string
}

// filter makes one of others, in one another up to so deep.
func (m mixer) filter(deep int) string {
	if deep == 0 {
		return m.filters[m.IntN(len(m.filters))]
	}
	switch x := "(" + m.filter(m.IntN(deep)) + ")"; m.IntN(5) {
	case 0:
		return "not " + x
	case 1, 2:
		return x + " or (" + m.filter(m.IntN(deep)) + ")"
	default:
		return x + " and (" + m.filter(m.IntN(deep)) + ")"
	}
}

// ofEthernet are the words of what there is not where packets begin with the IP
// header, and of what counts the 14 octets that stand for one. Negative offsets are
// before the packet in tcpdump, and in those octets here.
var ofEthernet = regexp.MustCompile(`ether|link|broadcast|multicast|len|less|greater|byte|vlan|mpls|pppoe|\b(stp|ipx|iso|netbeui|atalk|aarp|decnet|lat|sca|moprc|mopdl|rarp|arp)\b|\[-|\[0 -`)

// Where packets begin with the IP header a filter holds for those for which it holds
// in tcpdump, given raw IP.
func TestTcpdumpRaw(t *testing.T) {
	if os.Getenv("WEIR_SOAK") == "" {
		return // as TestTcpdump: tcpdump need not be here
	}
	var bare, counted [][]byte
	for _, frame := range captured(t) {
		if version := append(frame, 0)[14:][0] >> 4; version == 4 || version == 6 {
			bare = append(bare, frame[14:])
			counted = append(counted, slices.Concat(make([]byte, 14), frame[14:]))
		}
	}
	file := filepath.Join(t.TempDir(), "raw.pcap")
	save(t, file, layers.LinkTypeRaw, bare)
	asked := 0
	for _, text := range filtersOf(t) {
		if ofEthernet.MatchString(text) {
			continue
		}
		f, err := pcap.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := ask(t, file, text, len(bare))
		if !ok {
			t.Errorf("tcpdump does not take %s", text)
			continue
		}
		asked++
		for i, frame := range counted {
			if ref.FilterHolds(f, frame, false) != (want[i] == '1') {
				t.Errorf("%s: differs for packet %d (%x)", text, i, bare[i][:min(len(bare[i]), 60)])
				break
			}
		}
	}
	t.Logf("%d filters on %d packets", asked, len(bare))
	if asked < 150 || len(bare) < 200 {
		t.Errorf("%d filters on %d packets are too few", asked, len(bare))
	}
}
