package lab

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestHTTPLoad(t *testing.T) {
	a, b := testPair(t, LinkOptions{})
	s, err := b.Host.ServeHTTP(t.Context(), netip.MustParseAddrPort("10.0.0.2:0"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := a.Host.Load(t.Context(), Load{Server: s.Addr, Workers: 4, Requests: 2000})
	if err != nil || st.OK != 2000 || st.Failed != 0 || s.Requests() != 2000 {
		t.Fatalf("2000 requests: %+v, %v, server saw %d", st.OK, errors.Join(err, st.FirstError), s.Requests())
	}
	st, err = a.Host.Load(t.Context(), Load{Server: s.Addr, Workers: 4, Duration: 600 * time.Millisecond})
	if err != nil || st.OK == 0 || st.Failed != 0 || len(st.Served) < 5 {
		t.Errorf("load for a time: %+v, %v", st, err)
	}
	t.Logf("kept connections: %.0f/s, p50 %v p99 %v max %v, %v", st.PerSecond(),
		st.Latency.Percentile(50), st.Latency.Percentile(99), st.Latency.Max(), st.Served)
	st, err = a.Host.Load(t.Context(), Load{Server: s.Addr, Workers: 4, Duration: 400 * time.Millisecond, NewConn: true})
	if err != nil || st.OK == 0 || st.Failed != 0 {
		t.Errorf("load by new connections: %d ok, %d failed, %v", st.OK, st.Failed, errors.Join(err, st.FirstError))
	}
	t.Logf("new connections: %.0f/s, p50 %v", st.PerSecond(), st.Latency.Percentile(50))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	st, err = a.Host.Load(t.Context(), Load{Server: s.Addr, Requests: 3})
	if err != nil || st.OK != 0 || st.Failed != 3 || st.FirstError == nil {
		t.Errorf("closed server: %d ok, %d failed, %v %v, want 3 failed", st.OK, st.Failed, st.FirstError, err)
	}
	if _, err := a.Host.Load(t.Context(), Load{Server: s.Addr}); !errors.Is(err, ErrUnbounded) {
		t.Errorf("no bound: %v, want ErrUnbounded", err)
	}
}

func TestDownload(t *testing.T) {
	a, b := testPair(t, LinkOptions{})
	s, err := b.Host.ServeHTTP(t.Context(), netip.MustParseAddrPort("[fd00::2]:0"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	d, err := a.Host.DownloadBlob(ctx, s.Addr, 100<<20, 7)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f MB/s", float64(d.Bytes)/d.Elapsed.Seconds()/1e6)
	if d.SHA256 == BlobSHA256(100<<20, 8) {
		t.Error("two seeds give one blob")
	}
}

func TestHistogram(t *testing.T) {
	var h, o Histogram
	if h.Percentile(50) != 0 {
		t.Error("an empty histogram has a median")
	}
	r := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(r.Uint64N(1 << (4 + r.Uint64N(30))))
		all = append(all, d)
		if i%2 == 0 {
			h.add(d)
		} else {
			o.add(d)
		}
	}
	h.merge(&o)
	slices.Sort(all)
	for _, p := range []float64{1, 50, 90, 99, 99.9, 100} {
		want := all[int(p/100*10_000)-1]
		if got := h.Percentile(p); got < want || got > want+want/64 {
			t.Errorf("percentile %v: %v, want %v to 1/64", p, got, want)
		}
	}
	for _, d := range []time.Duration{0, 127, 128, 1<<62 + 1, 1<<63 - 1} {
		if i := bucket(uint64(d)); upper(i) < d || i > 0 && upper(i-1) >= d {
			t.Errorf("%d is in bucket %d, which ends at %d", d, i, upper(i))
		}
	}
}
