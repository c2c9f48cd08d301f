package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/internal/term"
	"weir/internal/xsk"
	"weir/trace"
)

// receiving is the flags of user.
type receiving struct {
	on       []string
	queue    string
	count    uint64
	duration time.Duration
	json     bool
	keeping  // of which --write alone
	program  []string
}

func (a *app) user() *cobra.Command {
	var r receiving
	c := &cobra.Command{
		Use:   "user NAME [-- PROGRAM [ARG...]]",
		Short: "Receive the packets that a chain hands to user space",
		Long: `Receives what the chain of a NAME hands to user space by to_user(), by AF_XDP
sockets, and shows a line for each packet, until ^C. -w writes the packets to a
pcapng file instead; what stands behind -- is a program that reads them as
pcapng from its standard input.

Each queue of an interface has one receiver. While nobody receives, the chain
lets the packets pass. A swap of the chain keeps the receiver, and once it has
ended, or was killed, packets pass again. Packets that it was too slow for are
lost; how many is told at the end.`,
		Example: `  weir user dns_tap
  weir user dns_tap --on eth0 --queue 0 --count 10
  weir user dns_tap -w suspicious.pcapng --for 1m
  weir user dns_tap -- tcpdump -n -r -`,
		Args:              r.args,
		ValidArgsFunction: a.completeUser,
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.doUser(ctx, args[0], &r)
		}),
	}
	jsonFlag(c, &r.json)
	f := c.Flags()
	f.Lookup("json").Usage = "print an object for each packet, and at the end what was received"
	f.StringArrayVar(&r.on, "on", nil, "only what comes in there: [NETNS/]INTERFACE; may be repeated")
	f.StringVar(&r.queue, "queue", "all", "the receive queue, by its number, or all")
	f.StringVarP(&r.write, "write", "w", "", "write the packets to this pcapng file, or - for standard output")
	f.Uint64Var(&r.count, "count", 0, "end after this many packets")
	f.DurationVar(&r.duration, "for", 0, "end after this long, as in 10s")
	c.RegisterFlagCompletionFunc("on", completePlaces)
	c.RegisterFlagCompletionFunc("queue", cobra.FixedCompletions([]string{"all", "0"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// completeUser completes a NAME, and behind -- what the shell knows.
func (a *app) completeUser(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 && c.ArgsLenAtDash() > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.completeNames(1)(c, args, begun)
}

// args takes the arguments apart: those behind -- are the program.
func (r *receiving) args(c *cobra.Command, args []string) error {
	if n := c.ArgsLenAtDash(); n >= 0 {
		args, r.program = args[:n], args[n:]
		if len(r.program) == 0 {
			return usage("no program stands behind --")
		}
	}
	return wants("NAME")(c, args)
}

// wrong says what is wrong with the flags.
func (r *receiving) wrong(out *term.Term) error {
	switch {
	case r.duration < 0:
		return usage("--for %v is in the past", r.duration)
	case r.write != "" && r.program != nil:
		return usage("-w and a program cannot both have the packets")
	case r.json && r.program != nil:
		return usage("--json and a program cannot both have standard output")
	case r.write == "-" && r.json:
		return usage("-w - and --json cannot both have standard output")
	case r.write == "-" && out.Terminal:
		return usage("-w - writes a capture to standard output, which is a terminal")
	}
	return nil
}

// options returns what is to be received.
func (r *receiving) options() (trace.ReceiveOptions, error) {
	o := trace.ReceiveOptions{Most: r.count}
	if r.queue != "all" {
		q, err := strconv.ParseUint(r.queue, 10, 32)
		if err != nil {
			return o, usage("--queue %s is no number of a queue, and not all", r.queue)
		}
		queue := uint32(q)
		o.Queue = &queue
	}
	var spots []attach.Spot
	for _, text := range r.on {
		w, err := attach.ParseWhere(text)
		if err != nil {
			return o, usageError{err}
		}
		if w.Hook != hook.XDP {
			return o, usage("--on %s: packets are handed to user space at xdp alone", text)
		}
		s, err := w.Spot()
		if err != nil {
			return o, fmt.Errorf("--on %s: %w", text, err)
		}
		spots = append(spots, s)
	}
	if spots != nil {
		o.At = func(w attach.Where) bool {
			s, err := w.Spot()
			for _, x := range spots {
				if err == nil && s == x {
					return true
				}
			}
			return false
		}
	}
	return o, nil
}

// doUser receives until ctx ends, or what the flags say.
func (a *app) doUser(ctx context.Context, name string, r *receiving) (err error) {
	if err := r.wrong(a.out); err != nil {
		return err
	}
	o, err := r.options()
	if err != nil {
		return err
	}
	defer unpiped()()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if r.duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, r.duration)
		defer cancel()
	}
	to, err := a.receiver(r, &o)
	if err != nil {
		return err
	}
	o.Tell = func(text string) { fmt.Fprintf(a.err, "weir: %s\n", term.Clean(text)) }
	rec, err := trace.NewReceiver(a.kernel, name, o)
	if err != nil {
		return errors.Join(whatToDo(err), to.Close())
	}
	for _, p := range rec.Places() {
		fmt.Fprintf(a.err, "%s: receiving from %s\n", term.Clean(name), term.Clean(p))
	}
	if err = to.start(cancel); err == nil {
		err = rec.Run(ctx)
	}
	switch {
	case errors.Is(err, datapath.ErrNotFound):
		err = fmt.Errorf("%s is not attached any more", name)
	case errors.Is(err, unix.EPIPE):
		err = nil // whoever read has enough
	}
	n, cerr := rec.Count()
	closed := rec.Close()
	if errors.Is(closed, unix.EPIPE) {
		closed = nil
	}
	err = errors.Join(err, cerr, closed, to.Close())
	return errors.Join(err, a.tellReceived(r, n))
}

// whatToDo adds to an error of opening sockets what to do about it.
func whatToDo(err error) error {
	for cause, hint := range map[error]string{
		xsk.ErrBusy:    "end that one, or choose another queue with --queue",
		xsk.ErrNoQueue: "leave --queue out to receive from all that there are",
		xsk.ErrDown:    "ip link set INTERFACE up",
	} {
		if errors.Is(err, cause) {
			return fmt.Errorf("%w: %s", err, hint)
		}
	}
	return err
}

// tellReceived says what came, and what was lost.
func (a *app) tellReceived(r *receiving, n trace.ReceiveCount) error {
	if r.json {
		return term.JSON(a.out).Encode(n)
	}
	lost := "none was lost"
	if n.Lost > 0 {
		lost = fmt.Sprintf("%s lost: they came faster than they were read", term.Count(n.Lost))
	}
	_, err := fmt.Fprintf(a.err, "%s, %s; %s\n", term.Plural(n.Packets, "packet"), term.Plural(n.Bytes, "byte"), lost)
	return err
}

// receiver makes what takes the packets, and says so in o.
func (a *app) receiver(r *receiving, o *trace.ReceiveOptions) (taker, error) {
	switch {
	case r.program != nil:
		p, err := newFed(r.program)
		if err != nil {
			return nil, err
		}
		o.Out = p.in
		return p, nil
	case r.write != "":
		f, err := r.create(a.out)
		o.Out = f
		return writing{f}, err
	}
	out := bufio.NewWriter(a.out)
	enc := term.JSON(out)
	o.Then = out.Flush
	o.Each = func(x trace.Received) error {
		if r.json {
			return enc.Encode(x)
		}
		_, err := fmt.Fprintf(out, "%6d  %s queue %d  %s\n", x.N, term.Clean(x.Where), x.Queue, describeFrame(x.Frame, x.Len, false))
		return err
	}
	return writing{nopCloser{out}}, nil
}
