package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"weir/metrics"
)

func (a *app) metrics() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "metrics",
		Short: "Print or serve what is counted, for Prometheus",
		Long: `Prints what all attached chains count, in the text form of Prometheus: packets by
verdict and reason, what chains count, how full maps are. docs/metrics.md has the
table. What can be read is printed even if something cannot.

With --listen it serves that at /metrics until ^C. Whoever reaches the address can
read it; nobody can change anything there.`,
		Example: `  weir metrics
  weir metrics >/var/lib/node_exporter/weir.prom    for node_exporter's textfile collector
  weir metrics --listen 127.0.0.1:9450              serve http://127.0.0.1:9450/metrics`,
		Args: wants(),
		RunE: runs(func(ctx context.Context, _ []string) error {
			if listen == "" {
				return metrics.Write(a.out, a.kernel)
			}
			return a.serveMetrics(ctx, listen)
		}),
	}
	c.Flags().StringVar(&listen, "listen", "", "serve at this ADDRESS:PORT")
	c.RegisterFlagCompletionFunc("listen", cobra.FixedCompletions([]string{"127.0.0.1:9450"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// serveMetrics serves /metrics until ctx ends.
func (a *app) serveMetrics(ctx context.Context, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return usage("--listen %q: want ADDRESS:PORT, as 127.0.0.1:9450", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("serve metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", metrics.Handler(a.kernel, slog.New(slog.NewTextHandler(a.err, nil)), nil))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	fmt.Fprintf(a.out, "http://%s/metrics\n", l.Addr())
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
