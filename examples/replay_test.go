package examples_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"weir/examples"
	"weir/hook"
	"weir/internal/golden"
	"weir/lang"
	"weir/trace"
)

// hooks are where an example runs that is not for XDP.
var hooks = map[string]hook.Hook{"dscp_mark": hook.TCEgress}

// set are values of params under which the capture shows what the example does.
var set = map[string]map[string]string{
	"dns_guard": {"limit": "5"},
	"flood":     {"dns_limit": "8"},
	"sampler":   {"every": "1"},
	"switch":    {"storm": "1"},
	"two_level": {"per_host": "3", "per_pair": "2", "shown": "0"},
}

// TestReplay runs every example on its capture, with the clock of the capture,
// and compares what it says of each packet and of all: NAME.golden is what
// weir replay --json prints. Those of connections have no packets.
func TestReplay(t *testing.T) {
	files := examples.Names()
	if len(files) < 10 {
		t.Fatalf("%d examples", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".weir")
		if bytes.Contains(examples.MustRead(file), []byte("def main(conn):")) {
			continue // it sees no packets: internal/traffic runs it
		}
		t.Run(name, func(t *testing.T) {
			src := examples.MustRead(file)
			if n := bytes.Count(src, []byte("\n")); n >= 60 {
				t.Errorf("%s has %d lines: an example is read at one glance", file, n)
			}
			compare(t, "testdata/"+name+".golden", replay(t, name, src))
		})
	}
}

// replay returns a line of JSON for each packet, and one for all of them.
func replay(t *testing.T, name string, src []byte) string {
	t.Helper()
	p, err := lang.Compile(src, lang.Options{File: name + ".weir", Hook: hooks[name], Trace: true, Clock: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range p.Warnings {
		t.Errorf("an example has no warnings: %s", w)
	}
	in, err := os.Open("testdata/" + name + ".pcap")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out strings.Builder
	line := func(v any) error {
		b, err := json.Marshal(v)
		fmt.Fprintf(&out, "%s\n", b)
		return err
	}
	sum, err := trace.Replay(t.Context(), p, in, trace.Options{Set: set[name], Each: func(r trace.Result) error { return line(r) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := line(sum); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	golden.Compare(t, file, got, *update, "run with -update")
}
