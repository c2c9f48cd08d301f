package differ

import (
	"os"
	"testing"

	"weir/datapath"
	"weir/lang"
)

// Every chain of the corpus loads, too, when what it drops is handed to user
// space; each in one of the variants in turn.
func TestCorpusWithCapture(t *testing.T) {
	for i, c := range cases(t) {
		v := variants[i%len(variants)]
		p, err := lang.Compile(c.Source, lang.Options{File: c.File, Func: c.Func, Hook: v.hook, Frags: v.frags, Capture: true, Load: os.ReadFile})
		if err != nil {
			t.Fatalf("%s:%s for %s: %v", c.File, c.Func, v.name, err)
		}
		s, err := datapath.Load(p, datapath.LoadOptions{Interface: func(string) (uint32, error) { return 1, nil }})
		if err != nil {
			t.Errorf("%s:%s at %s: %v", c.File, c.Func, v.name, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
