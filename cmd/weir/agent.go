package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"weir/agent"
	"weir/agent/store"
	"weir/metrics"
	"weir/nf"
)

// logFormats are what --log-format takes.
var logFormats = []string{"text", "json"}

func (a *app) agent() *cobra.Command {
	o := agent.Options{Config: nf.Options(nf.All()...)}
	var format string
	c := &cobra.Command{
		Use:   "agent -f FILE",
		Short: "Keep what runs equal to what a config says",
		Long: `Does what weir apply does, at once and again whenever there is a reason: a file has
changed that the config is made of (itself, what it includes, chains, entries of
maps), an interface, an address or a default route has come or gone, and every
--interval, to put right what was changed behind its back. Runs in the foreground
until SIGTERM or ^C. SIGHUP makes it look now.

A config that is wrong is told in the log, and what was applied last is kept. When the
agent ends, or is killed, all stays in the kernel; the next one takes over what it
finds. There is one agent at a time.

--state is the folder of what survives a reboot and is not in the file: the configs
that were applied, of which the last one runs if the file is wrong at boot, and the
audit log (see weir audit). Without it nothing does.

The log goes to standard error. --listen serves /healthz (does the agent do its work),
/readyz (is what runs what the config says; if not, why), /status and /metrics over
HTTP. It tells systemd when it is ready (Type=notify), and how it is.`,
		Example: `  weir agent -f /etc/weir/weir.yaml
  weir agent -f edge.yaml --interval 5s --log-format json
  weir agent -f edge.yaml --state ./state
  weir agent -f edge.yaml --listen 127.0.0.1:9450`,
		Args: wants(),
	}
	fileFlag(c, &o.File)
	f := c.Flags()
	f.DurationVar(&o.Interval, "interval", agent.DefaultInterval, "look this often for what was changed behind its back")
	f.StringVar(&o.Listen, "listen", "", "serve health, status and metrics over HTTP at this ADDRESS:PORT")
	a.stateFlag(c, &o.State, "keep in this folder what shall survive a reboot; empty: nothing does")
	f.StringVar(&format, "log-format", "text", "write the log as text or json")
	c.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions(logFormats, cobra.ShellCompDirectiveNoFileComp))
	c.RegisterFlagCompletionFunc("listen", cobra.FixedCompletions([]string{"127.0.0.1:9450"}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = runs(func(ctx context.Context, _ []string) error {
		if err := wrongAgent(&o, format); err != nil {
			return err
		}
		o.Kernel, o.Log, o.Notifier = a.kernel, a.logger(format), agent.SystemdNotifier()
		return a.doAgent(ctx, o)
	})
	return c
}

// wrongAgent says which flag of weir agent has a value that it cannot have.
func wrongAgent(o *agent.Options, format string) error {
	if o.Interval < time.Second/10 {
		return usage("--interval %v is too short: it takes a tenth of a second or more", o.Interval)
	}
	if !slices.Contains(logFormats, format) {
		return usage("--log-format %q is neither text nor json", format)
	}
	if _, _, err := net.SplitHostPort(o.Listen); o.Listen != "" && err != nil {
		return usage("--listen %q: want ADDRESS:PORT, as 127.0.0.1:9450", o.Listen)
	}
	return nil
}

// doAgent runs an agent. SIGHUP, which ends other commands, makes it look.
func (a *app) doAgent(ctx context.Context, o agent.Options) error {
	if _, err := os.Stat(o.File); err != nil && !hasStore(o.State) {
		return fmt.Errorf("read config: %w", err)
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, unix.SIGHUP)
	defer signal.Stop(hup)
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, unix.SIGQUIT, unix.SIGTERM)
	defer stop()
	o.Handlers = map[string]http.Handler{}
	x := agent.New(o)
	o.Handlers["/metrics"] = metrics.Handler(a.kernel, o.Log, x) // before it runs, nobody asks
	go func() {
		for {
			select {
			case <-hup:
				x.Wake("SIGHUP")
			case <-ctx.Done():
				return
			}
		}
	}()
	return x.Run(ctx)
}

// hasStore reports whether an agent knows what was applied last, and can do without its
// file.
func hasStore(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, store.Name))
	return dir != "" && err == nil
}

// logger writes a log to standard error.
func (a *app) logger(format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(a.err, nil))
	}
	return slog.New(slog.NewTextHandler(a.err, nil))
}
