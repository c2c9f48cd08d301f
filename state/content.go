package state

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"weir/config"
	"weir/datapath"
	"weir/lang"
	"weir/lang/diag"
)

// contents reads what maps shall hold, and has new ones begin with it.
func (r *resolver) contents(ctx context.Context) error {
	for _, c := range r.c.Maps {
		m := r.maps[c.Name]
		if m == nil {
			r.unknown(c.Pos, "map", c.Name, slices.Collect(maps.Keys(r.maps)))
			continue
		}
		x, err := r.content(ctx, c, m)
		if err != nil {
			return err
		}
		if x != nil {
			r.d.Maps = append(r.d.Maps, *x)
		}
	}
	r.d.maps = r.maps
	r.d.begin()
	return nil
}

// begin has maps that are new begin with what they shall hold.
func (d *Desired) begin() {
	first := map[string][]lang.Entry{}
	for name, m := range d.maps {
		first[name] = m.Init
	}
	for _, x := range d.Maps {
		first[x.Map.Name] = x.first()
	}
	for _, c := range d.Chains {
		for _, p := range []*lang.Program{c.Program, c.Frags} {
			if p == nil {
				continue
			}
			for i, m := range p.Maps {
				if m.System == lang.User {
					p.Maps[i].Init = first[m.Name]
				}
			}
		}
	}
}

// first is the content as that of a map which is new. What the chain itself puts in
// stays where the config keeps what is there.
func (x *Content) first() []lang.Entry {
	var out []lang.Entry
	if x.Keep {
		for _, e := range x.Map.Init {
			if !x.holds(string(e.Key)) && !x.Gone[string(e.Key)] {
				out = append(out, e)
			}
		}
	}
	for _, all := range []map[string][]byte{x.Entries, x.Also} {
		for _, k := range slices.Sorted(maps.Keys(all)) {
			out = append(out, lang.Entry{Key: []byte(k), Value: all[k]})
		}
	}
	return out
}

// holds reports whether a key shall be there.
func (x *Content) holds(key string) bool {
	_, stated := x.Entries[key]
	_, also := x.Also[key]
	return stated || also
}

// content reads the entries of c. It returns nil if some are wrong.
func (r *resolver) content(ctx context.Context, c config.Content, m *lang.Map) (*Content, error) {
	x, before := &Content{Map: m, Entries: map[string][]byte{}, Keep: c.Keep}, len(r.diags)
	reads := &datapath.Map{Map: *m}
	if reads.Keyless() || !reads.Listed() {
		r.errorf(c.Pos, "tables, lpm, lru and arrays can be filled", "a %s cannot be filled from a config", m.Kind)
		return nil, nil
	}
	for _, e := range c.Entries {
		r.entry(x, reads, e.Pos, e.Text)
	}
	files := c.Files
	for _, d := range c.Dirs {
		in, err := list(r.c.Bundle, d.Path)
		if err != nil {
			r.errorf(d.Pos, "", "%v", err)
		}
		for _, f := range in {
			files = append(files, config.Path{Pos: d.Pos, Path: f})
		}
	}
	for _, f := range files {
		if err := r.entries(ctx, x, reads, f); err != nil {
			return nil, err
		}
	}
	if n := len(x.Entries); n > int(m.Spec.MaxEntries) {
		r.errorf(c.Pos, fmt.Sprintf("declare %s with size = %d or more", m.Name, n), "%d entries do not fit in %s, which has room for %d", n, m.Name, m.Size)
	}
	if len(r.diags) > before {
		return nil, nil
	}
	return x, nil
}

// list returns the files of entries of a folder, in the order of their names. They are
// those of b, or of the disk if it is nil.
func list(b *config.Bundle, dir string) (out []string, err error) {
	read := os.ReadDir
	if b != nil {
		read = b.ReadDir
	}
	es, err := read(dir)
	for _, e := range es {
		if e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0 {
			if !strings.HasPrefix(e.Name(), ".") && !strings.HasSuffix(e.Name(), "~") {
				out = append(out, filepath.Join(dir, e.Name()))
			}
		}
	}
	return out, err
}

// maxBad is how many wrong lines of a file are told of.
const maxBad = 10

// entries reads a file of entries: a line each; empty lines and what follows a # are
// skipped, as in weir maps load.
func (r *resolver) entries(ctx context.Context, x *Content, m *datapath.Map, f config.Path) error {
	read := os.ReadFile
	if b := r.c.Bundle; b != nil {
		read = b.ReadFile
	}
	text, err := read(f.Path)
	if err != nil {
		r.errorf(f.Pos, "", "%v", err)
		return nil
	}
	before := len(r.diags)
	sc := bufio.NewScanner(bytes.NewReader(text))
	sc.Buffer(make([]byte, 64<<10), 1<<20)
	for n := 1; sc.Scan(); n++ {
		if n%10000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, _, _ := strings.Cut(sc.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			r.entry(x, m, diag.Pos{File: f.Path, Line: n, Col: 1}, line)
		}
		if len(r.diags) >= before+maxBad {
			r.errorf(diag.Pos{File: f.Path, Line: n + 1}, "", "what comes after is not read")
			return nil
		}
	}
	if err := sc.Err(); err != nil {
		r.errorf(f.Pos, "", "read %s: %v", f.Path, err)
	}
	return nil
}

// entry reads KEY, or KEY VALUE. What is said twice holds as it is said last.
func (r *resolver) entry(x *Content, m *datapath.Map, pos diag.Pos, line string) {
	key, val, err := m.Entry(line)
	if err != nil {
		r.errorf(pos, "", "map %s: %v", m.Name, err)
		return
	}
	x.Entries[string(key)] = val
	if r.found != nil {
		r.found(key, pos)
	}
}
