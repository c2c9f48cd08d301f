package toll

import (
	"os"
	"testing"

	"weir/attach"
	"weir/hook"
	"weir/lab"
)

func TestMain(m *testing.M) {
	MaybeOpen()
	lab.MaybeGuardian()
	os.Exit(m.Run())
}

// TestMeasure: at every hook, in the best mode, the chain sees every packet.
func TestMeasure(t *testing.T) {
	var points []Point
	for _, h := range hook.All() {
		for _, m := range attach.Modes(h) {
			points = append(points, Point{h, m})
		}
	}
	const rounds = 3
	calls := 0
	rows, err := Measure(t.Context(), points, Options{Rounds: rounds, Progress: func(int, int) { calls++ }})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(points) || calls != rounds*burstsOfRound*len(points) {
		t.Errorf("%d rows and %d bursts of %d points", len(rows), calls, len(points))
	}
	for _, r := range rows {
		if !r.Valid() || r.Chain <= 0 || r.None <= 0 || r.Pass <= 0 || (r.Drop > 0) != (r.Hook != hook.Socket) {
			t.Errorf("%s at %s: %+v", r.Mode, r.Hook, r)
		}
		t.Logf("%-22s %-8s %-8s chain %5.0f none %5.0f pass %5.0f drop %5.0f", r.Hook, r.Mode, r.Way(), r.Chain, r.None, r.Pass, r.Drop)
	}
}
