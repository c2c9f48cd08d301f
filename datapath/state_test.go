package datapath

import (
	"errors"
	"fmt"
	"testing"

	"weir/hook"
	"weir/internal/codetest"
	"weir/lang"
)

func TestParams(t *testing.T) {
	s, err := Load(codetest.Chain(hook.XDP, codetest.ChainOptions{}), LoadOptions{Set: map[string]string{"limit": "0x10"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ps, err := s.Params()
	if err != nil || len(ps) != 1 || ps[0].Text() != "16" || ps[0].Unit != "pps" {
		t.Errorf("params %+v, %v", ps, err)
	}
	if err := s.SetParam("limits", "1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown parameter: %v", err)
	}
}

// Two hooks may be compiled to other lists of counters; what has one name is one.
func TestCountersByName(t *testing.T) {
	a, b := codetest.Chain(hook.XDP, codetest.ChainOptions{}), codetest.Chain(hook.TCIngress, codetest.ChainOptions{})
	b.Counts = []string{"other", "seen"}
	for i := range b.Maps {
		if b.Maps[i].System == lang.CountMap {
			b.Maps[i].Spec.MaxEntries = 2
		}
	}
	s := newState()
	defer s.Close()
	for _, p := range []*lang.Program{a, b} {
		if _, err := s.add(p, false, nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Object(p).Test(frame); err != nil {
			t.Fatal(err)
		}
	}
	counts, err := s.Counts()
	if want := "[{seen 1 } {other 1 }]"; err != nil || fmt.Sprint(counts) != want {
		t.Errorf("counts %v, %v, want %s", counts, err, want)
	}
}
