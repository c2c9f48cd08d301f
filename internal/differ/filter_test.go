package differ

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/gopacket/gopacket/pcapgo"

	"weir/lang/pcap"
)

const filterData = "../../lang/pcap/testdata/"

// Each filter of the list holds in the kernel for the packets for which it holds in
// the reference, at every hook and in every variant: and so for those for which it
// does in tcpdump, to which package pcap compares the reference.
func TestFilters(t *testing.T) {
	filters, fs := filterList(t), filterFrames(t)
	const together = 12 // filters of a chain
	for i := 0; i < len(filters); i += together {
		for n, v := range variants {
			if n != i/together%len(variants) && n != 0 && !soak() {
				continue
			}
			c := Case{File: "filters.weir", Source: filterChain(t, filters[i:min(i+together, len(filters))], v.hook.Info().Ethernet)}
			t.Run(fmt.Sprintf("%d at %s", i, v.name), func(t *testing.T) {
				t.Parallel()
				err := c.Run(v.hook, v.frags, fs)
				if errors.Is(err, ebpf.ErrNotSupported) {
					t.Skip(err)
				}
				if err != nil {
					t.Errorf("%v\n%s", err, c.Source)
				}
			})
		}
	}
}

// filterChain counts what each filter holds for. Every fifth one is asked twice, so
// that it becomes a function. Without Ethernet those are left out that ask for MAC
// addresses.
func filterChain(t *testing.T, filters []string, ethernet bool) []byte {
	filters = slices.DeleteFunc(slices.Clone(filters), func(text string) bool {
		f, err := pcap.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return f.MACs && !ethernet
	})
	var b strings.Builder
	for i, f := range filters {
		fmt.Fprintf(&b, "f%d = pcap_filter(%q)\n", i, f)
	}
	b.WriteString("\ndef main(pkt):\n")
	for i := range filters {
		fmt.Fprintf(&b, "    if f%d(pkt):\n        count(\"%d\")\n", i, i)
		if i%5 == 0 {
			fmt.Fprintf(&b, "    if not f%d(pkt):\n        count(\"not %d\")\n", i, i)
		}
	}
	b.WriteString("    return PASS\n")
	return []byte(b.String())
}

// filterList is the filters that tcpdump was asked about, but those that hold for no
// packet.
func filterList(t *testing.T) []string {
	text, err := os.ReadFile(filterData + "answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if figures, filter, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  "); ok && strings.Contains(figures, "1") {
			out = append(out, filter)
		}
	}
	if len(out) < 200 {
		t.Fatalf("%d filters", len(out))
	}
	return out
}

func filterFrames(t *testing.T) []Frame {
	file, err := os.ReadFile(filterData + "capture.pcap")
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var fs []Frame
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return fs
		}
		if err != nil {
			t.Fatal(err)
		}
		fs = append(fs, Frame{Name: fmt.Sprint(len(fs)), Data: data})
	}
}

// Filters of 50 terms load everywhere: the verifier must not follow each way through
// them apart.
func TestFilterOfManyTerms(t *testing.T) {
	var terms [4][]string
	for i := range 50 {
		terms[0] = append(terms[0], fmt.Sprintf("host 192.0.2.%d", i))
		terms[1] = append(terms[1], fmt.Sprintf("port %d", 1000+i))
		terms[2] = append(terms[2], fmt.Sprintf("net 2001:db8:%d::/48", i))
		terms[3] = append(terms[3], fmt.Sprintf("(tcp port %d and net 10.%d.0.0/16 and tcp[13] & %d != 0)", 1000+i, i, 1+i))
	}
	or := func(i int) string { return strings.Join(terms[i], " or ") }
	for i, text := range []string{or(0), or(1), or(2), or(3), "not (" + or(0) + ") and (" + or(1) + ")", "ip and not (" + strings.Join(terms[0], " and ") + ")"} {
		for _, v := range variants {
			t.Run(fmt.Sprintf("%d at %s", i, v.name), func(t *testing.T) {
				c := Case{File: "many.weir", Source: filterChain(t, []string{text}, true)}
				err := c.Run(v.hook, v.frags, some(stock(), i))
				if errors.Is(err, ebpf.ErrNotSupported) {
					t.Skip(err)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}
