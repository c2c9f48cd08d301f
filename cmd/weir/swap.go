package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	xterm "golang.org/x/term"

	"weir/datapath"
	"weir/internal/term"
)

func (a *app) rollback() *cobra.Command {
	return &cobra.Command{
		Use:   "rollback NAME",
		Short: "Put the generation before the last --replace back",
		Long: `Swaps the previous generation of a chain back in, without missing a packet.
The one that ran becomes the previous one, so that a second rollback undoes the
first. Maps that were kept are the same in both; a map that was converted or
emptied is again as the previous generation left it. If the generation waits to
be confirmed it is not kept; the first one of a name is detached then.`,
		Example:           `  weir rollback edge`,
		Args:              wants("NAME"),
		ValidArgsFunction: a.completeNames(1),
		RunE: runs(func(ctx context.Context, args []string) error {
			n, err := a.kernel.Rollback(ctx, args[0])
			if err != nil {
				return err
			}
			if n == 0 {
				fmt.Fprintf(a.out, "%s is detached\n", args[0])
			} else {
				fmt.Fprintf(a.out, "%s runs generation %d\n", args[0], n)
			}
			return nil
		}),
	}
}

func (a *app) confirm() *cobra.Command {
	return &cobra.Command{
		Use:   "confirm NAME",
		Short: "Let a chain stay that was attached with --confirm",
		Example: `  weir attach edge.weir --on eth0 --confirm 60s   in one terminal
  weir confirm edge                               in another`,
		Args:              wants("NAME"),
		ValidArgsFunction: a.completeNames(1),
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.kernel.Confirm(ctx, args[0])
		}),
	}
}

// await waits until g is confirmed: by Enter on the terminal, or by weir confirm.
// The end of the input takes it back, as do a signal and the end of its time.
func (a *app) await(ctx context.Context, g *datapath.Generation) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f, ok := a.in.(*os.File)
	keys := ok && xterm.IsTerminal(int(f.Fd()))
	press := ""
	if keys {
		press = "press Enter, or "
	}
	fmt.Fprintf(a.err, "%sgive the command weir confirm %s within %s, or it is taken back\n", press, g.Name, g.Confirm.Round(time.Second/10))
	failed := make(chan error, 1)
	go func() {
		if !keys {
			io.Copy(io.Discard, a.in)
		} else if enter(ctx, f) == nil {
			err := a.kernel.Confirm(ctx, g.Name)
			if err == nil {
				return
			}
			failed <- err
		}
		cancel()
	}()
	err := a.kernel.Await(ctx, g)
	select {
	case ferr := <-failed:
		return errors.Join(ferr, err)
	default:
		return err
	}
}

// unstoppable makes this process go on where a terminal would stop it: at ^Z, and
// where it reads or writes while another job has the terminal. A process that is
// stopped takes nothing back.
func unstoppable() (undo func()) {
	stops := []os.Signal{unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU}
	signal.Ignore(stops...)
	return func() { signal.Reset(stops...) }
}

// unpiped makes a write to a pipe that nobody reads fail, which else would end this
// process before it has taken back what it has attached.
func unpiped() (undo func()) {
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, unix.SIGPIPE)
	return func() { signal.Stop(pipe) }
}

// enterLook is how often enter looks whether the terminal is this job's again.
const enterLook = 100 * time.Millisecond

// enter waits until Enter is pressed on a terminal. It returns an error at the end of
// the input, and when ctx ends while another job has the terminal, which then has
// nothing for this process (EIO: see unstoppable).
func enter(ctx context.Context, terminal *os.File) error {
	for {
		ours := foreground(terminal)
		_, err := bufio.NewReader(terminal).ReadString('\n')
		if ours || !errors.Is(err, unix.EIO) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(enterLook):
		}
	}
}

// foreground reports whether a terminal gives this process what is typed: always, if
// it does not control its session.
func foreground(terminal *os.File) bool {
	job, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err != nil || job == unix.Getpgrp()
}

// A changeRow is what became of a map or param, in JSON.
type changeRow struct {
	Name   string `json:"name"`
	Fate   string `json:"fate"`
	Copied int    `json:"copied"`
	Left   int    `json:"left"`
	Value  string `json:"value,omitempty"`
	Why    string `json:"why,omitempty"`
}

func changeRows(cs []datapath.Change) []changeRow {
	rows := []changeRow{}
	for _, c := range cs {
		rows = append(rows, changeRow{c.Name, string(c.Fate), c.Copied, c.Left, c.Value, c.Why})
	}
	return rows
}

// attachedJSON writes what was attached.
func (a *app) attachedJSON(g *datapath.Generation) error {
	return term.JSON(a.out).Encode(struct {
		Name       string      `json:"name"`
		Generation int         `json:"generation"`
		Previous   int         `json:"previous"`
		Maps       []changeRow `json:"maps"`
		Params     []changeRow `json:"params"`
	}{g.Name, g.Number, g.Previous, changeRows(g.MapChanges), changeRows(g.ParamChanges)})
}

// attachedText writes the name of what was attached and, if it took the place of
// another generation, what became of that one's maps and params.
func (a *app) attachedText(g *datapath.Generation) error {
	fmt.Fprintln(a.out, g.Name)
	if g.Previous == 0 {
		return nil
	}
	fmt.Fprintf(a.out, "generation %d in the place of %d\n", g.Number, g.Previous)
	if len(g.MapChanges) > 0 {
		tb := term.Table{Head: []string{"MAP", "CONTENT", ""}}
		for _, c := range g.MapChanges {
			tb.Add(c.Name, contentOf(a.out, c), c.Why)
		}
		fmt.Fprintln(a.out)
		if err := tb.Write(a.out); err != nil {
			return err
		}
	}
	if len(g.ParamChanges) == 0 {
		return nil
	}
	tb := term.Table{Head: []string{"PARAM", "VALUE", ""}}
	for _, c := range g.ParamChanges {
		fate := string(c.Fate)
		if c.Fate == datapath.Reset {
			fate = a.out.Paint(term.Red, fate)
		}
		tb.Add(c.Name, fate+" "+c.Value, c.Why)
	}
	fmt.Fprintln(a.out)
	return tb.Write(a.out)
}

// contentOf is what became of a map's content: converted, 3 entries, 1 left out.
func contentOf(t *term.Term, c datapath.Change) string {
	s := string(c.Fate)
	switch c.Fate {
	case datapath.Emptied:
		return t.Paint(term.Red, s)
	case datapath.Converted:
		s += ", " + strconv.Itoa(c.Copied) + " copied"
		if c.Left > 0 {
			s += ", " + t.Paint(term.Red, strconv.Itoa(c.Left)+" left out")
		}
	}
	return s
}
