// Kernels runs weir's tests on other kernels than this machine's, and writes
// down what works where:
//
//	go run ./internal/kernels [-doc docs/kernels.md] [-run REGEXP -keep DIR] [KERNEL]… | tally
//
// The model: a kernel is Debian's, fetched by scripts/kernels.sh; a [suite] is
// what one test binary does there; [machine] makes of them a machine of package
// vm, with the tree of the repository in its file system, so that tests find
// their files where they are here. What the machine tells becomes events of "go
// test -json" on standard output, for a reader like internal/tally, and a [result],
// from which the page is made. Without QEMU or the kernel it fails and says so.
//
// Machines run one after another unless told else, each bounded in time and memory. A test that
// needs what its kernel lacks is skipped by the kernel's own error; the page
// lists every skip with its reason.
//
// Where all of it takes too long at once, it is done in parts: results are kept in a
// folder, and the page is made of all that is there. The folder belongs to one state
// of the tree.
//
// What it does not do: no time that a test takes in a machine is told, since
// emulated times mean nothing.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"sync"
)

// names are the kernels, the oldest first, as scripts/kernels.sh calls them.
var names = []string{"6.1", "6.12", "newest"}

func main() {
	doc := flag.String("doc", "", "write the page to `FILE`")
	run := flag.String("run", "", "only suites whose name `REGEXP` matches")
	dir := flag.String("keep", "", "keep results in `DIR`, beside those of earlier runs, and make the page of all")
	machines := flag.Int("machines", 1, "run `N` machines at a time; each takes two processors and 2 GiB")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := work(ctx, *doc, *run, *dir, *machines, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}

func work(ctx context.Context, doc, run, dir string, machines int, kernels []string) error {
	if len(kernels) == 0 {
		kernels = names
	}
	only, err := regexp.Compile(run)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	var chosen []suite
	for _, s := range suites {
		if only.MatchString(s.name) {
			chosen = append(chosen, s)
		}
	}
	b, err := build(ctx, chosen)
	if err != nil {
		return err
	}
	defer b.remove()
	all, err := b.runAll(ctx, kernels, chosen, machines)
	if err == nil && dir != "" {
		chosen = suites
		all, err = keep(dir, all)
	}
	if err != nil || doc == "" {
		return err
	}
	return os.WriteFile(doc, []byte(page(chosen, all)), 0o644)
}

// runAll runs suites on kernels, some at a time, and writes their events one
// kernel after another; as they come if there is one machine at a time.
func (b *built) runAll(ctx context.Context, kernels []string, suites []suite, machines int) ([]*result, error) {
	all, errs := make([]*result, len(kernels)), make([]error, len(kernels))
	room := make(chan struct{}, max(machines, 1))
	var wait sync.WaitGroup
	var mu sync.Mutex // of standard output
	for i, k := range kernels {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			var events bytes.Buffer
			var out io.Writer = &events
			if machines <= 1 {
				out = os.Stdout
			}
			r, err := b.run(ctx, k, suites, out)
			if err != nil {
				err = fmt.Errorf("kernel %s: %w", k, err)
			}
			all[i], errs[i] = r, err
			mu.Lock()
			defer mu.Unlock()
			os.Stdout.Write(events.Bytes())
		})
	}
	wait.Wait()
	return all, errors.Join(errs...)
}
