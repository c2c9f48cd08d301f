package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"weir/datapath"
	"weir/internal/term"
	"weir/lang/diag"
	"weir/trace"
)

// keeping is the flags of what a chain drops.
type keeping struct {
	write string
	drops trace.DropOptions

	buffers *trace.DropBuffers // nil if nothing is kept
}

func (k *keeping) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&k.write, "write", "w", "", "keep what the chain drops in this pcapng file, or - for standard output")
	f.IntVar(&k.drops.Snap, "snap", trace.MaxSnap, "with -w: keep this many octets of a packet at most")
	f.IntVar(&k.drops.Sample, "sample", 1, "with -w: keep one packet of so many")
	f.IntVar(&k.drops.Rate, "rate", trace.DefaultRate, "with -w: keep this many packets a second at most")
}

func (k *keeping) wrong(out *term.Term) error {
	switch {
	case k.drops.Snap < 14 || k.drops.Snap > trace.MaxSnap:
		return usage("--snap %d is not between 14 and %d", k.drops.Snap, trace.MaxSnap)
	case k.drops.Sample < 1:
		return usage("--sample %d is less than 1", k.drops.Sample)
	case k.drops.Rate < 1:
		return usage("--rate %d is less than 1", k.drops.Rate)
	case k.write == "-" && out.Terminal:
		return usage("-w - writes a capture to standard output, which is a terminal")
	}
	return nil
}

// create makes the file, if there is to be one.
func (k *keeping) create(out io.Writer) (io.WriteCloser, error) {
	switch k.write {
	case "":
		return nopCloser{io.Discard}, nil
	case "-":
		return nopCloser{out}, nil
	}
	f, err := os.Create(k.write)
	if err != nil {
		return nil, fmt.Errorf("%v", err) // of the file: not a lack of rights for the kernel
	}
	return f, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// drops keeps what a chain drops, beside what shows it. A nil one keeps nothing.
type drops struct {
	*trace.Drops
	cancel func()
	done   chan error
	closed bool
}

func keep(ctx context.Context, g *datapath.Generation, b *trace.DropBuffers, w io.Writer, texts diag.Source) (*drops, error) {
	d, err := trace.NewDrops(g, b, w, texts)
	if err != nil {
		return nil, err
	}
	k := &drops{Drops: d, done: make(chan error, 1)}
	// Not ended by ctx: what comes while the chain is taken away is kept, too.
	ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		k.done <- k.Run(ctx)
		close(k.done) // failed may have taken the error
	}()
	return k, nil
}

// failed gives the error that ended the keeping.
func (k *drops) failed() <-chan error {
	if k == nil {
		return nil
	}
	return k.done
}

func (k *drops) close() error {
	if k == nil || k.closed {
		return nil
	}
	k.closed = true
	k.cancel()
	return errors.Join(<-k.done, k.Close())
}

// count tells what became of what was dropped; nil if nothing is kept.
func (k *drops) count() (*trace.DropCount, error) {
	if k == nil {
		return nil, nil
	}
	n, err := k.Count()
	return &n, err
}
