package differ

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/lang"
	"weir/lang/diag"
)

// A chain that is observed does the same in the reference and in the kernel, alone and
// before another one: every fifth of the corpus, with WEIR_SOAK=1 each, at XDP and at one
// more variant. Those that change packets are refused.
func TestObserved(t *testing.T) {
	cs, fs, every := cases(t), stock(), 5
	if soak() {
		every = 1
	}
	ran, refused := 0, 0
	for n := 0; n < len(cs); n += every {
		c := cs[n]
		c.observe, c.unlike = true, true
		if then := cs[(n+7)%len(cs)]; n/every%2 == 1 && then.File != c.File {
			c.Then = []lang.Part{{File: then.File, Func: then.Func, Source: then.Source}}
		}
		for _, i := range []int{0, 1 + n/every%(len(variants)-1)} {
			v := variants[i]
			err := c.Run(v.hook, v.frags, fewer(fs, n, 4))
			var ds diag.List
			switch {
			case errors.As(err, &ds) && slices.ContainsFunc(ds, func(d diag.Diagnostic) bool { return d.Code == "observe" }):
				refused++
			case err != nil && !cannot(err) && !tooLarge(err):
				t.Errorf("%s:%s at %s: %v", strings.TrimSuffix(filepath.Base(c.File), ".weir"), c.Func, v.name, err)
			case err == nil:
				ran++
			}
		}
	}
	if t.Logf("%d runs, %d refused", ran, refused); ran < 600/every || refused < 100/every {
		t.Errorf("%d runs and %d refused are too few", ran, refused)
	}
}
