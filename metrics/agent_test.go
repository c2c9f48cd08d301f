package metrics

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weir/agent"
	"weir/internal/child"
)

func TestMain(m *testing.M) {
	child.MaybeServe()
	os.Exit(m.Run())
}

// TestAgent: an agent's own work is shown, well and ill, with what it has put.
func TestAgent(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yaml")
	w.check(os.WriteFile(filepath.Join(dir, "edge.weir"), []byte("limit = param(u32, 5)\nseen = table(u16, size = 4)\ndef main(pkt):\n    return drop(\"long\") if pkt.len > limit + 9000 else PASS\n"), 0o600))
	write := func(text string) { w.check(os.WriteFile(file, []byte(text), 0o600)) }
	write("netns: { " + w.n.Path + ": { interfaces: { wa: { xdp: ./edge.weir }, nowhere: { xdp: ./edge.weir } } } }")
	a := agent.New(agent.Options{File: file, Kernel: w.k, Interval: time.Hour, State: filepath.Join(dir, "state")})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		w.check(<-done)
	})
	until := func(cond func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("waited in vain: %+v", a.Status())
			}
		}
	}
	h := http.Handler(Handler(w.k, quiet(t), a))
	until(func() bool { return a.Status().Looks > 0 })
	w.check(a.SetParam(t.Context(), "me", "edge.limit", "7", time.Time{}))
	a.Wake("test")
	until(func() bool { return a.Status().Params == 1 && a.Status().Looks > 1 })
	want(t, "well", ask(t, h), map[string]float64{
		"weir_agent_alive": 1, "weir_agent_ready": 1, "weir_agent_held": 0, "weir_agent_waiting": 0, "weir_agent_absent_places": 1,
		"weir_agent_changes_total": 1, "weir_agent_errors_total": 0, "weir_agent_last_apply_success": 1,
		"weir_agent_put_entries": 0, "weir_agent_put_params": 1, "weir_agent_store_errors_total": 0, "weir_agent_audit_lost_total": 0,
	})
	write("nonsense: 1")
	until(func() bool { return a.Status().Errors > 0 })
	got := ask(t, h)
	if got["weir_agent_ready"] != 0 || got["weir_agent_errors_total"] == 0 || got["weir_agent_last_apply_success"] != 0 {
		t.Errorf("with a wrong config: %v", got)
	}
}
