package object

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What can stand in the place of a call is small, goes forward, and touches nothing but
// registers that calls do not keep, and structs within their bounds.
func TestInlined(t *testing.T) {
	o, err := Read(file(t, "leaf"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range o.Funcs {
		if f.Bad != "" {
			t.Errorf("%s: %s", f.Name, f.Bad)
		}
		if f.Inlined != nil {
			got = append(got, f.Name)
		}
		if len(f.Inlined) > maxLeaf {
			t.Errorf("%s has %d instructions", f.Name, len(f.Inlined))
		}
	}
	want := []string{"bump", "chosen", "clamp", "early", "in_range", "mix", "next", "reset", "total"}
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("inlined (-want +got):\n%s", d)
	}
}
