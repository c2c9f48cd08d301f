package metrics

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"weir/internal/cost"
)

// gather asks a collector; what it reports is returned.
func gather(t *testing.T, c *collector) (map[string]float64, []error) {
	t.Helper()
	var errs []error
	c.report = func(err error) { errs = append(errs, err) }
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return series(t, b.String()), errs
}

// A scrape has no more series than it may, and says how many it left out.
func TestMostSeries(t *testing.T) {
	w := newWorld(t)
	w.attach("edge", part("edge.weir", first), "wa", "wc")
	c := newCollector(w.k, nil)
	full, _ := gather(t, c)
	c.most = 9
	got, errs := gather(t, c)
	own := 0
	for k := range full {
		if strings.HasPrefix(k, "weir_scrape_") || strings.HasPrefix(k, "weir_run_statistics") {
			own++
		}
	}
	if len(got) != own+9 || len(errs) > 0 {
		t.Errorf("%d series and %d of the scrape's own, want 9 and %d; %v", len(got)-own, own, own, errs)
	}
	want(t, "with room for 9", got, map[string]float64{
		`weir_generation{name="edge"}`: 1, `weir_scrape_left_out_total`: float64(len(full) - own - 9),
	})
}

// A map that takes long is walked seldom, and shows meanwhile what was there; one that
// is too large for a scrape is left out, and hinders no other.
func TestWalks(t *testing.T) {
	w := newWorld(t)
	w.attach("edge", part("edge.weir", first), "wa")
	c := newCollector(w.k, nil)
	c.mu.walks.budget = time.Minute
	now := time.Unix(1e9, 0)
	clock := func() time.Time {
		now = now.Add(time.Second) // each walk takes that long
		return now
	}
	c.mu.walks.now = clock
	const hits = `weir_map_entries{chain="edge",map="hits"}`
	w.send("wb", 1, 0x0800)
	got, _ := gather(t, c)
	want(t, "at first", got, map[string]float64{hits: 1})
	w.send("wb", 1, 0x0806)
	got, _ = gather(t, c)
	want(t, "while it rests", got, map[string]float64{hits: 1, `weir_scrape_left_out_total`: 0})
	now = now.Add(time.Minute)
	got, _ = gather(t, c)
	want(t, "when it has rested", got, map[string]float64{hits: 2})

	// There is time for one of three maps: each has its turn.
	c = newCollector(w.k, nil)
	c.mu.walks.now, c.mu.walks.budget = clock, 2*time.Second
	for i := range 3 {
		now = now.Add(time.Hour)
		got, _ = gather(t, c)
		n := 0
		for k := range got {
			if strings.HasPrefix(k, "weir_map_entries{") {
				n++
			}
		}
		if n != i+1 {
			t.Errorf("scrape %d: %d maps are known, want one more each time", i, n)
		}
	}

	c = newCollector(w.k, nil)
	c.mu.walks.budget = 0
	got, errs := gather(t, c)
	if _, ok := got[hits]; ok || len(errs) > 0 {
		t.Errorf("there is a number for what was never walked; %v", errs)
	}
	want(t, "without time", got, map[string]float64{`weir_scrape_left_out_total`: 3, `weir_map_capacity{chain="edge",map="hits"}`: 8})
}

// One generation that cannot be read is told and counted; the others are shown, and what
// it has counted before goes on when it can be read again.
func TestUnreadable(t *testing.T) {
	w := newWorld(t)
	w.attach("edge", part("edge.weir", first), "wa")
	w.attach("other", part("other.weir", first), "wc")
	w.send("wb", 3, 0x0806)
	c := newCollector(w.k, nil)
	gather(t, c)
	w.attach("edge", part("edge.weir", second), "wa")
	record := filepath.Join(w.k.Root, "edge", "record")
	was, err := os.Readlink(record)
	w.check(err)
	link := func(to string) {
		w.check(os.Remove(record))
		w.check(os.Symlink(to, record))
	}
	link("nonsense")
	got, errs := gather(t, c)
	link(was)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "edge cannot be read") {
		t.Errorf("it told %v", errs)
	}
	want(t, "with a broken one", got, map[string]float64{`weir_generation{name="other"}`: 1, `weir_scrape_errors_total`: 1})
	if _, ok := got[`weir_generation{name="edge"}`]; ok {
		t.Error("it shows a generation that cannot be read")
	}
	w.send("wb", 2, 0x0806)
	got, errs = gather(t, c)
	if len(errs) > 0 {
		t.Error(errs)
	}
	want(t, "mended", got, map[string]float64{ends("packets", w.on("wa"), "xdp", "edge", "DROP", "arp"): 5})

	link("nonsense")
	var b strings.Builder
	err = Write(&b, w.k)
	link(was)
	if err == nil || !strings.Contains(b.String(), `weir_generation{name="other"} 1`) {
		t.Errorf("Write() = %v:\n%s", err, b.String())
	}
}

// Runs are told while the kernel counts them, and only then.
func TestRuns(t *testing.T) {
	w := newWorld(t)
	w.attach("edge", part("edge.weir", first), "wa")
	c := newCollector(w.k, nil)
	const runs = `weir_runs_total{hook="xdp",name="edge"}`
	for _, on := range []bool{false, true} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			c.always = func() bool { return on }
			m, err := cost.Start()
			w.check(err)
			defer m.Close()
			before, _ := gather(t, c)
			w.send("wb", 4, 0x0806)
			got, _ := gather(t, c)
			if _, ok := got[runs]; ok != on {
				t.Fatalf("%s is there: %t", runs, ok)
			}
			if on && (got[runs] != before[runs]+4 || got[`weir_run_seconds_total{hook="xdp",name="edge"}`] <= 0) {
				t.Errorf("%v runs in %v s, before %v, want 4 more", got[runs], got[`weir_run_seconds_total{hook="xdp",name="edge"}`], before[runs])
			}
		})
	}
}
