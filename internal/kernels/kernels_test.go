package main

import (
	"bytes"
	"os"
	"path/filepath"
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
	if !strings.HasPrefix(r.Release, names[0]+".") {
		t.Errorf("kernel %s came up", r.Release)
	}
	for _, s := range floor {
		got := r.Suites[s.name]
		if got == nil || got.Passed == 0 {
			t.Errorf("%s: nothing Passed: %+v", s.name, got)
			continue
		}
		for _, f := range got.Failed {
			t.Errorf("%s: %s Failed:\n%s", s.name, f.Test, f.Said)
		}
		for _, k := range got.Skipped {
			if !strings.Contains(k.Why, "not supported") && !strings.Contains(k.Why, "(needs Linux ") {
				t.Errorf("%s: %s was skipped, but not for what the kernel lacks: %s", s.name, k.Test, k.Why)
			}
		}
		t.Logf("%s: %d passed, %d skipped", s.name, got.Passed, len(got.Skipped))
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
		Passed:  1,
		Failed:  []failure{{"TestB", "    b_test.go:7: got 1\n"}},
		Skipped: []skip{{"TestC", "tcx: not supported (needs Linux 6.6)"}},
	}
	if d := cmp.Diff(want, count([]byte(events), true)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// A binary that dies says so in no test's name.
	died := count([]byte(`{"Action":"output","Package":"p","Output":"panic: no\n"}`), true)
	if len(died.Failed) != 1 || !strings.Contains(died.Failed[0].Said, "panic: no") {
		t.Errorf("of a binary that died: %+v", died)
	}
}

func TestPage(t *testing.T) {
	all := []*result{
		{
			Release: "6.1.0", Suites: map[string]*tally{"attach": {Passed: 3, Skipped: []skip{{"TestC", "no tcx"}}}},
			Probe:  []check{{Name: "fentry", Status: "ok"}, {Name: "netkit", Status: "missing", Detail: "not supported"}},
			Doctor: []check{{Name: "JIT", Status: "ok"}, {Name: "tcx", Status: "missing"}},
		},
		{
			Release: "7.2.0", Suites: map[string]*tally{"attach": {Passed: 4, Failed: []failure{{"TestD", ""}}}},
			Probe:  []check{{Name: "fentry", Status: "ok"}, {Name: "netkit", Status: "ok"}},
			Doctor: []check{{Name: "JIT", Status: "ok"}, {Name: "tcx", Status: "ok"}},
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

// What is run in parts comes together, kernel by kernel and suite by suite; the last run of
// a suite counts. Another kernel of the same name has done nothing yet.
func TestKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	one := func(kernel, release string, suites map[string]*tally) *result {
		return &result{Kernel: kernel, Release: release, Suites: suites}
	}
	for _, tt := range []struct {
		name string
		run  *result
		want []*result
	}{
		{"the newest first", one("newest", "7.2.0", map[string]*tally{"attach": {Passed: 1}}),
			[]*result{one("newest", "7.2.0", map[string]*tally{"attach": {Passed: 1}})}},
		{"an older one", one("6.1", "6.1.0", map[string]*tally{"attach": {Failed: []failure{{"TestA", "no"}}}}),
			[]*result{one("6.1", "6.1.0", map[string]*tally{"attach": {Failed: []failure{{"TestA", "no"}}}}), one("newest", "7.2.0", map[string]*tally{"attach": {Passed: 1}})}},
		{"another suite", one("newest", "7.2.0", map[string]*tally{"trace": {Skipped: []skip{{"TestB", "no"}}}}),
			[]*result{one("6.1", "6.1.0", map[string]*tally{"attach": {Failed: []failure{{"TestA", "no"}}}}), one("newest", "7.2.0", map[string]*tally{"attach": {Passed: 1}, "trace": {Skipped: []skip{{"TestB", "no"}}}})}},
		{"again", one("6.1", "6.1.0", map[string]*tally{"attach": {Passed: 2}}),
			[]*result{one("6.1", "6.1.0", map[string]*tally{"attach": {Passed: 2}}), one("newest", "7.2.0", map[string]*tally{"attach": {Passed: 1}, "trace": {Skipped: []skip{{"TestB", "no"}}}})}},
		{"a newer newest", one("newest", "7.3.0", map[string]*tally{"trace": {Passed: 1}}),
			[]*result{one("6.1", "6.1.0", map[string]*tally{"attach": {Passed: 2}}), one("newest", "7.3.0", map[string]*tally{"trace": {Passed: 1}})}},
	} {
		got, err := keep(dir, []*result{tt.run})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}
