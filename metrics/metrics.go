// Package metrics shows what the kernel's maps count, in the form of Prometheus.
//
// A [Handler] reads the maps of all generations that run when it is asked, and keeps
// nothing but what makes its counters go on: a swap gives a place new counters, and a
// rollback the old ones back. A ledger for each NAME adds up what all of them have
// counted since it was first asked, so that no packet is counted twice.
//
//	datapath.List ─► generation, attachments, exits ─► ledger ─► weir_packets_total
//	                 counts, params, maps, programs ───────────► the others
//
// What a scrape may cost is bounded. There is a most of series, and what is beyond is
// left out and counted. Names come from the source of chains, never from packets: the
// values that count(x) has seen are not shown. To count what is in a map it has to be
// walked, which has its time for all maps together; a map that takes long is walked
// seldom (see walker).
//
// An error fails no scrape: it is counted and told, and all else is shown. The table
// of metrics is [all]; docs/metrics.md says what they mean.
//
// The process that is the agent shows its own work, too ([Agent]).
//
// What it does not do: it changes nothing in the kernel, and does not switch on
// anything there. It sees what is pinned; what belongs to a process (weir run) that
// process shows.
package metrics

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"weir/datapath"
)

// Handler serves what the generations of a kernel count, what an agent tells of itself if
// it is not nil, and what the process needs. What cannot be read is told to the logger.
func Handler(k datapath.Kernel, log *slog.Logger, of Agent) http.Handler {
	c := newCollector(k, func(err error) { log.Error("scrape", "err", err) })
	c.of = of
	r := prometheus.NewRegistry()
	r.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling: promhttp.ContinueOnError,
	})
}

// onceBudget is how long all walks of maps may take where no later scrape makes up for
// what was left out.
const onceBudget = 10 * time.Second

// Write writes what the generations of a kernel count at present, without what the
// process needs. All that can be read is written; the error says what could not.
func Write(w io.Writer, k datapath.Kernel) error {
	var errs []error
	r := prometheus.NewRegistry()
	c := newCollector(k, func(err error) { errs = append(errs, err) })
	c.mu.walks.budget = onceBudget
	r.MustRegister(c)
	families, err := r.Gather()
	errs = append(errs, err)
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return errors.Join(errs...)
}
