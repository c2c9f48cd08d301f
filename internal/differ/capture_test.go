package differ

import (
	"os"
	"testing"

	"weir/datapath"
	"weir/lang"
)

// Every chain of the corpus loads, too, when what it drops is handed to user
// space; every third of them, with WEIR_SOAK=1 each, in one of the variants in turn
// that can do that and take the chain.
func TestCorpusWithCapture(t *testing.T) {
	loaded, cs, every := 0, cases(t), 3
	if soak() {
		every = 1
	}
	for i := 0; i < len(cs); i += every {
		c, v := cs[i], variants[i/every%len(variants)]
		if !v.hook.Info().Keep {
			v = variants[0]
		}
		p, err := lang.Compile(c.Source, lang.Options{File: c.File, Func: c.Func, Hook: v.hook, Frags: v.frags, Capture: true, Load: os.ReadFile})
		if cannot(err) {
			continue
		}
		if err != nil {
			t.Fatalf("%s:%s for %s: %v", c.File, c.Func, v.name, err)
		}
		loaded++
		s, err := datapath.Load(p, datapath.LoadOptions{Interface: func(string) (uint32, error) { return 1, nil }})
		if err != nil {
			t.Errorf("%s:%s at %s: %v", c.File, c.Func, v.name, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if loaded < 600/every {
		t.Errorf("%d chains were loaded", loaded)
	}
}
