package state

import (
	"strings"

	"weir/config"
	"weir/lang"
)

// Bundle reads a config and all files that it is made of. What is wrong with them, or
// not there, is found by who reads the bundle: its error is not about that.
func Bundle(name string, o config.Options) (*config.Bundle, error) {
	b, err := config.Gather(name)
	if err != nil {
		return nil, err
	}
	defer b.Seal()
	o.Bundle = b
	c, err := config.Load(b.Name, o)
	if err != nil {
		return b, nil
	}
	for _, p := range c.Places {
		for _, x := range p.Run.Chains {
			if _, ours := c.Embedded[x.File]; !ours {
				gather(b, x.File)
			}
		}
	}
	for _, m := range c.Maps {
		for _, f := range m.Files {
			b.ReadFile(f.Path)
		}
		for _, d := range m.Dirs {
			all, _ := list(b, d.Path)
			for _, f := range all {
				b.ReadFile(f)
			}
		}
	}
	return b, nil
}

// gather adds a file of a chain, and what it loads.
func gather(b *config.Bundle, name string) {
	if _, done := b.Files[name]; done || name == "" {
		return
	}
	text, err := b.ReadFile(name)
	if err != nil || !strings.HasSuffix(name, ".weir") {
		return
	}
	for _, l := range lang.Loads(name, text) {
		gather(b, l)
	}
}
