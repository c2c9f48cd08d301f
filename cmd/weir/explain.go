package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/child"
	"weir/internal/live"
	"weir/internal/term"
	"weir/packet"
	"weir/trace"
)

// explaining is the flags of explain.
type explaining struct {
	chain
	hook   string
	set    []string
	packet int
	json   bool
	watching

	given func(flag string) bool
}

func (a *app) explain() *cobra.Command {
	var e explaining
	c := &cobra.Command{
		Use:   "explain FILE[:FUNC]...|-e TEXT IN.pcap | NAME --live",
		Short: "Show the way of packets through the source of a chain",
		Long: `Runs packets of a pcap or pcapng file through the chain by a test run, and shows
which statements each reached, one after another: whether conditions held, what was
compared, what maps had, what locals and fields became, and the verdict. The program
that runs is the chain with notes in it: it does the same. Maps are kept from packet to
packet, and the clock is that of the capture.

With --live the next packets of a chain that is attached are shown, those for which
--match holds: an expression over the packet, in the language of chains, which sees
the maps, params and lists of the chain's file. A chain with notes is swapped in, with
the same maps and params, and after --packets, after --for or at ^C the plain one is
swapped back, without missing a packet. If this command is killed, the next weir
command does that.

` + orderHelp,
		Example: `  weir explain edge.weir in.pcap --packet 1
  weir explain edge.weir in.pcap --json --set limit=0
  weir explain edge.weir in.pcap --hook tc-ingress
  weir explain edge --live --match 'pkt.ip4.src == ip4("192.0.2.1")'
  weir explain edge --live --match 'pkt.tcp.syn' --packets 3 --for 1m`,
		Args:              e.wants("FILE or NAME", "[IN.pcap…]"),
		ValidArgsFunction: a.completeExplain,
		RunE: runs(func(ctx context.Context, args []string) error {
			if err := e.wrong(args); err != nil {
				return err
			}
			if e.live {
				return a.doExplainLive(ctx, args[0], &e)
			}
			return a.doExplain(ctx, e.args(args), &e)
		}),
	}
	e.flag(c)
	hookFlag(c, &e.hook)
	jsonFlag(c, &e.json)
	f := c.Flags()
	f.Lookup("json").Usage = "print an object for each packet"
	f.IntVar(&e.packet, "packet", 0, "show this packet alone, from 1; those before it are run as well")
	f.StringArrayVar(&e.set, "set", nil, "set a param: PARAM=VALUE; may be repeated")
	e.given = f.Changed
	e.watching.flags(c)
	return c
}

func (a *app) doExplain(ctx context.Context, args []string, e *explaining) error {
	set, err := settings(e.set)
	if err != nil {
		return err
	}
	if e.packet < 0 {
		return usage("--packet %d: packets are counted from 1", e.packet)
	}
	q := e.request(args[:len(args)-1]...)
	q.Forms = []child.Form{{Trace: true, Clock: true, Steps: true}}
	if err := compileAt(&q, e.hook); err != nil {
		return err
	}
	if h := q.Forms[0].Hook; h.Info().Conn {
		return noPackets(h)
	}
	ps, _, err := child.Compile(ctx, q, child.Limits{})
	if err != nil {
		return err
	}
	p := ps[0]
	if p.Hook.Info().Conn { // by default
		return noPackets(p.Hook)
	}
	a.printDiags(p.Warnings)
	in, _, err := a.open(args[len(args)-1])
	if err != nil {
		return fmt.Errorf("%v", err) // of the file: not a lack of rights for the kernel
	}
	defer in.Close()
	out := bufio.NewWriter(a.out)
	enc := term.JSON(out)
	err = trace.Explain(ctx, p, in, trace.ExplainOptions{Packet: e.packet, Set: set, Each: func(w trace.Way) error {
		if e.json {
			return enc.Encode(w)
		}
		a.writeWay(out, w)
		return nil // out keeps its error for Flush
	}})
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	return err
}

// maxSource is how many columns of a line of the source a listing has at most, before
// what there is to say of it.
const maxSource = 56

// writeWay shows the way of a packet.
func (a *app) writeWay(out *bufio.Writer, w trace.Way) {
	t := a.out
	title := fmt.Sprintf("packet %d", w.N)
	if w.Where != "" {
		title += "  " + w.Where
	}
	fmt.Fprintf(out, "%s  %s\n", t.Paint(term.Bold, term.Clean(title)), describeFrame(w.Frame, w.InLen, w.Bare))
	if w.Error != "" {
		fmt.Fprintf(out, "  %s\n\n", t.Paint(term.Yellow, term.Clean(w.Error)))
		return
	}
	width, file := 0, ""
	for _, s := range w.Statements {
		width = min(max(width, term.Width(s.Text)), maxSource)
	}
	for _, s := range w.Statements {
		if s.File != file {
			file = s.File
			fmt.Fprintf(out, "  %s\n", t.Paint(term.Cyan, term.Clean(file)))
		}
		notes := term.Clean(strings.Join(s.Notes, ", "))
		if s.Holds != nil {
			notes = strings.TrimSuffix(a.yesOrNo(*s.Holds)+": "+notes, ": ")
		}
		text := term.Clean(s.Text)
		if term.Width(text) > width && notes != "" { // what there is to say stands below
			fmt.Fprintf(out, "  %5d  %s\n", s.Line, text)
			fmt.Fprintf(out, "  %5s  %s  %s\n", "", term.Pad("", width, false), notes)
			continue
		}
		line := fmt.Sprintf("  %5d  %s  %s", s.Line, term.Pad(text, width, false), notes)
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	if w.Lost > 0 {
		fmt.Fprintf(out, "         … and further, for which there was no room\n")
	}
	end := fmt.Sprintf("line %d", w.Line)
	if w.Chain != "" {
		end = term.Clean(w.Chain) + " " + end
	}
	fmt.Fprintf(out, "  %s  %s", live.Paint(t, w.Verdict), end)
	if w.To != "" {
		fmt.Fprintf(out, "  to %s", term.Clean(w.To))
	}
	if w.Reason != "" {
		fmt.Fprintf(out, "  %s", term.Clean(w.Reason))
	}
	fmt.Fprint(out, "\n\n")
}

func (a *app) yesOrNo(holds bool) string {
	if holds {
		return a.out.Paint(term.Green, "yes")
	}
	return a.out.Paint(term.Red, "no")
}

// describeFrame says in a line what a packet of so many octets is: its headers, and from
// where to where. A bare one has no Ethernet header: that of frame is made up.
func describeFrame(frame []byte, octets int, bare bool) string {
	var names []string
	var src, dst string
	for _, l := range packet.Layers(frame) {
		h := frame[l.Off:][:l.Size]
		switch l.Header {
		case packet.None:
			continue
		case packet.Eth:
			if bare {
				continue
			}
		case packet.IP4:
			src, dst = address(h[12:16]), address(h[16:20])
		case packet.IP6:
			src, dst = address(h[8:24]), address(h[24:40])
		case packet.TCP, packet.UDP, packet.SCTP:
			if src != "" {
				src, dst = withPort(src, h[0:2]), withPort(dst, h[2:4])
			}
		}
		names = append(names, l.Header.String())
	}
	s := fmt.Sprintf("%s  %s", term.Plural(uint64(octets), "byte"), strings.Join(names, " "))
	if src != "" {
		s += fmt.Sprintf("  %s > %s", src, dst)
	}
	return s
}

func address(b []byte) string {
	a, _ := netip.AddrFromSlice(b) // of 4 or 16
	return a.String()
}

func withPort(addr string, b []byte) string {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b)).String()
}
