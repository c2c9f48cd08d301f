package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"weir/lang/diag"
)

// Options say what is beside this package.
type Options struct {
	// Sections makes, for each section of a network function, a pointer to what it is
	// decoded into.
	Sections map[string]func() any

	// Expand turns chains and sections of network functions into files, params and
	// maps; nil: there are none. Mistakes of a section go to the Decoder.
	Expand func(*Config, *Decoder) error

	// Read reads a file, ReadDir a folder; nil: the file system's.
	Read    func(name string) ([]byte, error)
	ReadDir func(name string) ([]fs.DirEntry, error)

	// Bundle is read in their place, if it is not nil.
	Bundle *Bundle
}

// A loader reads a file and what it includes.
type loader struct {
	Options
	Decoder
	c       *Config
	sources diag.Source
	open    []string // files that are being read
	first   map[string]diag.Pos
}

// Load reads a config and all that it includes. Its error is a [diag.List] with all
// that is wrong, or that of reading name itself.
func Load(name string, o Options) (*Config, error) {
	if o.Bundle != nil {
		o.Read, o.ReadDir = o.Bundle.ReadFile, o.Bundle.ReadDir
	}
	if o.Read == nil {
		o.Read = os.ReadFile
	}
	if o.ReadDir == nil {
		o.ReadDir = os.ReadDir
	}
	l := &loader{Options: o, c: &Config{Bundle: o.Bundle, Sections: map[string]any{}}, sources: diag.Source{}, first: map[string]diag.Pos{}}
	text, err := o.Read(name)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	l.file(name, text)
	if l.Expand != nil && len(l.Diags) == 0 {
		if err := l.Expand(l.c, &l.Decoder); err != nil {
			return nil, err
		}
	}
	l.sources.Fill(l.Diags)
	if err := l.Diags.Sort().Err(); err != nil {
		return nil, err
	}
	return l.c, nil
}

// file lays out what a file says.
func (l *loader) file(name string, text []byte) {
	l.c.Files = append(l.c.Files, name)
	l.sources.Add(name, text)
	l.open = append(l.open, filepath.Clean(name))
	defer func() { l.open = l.open[:len(l.open)-1] }()
	if len(bytes.TrimSpace(text)) == 0 { // as a file is for a moment that is being written
		l.Errorf(&Node{Pos: diag.Pos{File: name}}, "write {} if it shall say nothing", "the file is empty")
		return
	}
	n := parse(name, text, &l.Diags)
	if n == nil || n.Kind == Null || !l.Want(n, Map) {
		return
	}
	var f file
	own, rest := &Node{Pos: n.Pos, Kind: Map}, &Node{Pos: n.Pos, Kind: Map}
	keys, _ := fieldsOf(reflect.TypeFor[file]())
	for i, k := range n.Keys {
		to := own
		if !slices.Contains(keys, k.Text) {
			to = rest
		}
		to.Keys, to.Items = append(to.Keys, k), append(to.Items, n.Items[i])
	}
	l.Decode(own, &f)
	l.sections(rest, keys)
	for _, x := range f.Include {
		l.include(x)
	}
	l.layOut(&f)
}

// sections decodes those of network functions.
func (l *loader) sections(n *Node, keys []string) {
	for i, k := range n.Keys {
		make, ok := l.Sections[k.Text]
		if !ok {
			for s := range l.Sections {
				keys = append(keys, s)
			}
			l.Unknown(k, keys)
			continue
		}
		if l.twice(k.Pos, "the section "+k.Text) {
			continue
		}
		v := make()
		l.Decode(n.Items[i], v)
		l.c.Sections[k.Text] = v
	}
}

// twice adds an error if what was said before, in another file.
func (l *loader) twice(pos diag.Pos, what string) bool {
	first, ok := l.first[what]
	if !ok {
		l.first[what] = pos
		return false
	}
	l.Errorf(&Node{Pos: pos}, "leave one of them out", "%s is there already, at %s", what, first)
	return true
}

// include reads a file, or the *.yaml files of a folder in the order of their names.
func (l *loader) include(x text) {
	at := &Node{Pos: x.Pos}
	name := beside(x.File, x.s)
	ds, err := l.ReadDir(name)
	if err != nil {
		l.read(at, name, x.s)
		return
	}
	l.c.Files = append(l.c.Files, name)
	for _, d := range ds {
		if e := filepath.Ext(d.Name()); !d.IsDir() && (e == ".yaml" || e == ".yml") && !strings.HasPrefix(d.Name(), ".") {
			l.read(at, filepath.Join(name, d.Name()), d.Name())
		}
	}
}

func (l *loader) read(at *Node, name, said string) {
	if slices.Contains(l.open, name) {
		l.Errorf(at, "leave it out", "%s includes itself", said)
		return
	}
	text, err := l.Read(name)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		l.Errorf(at, "", "read %s: %v", name, err)
		return
	}
	l.file(name, text)
}

// layOut adds what a file says to the config.
func (l *loader) layOut(f *file) {
	l.interfaces("", f.Interfaces)
	l.netns("", f.Host)
	for _, x := range f.Netns {
		l.netns(x.Key, x.Value)
	}
	for _, x := range f.Cgroups {
		for _, s := range x.Value {
			l.place(Place{Cgroup: x.Key}, s, "@"+s.hook.String()+"="+x.Key)
		}
	}
	for _, p := range f.Params {
		if l.qualified(p.Pos, p.Key, "param") && !l.twice(p.Pos, "the param "+p.Key) {
			l.c.Params = append(l.c.Params, Param{p.Pos, p.Key, p.Value})
		}
	}
	for _, m := range f.Maps {
		if l.qualified(m.Pos, m.Key, "map") && !l.twice(m.Pos, "the map "+m.Key) {
			l.c.Maps = append(l.c.Maps, Content{
				m.Pos, m.Key, m.Value.Entries, paths(m.Value.File), paths(m.Value.Dir), m.Value.Rest == "keep",
			})
		}
	}
}

func paths(ts []text) (out []Path) {
	for _, t := range ts {
		out = append(out, Path{t.Pos, beside(t.File, t.s)})
	}
	return out
}

func (l *loader) qualified(pos diag.Pos, name, what string) bool {
	chain, rest, _ := strings.Cut(name, ".")
	if chain == "" || rest == "" {
		l.Errorf(&Node{Pos: pos}, "write CHAIN.NAME, as in edge.limit", "%q does not say of which chain the %s is", name, what)
		return false
	}
	return true
}

func (l *loader) netns(name string, x netns) {
	l.interfaces(name, x.Interfaces)
	for _, s := range x.hooks {
		l.place(Place{Netns: name}, s, in(name, "@"+s.hook.String()))
	}
}

// in puts the name of a network namespace before a place.
func in(netns, place string) string {
	if netns == "" {
		return place
	}
	return netns + "/" + place
}

func (l *loader) interfaces(netns string, all Named[ifaceHooks]) {
	for _, x := range all {
		var sel Selector
		if err := sel.UnmarshalText([]byte(x.Key)); err != nil {
			l.Errorf(&Node{Pos: x.Pos}, "", "%v", err)
			continue
		}
		for _, s := range x.Value {
			l.place(Place{Netns: netns, Iface: sel}, s, in(netns, x.Key+":"+s.hook.String()))
		}
	}
}

// place adds a place with the chains of a site. What is called as is there once.
func (l *loader) place(p Place, s site, as string) {
	at := &Node{Pos: s.pos}
	if len(s.run.Chains) == 0 {
		l.Errorf(at, "name a chain, as ./edge.weir, or leave the hook out", "nothing runs at %s", as)
		return
	}
	if l.twice(s.pos, as) {
		return
	}
	if n := s.hook.Netfilter(); !n && (s.run.Priority != nil || s.run.Defrag) {
		l.Errorf(at, "leave it out", "priority and defrag are of netfilter, and %s is not", s.hook)
	}
	for _, c := range s.run.Chains {
		if c.NF != "" && l.Sections[c.NF] == nil {
			l.Errorf(&Node{Pos: c.Pos}, "a file is written with its ending: ./"+c.NF+".weir", "no network function is called %q", c.NF)
		}
	}
	p.Pos, p.Hook, p.Run = s.pos, s.hook, s.run
	l.c.Places = append(l.c.Places, p)
}
