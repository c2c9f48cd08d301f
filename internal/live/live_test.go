package live

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/datapath"
	"weir/internal/term"
	"weir/lang"
	"weir/lang/diag"
)

func exit(verdict, reason string, line int, packets uint64) datapath.ExitCount {
	return datapath.ExitCount{
		Exit:    lang.Exit{Verdict: verdict, Reason: reason, File: "dir/a.weir", Line: line},
		Packets: packets, Bytes: 100 * packets,
	}
}

func place(where string, exits ...datapath.ExitCount) Place {
	p := Place{Where: where, Hook: "xdp", Mode: "native", Exits: exits}
	for _, e := range exits {
		p.Packets += e.Packets
		p.Bytes += e.Bytes
	}
	return p
}

// sample is two places after some seconds, of which the second counts with
// twice the packets.
func sample(start time.Time, seconds int) Sample {
	n := uint64(seconds) * 1000
	return Sample{
		Time: start.Add(time.Duration(seconds) * time.Second),
		Places: []Place{
			place("eth0", exit("DROP", "bad", 2, n), exit("PASS", "", 3, 0)),
			place("eth1", exit("DROP", "bad", 2, 2*n), exit("PASS", "", 3, n)),
		},
		Counts:  []datapath.Count{{Name: "seen", N: 4 * n}},
		Refused: []datapath.Count{{Name: "few", N: n / 1000}, {Name: "many", N: 0}},
	}
}

func view() View {
	start := time.Unix(1_700_000_000, 0)
	texts := make(diag.Source)
	texts.Add("dir/a.weir", []byte("def main(pkt):\n    return drop(\"bad\")\n    return PASS\n"))
	return Make("a", start, sample(start, 2), sample(start, 4), texts)
}

func TestLines(t *testing.T) {
	want := `a  4s
WHERE  HOOK  MODE    PACKETS     PPS     BIT RATE
eth0   xdp   native    4,000  1.00 k   800 kbit/s
eth1   xdp   native   12,000  3.00 k  2.40 Mbit/s

VERDICT  REASON  PACKETS     PPS  SHARE         BY
DROP     bad      12,000  3.00 k  █████████     a.weir:2  return drop("bad")
PASS               4,000  1.00 k  ███           a.weir:3  return PASS

COUNT   TOTAL  PER SECOND
seen   16,000      4.00 k

map few is full: it has refused 4 new keys (1/s)`
	got := strings.Join(view().Lines(term.Plain(nil)), "\n")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestBrief(t *testing.T) {
	want := "    4s  16,000 packets  4.00 k pps  3.20 Mbit/s  a.weir:2 DROP bad 12,000  a.weir:3 PASS 4,000  seen=16000  map few refused 4"
	if d := cmp.Diff(want, view().Brief()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestJSON(t *testing.T) {
	b, err := view().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Places   []struct{ Packets, Bytes uint64 }
		Verdicts map[string]uint64
		Reasons  map[string]uint64
		Counts   map[string]uint64
		Refused  map[string]uint64
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]uint64{"DROP": 12000, "PASS": 4000}, got.Verdicts); d != "" {
		t.Errorf("verdicts (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]uint64{"bad": 12000}, got.Reasons); d != "" {
		t.Errorf("reasons (-want +got):\n%s", d)
	}
	if got.Counts["seen"] != 16000 || got.Refused["few"] != 4 || len(got.Places) != 2 || got.Places[1].Bytes != 1_200_000 {
		t.Errorf("JSON = %s", b)
	}
}

// A reason is text, not HTML.
func TestJSONText(t *testing.T) {
	v := view()
	v.Name = "<a&b>"
	b, err := v.JSON()
	if err != nil || !bytes.HasPrefix(b, []byte(`{"name":"<a&b>",`)) || bytes.HasSuffix(b, []byte("\n")) {
		t.Errorf("JSON = %s, %v", b, err)
	}
}

// TestFirstView: with nothing to compare with there are no rates.
func TestFirstView(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	s := sample(start, 0)
	v := Make("a", start, s, s, nil)
	if len(v.Exits) != 0 || v.Places[0].PPS != 0 || v.Age != 0 {
		t.Errorf("Make = %+v", v)
	}
	if got := strings.Join(v.Lines(term.Plain(nil)), "\n"); !strings.Contains(got, "no packets yet") {
		t.Errorf("Lines = %s", got)
	}
}
