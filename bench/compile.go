package bench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"weir/datapath"
	"weir/hook"
	"weir/internal/child"
	"weir/lang"
)

// Goals of the compile bench.
const (
	goalCompile = 10 * time.Millisecond // a chain of 150 lines
	goalAttach  = 50 * time.Millisecond // load and attach it
	goalLinear  = 1.5                   // time a line at 5,000 lines against 500
	goalBinary  = 40e6                  // bytes of the program that runs this
)

// rounds is how often each size is compiled, the sizes in turn; those that take
// seconds are compiled longRounds times.
const rounds, longRounds = 10, 3

// compile measures the way from text to a chain at work: chains of growing
// length compiled, loaded, attached to a link of a lab, with packets sent and
// counted; and the size of the binary.
func compile(ctx context.Context, _ Options, row func(Row)) error {
	progs, err := compiles(ctx, row)
	if err != nil {
		return err
	}
	if err := loads(ctx, progs, row); err != nil {
		return err
	}
	if err := attaches(ctx, row); err != nil {
		return err
	}
	return binary(row)
}

// compiles measures lang.Compile, with the collector set as in the processes
// that compile for the commands.
func compiles(ctx context.Context, row func(Row)) (map[int]*lang.Program, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(child.GCPercent))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(child.CollectFrom))
	sizes := []int{150, 500, 1500, 5000}
	took := map[int][]time.Duration{}
	progs := map[int]*lang.Program{}
	for i := range rounds {
		for _, n := range sizes {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if n > 1500 && i >= longRounds {
				continue
			}
			src := Chain(n)
			runtime.GC()
			start := time.Now()
			p, err := lang.Compile(src, lang.Options{File: "bench.weir", Hook: hook.XDP})
			took[n] = append(took[n], time.Since(start))
			if err != nil {
				return nil, err
			}
			progs[n] = p
		}
	}
	for _, n := range sizes {
		d := median(took[n])
		r := Row{
			Row: fmt.Sprintf("compile %d lines to %d instructions", n, len(progs[n].Code.Insns)), Unit: "ms",
			Ours: ms(d), AA: spread(took[n]), Valid: true, Holds: true,
		}
		if n == 150 {
			r.goal(d, goalCompile)
		}
		row(r)
	}
	per := func(n int) float64 { return 1000 * ms(median(took[n])) / float64(n) }
	aa := max(spread(took[500]), spread(took[5000]))
	ratio := per(5000) / per(500)
	row(Row{
		Row: "compile, a line of 5000", Unit: "µs", Ours: per(5000), Peer: per(500), PeerName: "of 500", Ratio: ratio, AA: aa,
		Goal: fmt.Sprintf("<=%.2g", goalLinear), Holds: ratio <= goalLinear*aa, Valid: true,
	})
	return progs, nil
}

// goal sets a limit of time.
func (r *Row) goal(d, most time.Duration) {
	r.Goal, r.Holds = fmt.Sprintf("<=%g", ms(most)), d <= most
}

// loads measures how long the kernel takes to verify and load.
func loads(ctx context.Context, progs map[int]*lang.Program, row func(Row)) error {
	for _, n := range []int{150, 5000} {
		times := rounds
		if n > 1000 {
			times = 2 // it takes seconds
		}
		var took []time.Duration
		for range times {
			if err := ctx.Err(); err != nil {
				return err
			}
			start := time.Now()
			st, err := datapath.Load(progs[n], datapath.LoadOptions{})
			took = append(took, time.Since(start))
			if err != nil {
				return err
			}
			if err := st.Close(); err != nil {
				return err
			}
		}
		row(Row{
			Row: fmt.Sprintf("load %d lines", n), Unit: "ms", Ours: ms(median(took)), AA: spread(took), Holds: true, Valid: true,
		})
	}
	return nil
}

// binary measures the program that runs this.
func binary(row func(Row)) error {
	st, err := os.Stat("/proc/self/exe")
	if err != nil {
		return err
	}
	row(Row{
		Row: "binary", Unit: "MB", Ours: float64(st.Size()) / 1e6, Goal: fmt.Sprintf("<%g", goalBinary/1e6),
		Holds: st.Size() < goalBinary, Valid: true,
	})
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Chain returns a chain of about n lines: rules as people write them, each of
// its own.
func Chain(n int) []byte {
	var b strings.Builder
	b.WriteString(`"""A chain of many rules."""
hits  = table(ip4, u64, size = 65536)
limit = param(u32, 900, unit = "bytes")

def main(pkt):
    ip = pkt.ip4
    if not ip:
        return PASS
`)
	for i := 0; strings.Count(b.String(), "\n") < n-8; i++ {
		fmt.Fprintf(&b, "    if ip.src in prefix4(\"10.%d.%d.0/24\"):\n", i/250, i%250)
		fmt.Fprintf(&b, "        hits[ip.src] += 1\n")
		fmt.Fprintf(&b, "        if pkt.len > limit + %d:\n", i)
		fmt.Fprintf(&b, "            return drop(\"long %d\")\n", i)
		fmt.Fprintf(&b, "    if pkt.udp and pkt.udp.dport == %d:\n", 1000+i)
		fmt.Fprintf(&b, "        count(\"port %d\")\n", 1000+i)
		fmt.Fprintf(&b, "        if pkt.udp.sport in [53, 123, 389, %d]:\n", 2000+i)
		fmt.Fprintf(&b, "            return drop(\"answer %d\")\n", i)
	}
	b.WriteString("    return PASS\n")
	return []byte(b.String())
}
