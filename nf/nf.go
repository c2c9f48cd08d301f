// Package nf lets network functions take part in a config.
//
// The model: a [Function] is a name, chains in weir, and a [Section]: what a config
// says under that name. The name stands for a chain in lists of chains. [Options] has
// package config decode the sections, and turn both into what it knows: the name
// becomes the file NAME.weir, and the section params and contents of maps.
//
//	xdp: [shield, …] ─► chain shield.weir ─┐
//	shield: { … }    ─► params, maps ──────┴► Config ─► package state
//
// So what is behind needs to know no network function: files that a section names are
// contents of maps, which belong to a bundle and are watched as all others. Chains
// are ordinary ones that are in the binary.
//
// A new function is a folder below this one and a line in all.go.
//
// What it does not do: it attaches nothing and opens no map.
package nf

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"weir/config"
	"weir/lang/diag"
)

// A Function is a network function.
type Function struct {
	Name  string         // of its section and of its chain
	Files fs.FS          // its chains: NAME.weir, and what that loads
	New   func() Section // with what holds where a config says nothing
}

// A Section is a pointer to what a config says of a function: [config.Decoder] fills it.
type Section interface {
	// Fill says what the section means. It is asked once for a config that has the
	// section or the chain.
	Fill(s *Setup)
}

// A Setup gathers what a section means.
type Setup struct {
	Params []config.Param   // of the chains: NAME.PARAM
	Maps   []config.Content // of the chains: NAME.MAP

	d *config.Decoder
}

// Errorf tells that what stands at pos is wrong.
func (s *Setup) Errorf(pos diag.Pos, hint, format string, args ...any) {
	s.d.Errorf(&config.Node{Pos: pos}, hint, format, args...)
}

// clash tells of what the section means and c says in its own words, too.
func (s *Setup) clash(c *config.Config) {
	for _, p := range c.Params {
		if slices.ContainsFunc(s.Params, func(x config.Param) bool { return x.Name == p.Name }) {
			s.Errorf(p.Pos, "leave one of them out", "the param %s is set by its network function", p.Name)
		}
	}
	for _, m := range c.Maps {
		if slices.ContainsFunc(s.Maps, func(x config.Content) bool { return x.Name == m.Name }) {
			s.Errorf(m.Pos, "leave one of them out", "the map %s is filled by its network function", m.Name)
		}
	}
}

// root is where the chains of functions seem to be: no such folder is on a disk.
const root = "/proc/weir/nf"

// Options are those to load a config with these functions.
func Options(all ...Function) config.Options {
	o := config.Options{Sections: map[string]func() any{}}
	for _, f := range all {
		o.Sections[f.Name] = func() any { return f.New() }
	}
	o.Expand = func(c *config.Config, d *config.Decoder) error {
		for _, f := range all {
			if err := f.expand(c, d); err != nil {
				return fmt.Errorf("network function %s: %w", f.Name, err)
			}
		}
		return nil
	}
	return o
}

// expand turns the chain and the section of f into a file, params and maps.
func (f Function) expand(c *config.Config, d *config.Decoder) error {
	runs := false
	for i := range c.Places {
		chains := c.Places[i].Run.Chains
		for j := range chains {
			if chains[j].NF == f.Name {
				chains[j].File, runs = path.Join(root, f.Name, f.Name+".weir"), true
			}
		}
	}
	v, there := c.Sections[f.Name]
	if !runs && !there {
		return nil
	}
	if !runs {
		v.(Section).Fill(&Setup{d: d}) // what is wrong is told all the same
		return nil
	}
	if !there {
		v = f.New()
	}
	s := &Setup{d: d}
	v.(Section).Fill(s)
	s.clash(c)
	c.Params, c.Maps = append(c.Params, s.Params...), append(c.Maps, s.Maps...)
	return f.embed(c)
}

// embed adds the chains to the files of c.
func (f Function) embed(c *config.Config) error {
	if c.Embedded == nil {
		c.Embedded = map[string][]byte{}
	}
	return fs.WalkDir(f.Files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(name, ".weir") {
			return err
		}
		text, err := fs.ReadFile(f.Files, name)
		c.Embedded[path.Join(root, f.Name, name)] = text
		return err
	})
}
