package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFloor runs the most telling tests on the oldest kernel that weir supports, in
// the long run: emulation takes minutes.
// A test may be skipped there for what the kernel lacks, and for nothing else.
func TestFloor(t *testing.T) {
	if os.Getenv("WEIR_SOAK") == "" {
		t.Skip("boots a machine in emulation: with WEIR_SOAK=1")
	}
	b, err := build(t.Context(), floor)
	if err != nil {
		t.Fatal(err)
	}
	defer b.remove()
	var events bytes.Buffer
	r, err := b.run(t.Context(), names[0], floor, &events)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.release, names[0]+".") {
		t.Errorf("kernel %s came up", r.release)
	}
	for _, s := range floor {
		got := r.suites[s.name]
		if got == nil || got.passed == 0 {
			t.Errorf("%s: nothing passed: %+v", s.name, got)
			continue
		}
		for _, f := range got.failed {
			t.Errorf("%s: %s failed:\n%s", s.name, f.test, f.said)
		}
		for _, k := range got.skipped {
			if !strings.Contains(k.why, "not supported") && !strings.Contains(k.why, "(needs Linux ") {
				t.Errorf("%s: %s was skipped, but not for what the kernel lacks: %s", s.name, k.test, k.why)
			}
		}
		t.Logf("%s: %d passed, %d skipped", s.name, got.passed, len(got.skipped))
	}
}

func TestCount(t *testing.T) {
	const events = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:7: got 1\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- FAIL: TestB (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:9: tcx: not supported (needs Linux 6.6)\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p"}
`
	want := &tally{
		passed:  1,
		failed:  []failure{{"TestB", "    b_test.go:7: got 1\n"}},
		skipped: []skip{{"TestC", "tcx: not supported (needs Linux 6.6)"}},
	}
	if d := cmp.Diff(want, count([]byte(events), true), cmp.AllowUnexported(tally{}, failure{}, skip{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// A binary that dies says so in no test's name.
	died := count([]byte(`{"Action":"output","Package":"p","Output":"panic: no\n"}`), true)
	if len(died.failed) != 1 || !strings.Contains(died.failed[0].said, "panic: no") {
		t.Errorf("of a binary that died: %+v", died)
	}
}

func TestPage(t *testing.T) {
	all := []*result{
		{
			release: "6.1.0", suites: map[string]*tally{"attach": {passed: 3, skipped: []skip{{"TestC", "no tcx"}}}},
			probe:  []check{{Name: "fentry", Status: "ok"}, {Name: "netkit", Status: "missing", Detail: "not supported"}},
			doctor: []check{{Name: "JIT", Status: "ok"}, {Name: "tcx", Status: "missing"}},
		},
		{
			release: "7.2.0", suites: map[string]*tally{"attach": {passed: 4, failed: []failure{{"TestD", ""}}}},
			probe:  []check{{Name: "fentry", Status: "ok"}, {Name: "netkit", Status: "ok"}},
			doctor: []check{{Name: "JIT", Status: "ok"}, {Name: "tcx", Status: "ok"}},
		},
	}
	got := page([]suite{{name: "attach", pkg: "attach"}, {name: "other", pkg: "other"}}, all)
	for _, want := range []string{
		"| | 6.1.0 | 7.2.0 |\n",
		"| fentry | yes | yes |\n| netkit | no: not supported | yes |\n",
		"| tcx | no | yes |\n",
		"| attach | 3, 1 skipped | 4, **1 failed**, the first TestD |\n| other | did not run | did not run |\n",
		"Skipped on 6.1.0:\n\n- attach, `TestC`: no tcx\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not in the page: %s", want)
		}
	}
	if strings.Contains(got, "JIT") {
		t.Error("the page tells what all have in common of weir doctor")
	}
	if t.Failed() {
		t.Log(got)
	}
}
