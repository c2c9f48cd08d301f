package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// ErrUnbounded says that a generator was given no bound.
var ErrUnbounded = errors.New("needs a bound in time or in number")

// A Load is a number of clients that ask a web server as fast as it answers.
// It is bounded: Requests or Duration must be set.
type Load struct {
	// Server is asked for Path; an empty path is "/".
	Server netip.AddrPort
	Path   string
	// Workers ask at the same time, each on its connection; zero is one.
	Workers int
	// Requests and Duration end the load, whichever comes first; zero is no
	// bound of this kind.
	Requests uint64
	Duration time.Duration
	// NewConn opens a connection for each request and counts it in the latency.
	NewConn bool
	// Timeout of a request (and of a connection); zero is one second. A request
	// that exceeds it has failed and its connection is closed.
	Timeout time.Duration
	// Interval of LoadStats.Served; zero is 100 ms.
	Interval time.Duration
}

// LoadStats are what a load has seen.
type LoadStats struct {
	OK, Failed uint64
	// FirstError is an example of the failures; nil if there were none.
	FirstError error
	Elapsed    time.Duration
	// Served counts requests answered with status 200 in each whole interval.
	Served   []uint64
	Interval time.Duration
	// Latency of the answered requests.
	Latency Histogram
}

// PerSecond returns the answered requests per second.
func (s LoadStats) PerSecond() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.OK) / s.Elapsed.Seconds()
}

// Load runs the load from the host until a bound is reached or ctx ends, which
// is no error: what was seen until then is returned. Failed requests are
// counted, not returned.
func (h *Host) Load(ctx context.Context, o Load) (LoadStats, error) {
	if o.Requests == 0 && o.Duration == 0 {
		return LoadStats{}, fmt.Errorf("host %s: load on %s: %w", h.name, o.Server, ErrUnbounded)
	}
	o.Workers = max(o.Workers, 1)
	if o.Path == "" {
		o.Path = "/"
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Second
	}
	if o.Interval <= 0 {
		o.Interval = 100 * time.Millisecond
	}
	if o.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Duration)
		defer cancel()
	}
	var started, served atomic.Uint64
	workers := make([]*loadWorker, o.Workers)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range workers {
		w := &loadWorker{host: h, load: o, started: &started, served: &served}
		workers[i] = w
		wg.Go(func() { w.run(ctx) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()

	st := LoadStats{Interval: o.Interval, Served: sampleEach(o.Interval, &served, done)}
	st.Elapsed = time.Since(start)
	for _, w := range workers {
		st.OK += w.ok
		st.Failed += w.failed
		if st.FirstError == nil {
			st.FirstError = w.firstErr
		}
		st.Latency.merge(&w.latency)
	}
	return st, nil
}

// sampleEach returns by how much n grew in each interval until done closes.
func sampleEach(interval time.Duration, n *atomic.Uint64, done <-chan struct{}) []uint64 {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var samples []uint64
	var last uint64
	for {
		select {
		case <-tick.C:
			now := n.Load()
			samples = append(samples, now-last)
			last = now
		case <-done:
			return samples
		}
	}
}

// A loadWorker is one client. It speaks HTTP/1.1 by hand on its own goroutine:
// http.Transport costs two more and halves what a small machine can ask.
type loadWorker struct {
	host            *Host
	load            Load
	started, served *atomic.Uint64 // of all workers

	conn net.Conn // nil: none open
	br   *bufio.Reader

	ok, failed uint64
	firstErr   error
	latency    Histogram
}

func (w *loadWorker) run(ctx context.Context) {
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", w.load.Path, w.load.Server)
	w.br = bufio.NewReader(nil)
	defer w.hangUp()
	for !over(ctx) && (w.load.Requests == 0 || w.started.Add(1) <= w.load.Requests) {
		start := time.Now()
		err := w.ask(ctx, request, start)
		switch {
		case err == nil:
			w.ok++
			w.served.Add(1)
			w.latency.add(time.Since(start))
		case over(ctx): // cut off by us: neither served nor failed
		default:
			w.failed++
			if w.firstErr == nil {
				w.firstErr = err
			}
		}
		if err != nil || w.load.NewConn {
			w.hangUp()
		}
	}
}

// over reports whether ctx has ended. Its deadline counts, since a dialer
// refuses to start after it, while Err waits for a timer.
func over(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(end)
}

// ask does one request.
func (w *loadWorker) ask(ctx context.Context, request []byte, start time.Time) error {
	deadline := start.Add(w.load.Timeout)
	if w.conn == nil {
		dctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		conn, err := w.host.dial(dctx, w.load.Server.String())
		if err != nil {
			return err
		}
		w.conn = conn
		w.br.Reset(conn)
	}
	if err := w.conn.SetDeadline(deadline); err != nil {
		return err
	}
	conn := w.conn
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := w.conn.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(w.br, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

func (w *loadWorker) hangUp() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}
