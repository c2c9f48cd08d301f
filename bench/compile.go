package bench

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
)

// Goals of the compile bench.
const (
	goalCompile = 10 * time.Millisecond // a chain of 150 lines
	goalLoad    = 50 * time.Millisecond // verify and load it
	goalLinear  = 1.5                   // time per line at 5,000 lines against 500
)

// Compile measures the way from text to a loaded program: chains of growing
// length, interleaved, each compiled for XDP.
func Compile(ctx context.Context, row func(Row)) error {
	sizes := []int{150, 500, 1500, 5000}
	const rounds = 9
	took := map[int][]time.Duration{}
	var progs = map[int]*lang.Program{}
	for range rounds {
		for _, n := range sizes {
			if err := ctx.Err(); err != nil {
				return err
			}
			src := Chain(n)
			runtime.GC()
			start := time.Now()
			p, err := lang.Compile(src, lang.Options{File: "bench.weir", Hook: hook.XDP})
			took[n] = append(took[n], time.Since(start))
			if err != nil {
				return err
			}
			progs[n] = p
		}
	}
	for _, n := range sizes {
		d := median(took[n])
		r := Row{Bench: "compile", Row: fmt.Sprintf("compile %d lines (%d instructions)", n, len(progs[n].Code.Insns)),
			Unit: "ms", Ours: ms(d), Valid: true, Holds: true, Goal: "–"}
		if n == 150 {
			r.Goal, r.Holds = "<=10", d <= goalCompile
		}
		row(r)
	}
	per := func(n int) float64 { return ms(median(took[n])) / float64(n) }
	ratio := per(5000) / per(500)
	row(Row{Bench: "compile", Row: "time a line, 5000 lines", Unit: "ms", Ours: per(5000), Peer: per(500),
		PeerName: "500 lines", Ratio: ratio, Goal: "<=1.5", Holds: ratio <= goalLinear, Valid: true})
	return loads(ctx, progs[150], progs[5000], row)
}

func loads(ctx context.Context, small, large *lang.Program, row func(Row)) error {
	for _, x := range []struct {
		name string
		p    *lang.Program
		goal time.Duration
	}{{"load 150 lines", small, goalLoad}, {"load 5000 lines", large, 0}} {
		var took []time.Duration
		for range 5 {
			if err := ctx.Err(); err != nil {
				return err
			}
			start := time.Now()
			st, err := datapath.Load(x.p, datapath.LoadOptions{})
			took = append(took, time.Since(start))
			if err != nil {
				return err
			}
			if err := st.Close(); err != nil {
				return err
			}
		}
		d := median(took)
		r := Row{Bench: "compile", Row: x.name, Unit: "ms", Ours: ms(d), Goal: "–", Holds: true, Valid: true}
		if x.goal > 0 {
			r.Goal, r.Holds = fmt.Sprintf("<=%.0f", ms(x.goal)), d <= x.goal
		}
		row(r)
	}
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
