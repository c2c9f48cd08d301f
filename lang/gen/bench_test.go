package gen

import (
	"fmt"
	"testing"

	"weir/lang/ir"
	"weir/lang/ir/irtest"
	"weir/lang/opt"
)

// BenchmarkLarge takes a function of about 100,000 values through passes and
// code generation.
func BenchmarkLarge(b *testing.B) {
	for _, size := range []int{1_000, 10_000, 60_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				p := irtest.Random(1, size)
				n := p.Funcs[0].NumValues()
				b.StartTimer()
				opt.Run(p, opt.Options{})
				b.ReportMetric(float64(n), "values")
				b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "opt-ms")
				Generate(p)
			}
		})
	}
}

// BenchmarkVerify is the cost of checking the invariants of a large function.
func BenchmarkVerify(b *testing.B) {
	p := irtest.Random(1, 30_000)
	for range b.N {
		if err := ir.Verify(p.Funcs[0]); err != nil {
			b.Fatal(err)
		}
	}
}
