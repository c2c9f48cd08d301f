package twins

import (
	"testing"

	"weir/hook"
)

// A chain and its twin do the same at each hook, in every version.
func TestTwins(t *testing.T) {
	for _, tw := range All() {
		for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
			t.Run(tw.Name+"/"+h.String(), func(t *testing.T) {
				p, err := tw.Open(h)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				if err := p.Check(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
