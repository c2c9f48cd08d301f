package lsp

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/std"
)

// definition says where the name at a place is defined, or, in a load statement,
// where the file is that it names.
func (s *Server) definition(ctx context.Context, d *document, offset int) any {
	if target := loadAt(d, offset); target != "" {
		return s.location(d, diag.Pos{File: target, Line: 1, Col: 1}, 0)
	}
	start, end := wordAt(d.text, offset)
	if start == end {
		return nil
	}
	v := s.view(ctx, d, offset)
	sh, ok := v.at(start, end)
	_, dot := receiver(d.text, start)
	switch {
	case !ok && dot:
		return nil
	case !ok || sh.fact == nil && !dot:
		return s.location(d, v.binding(d.text[start:end]), end-start)
	case sh.member != nil:
		return s.location(d, sh.member.Def, 0)
	case sh.fact != nil && sh.fact.Kind == "function" && sh.fact.Def.File != d.name:
		return s.location(d, sh.fact.Def, 0)
	case sh.fact != nil:
		return s.location(d, sh.fact.Pos, end-start)
	}
	return nil
}

// loadAt returns the file that a load statement names at an offset, or "".
func loadAt(d *document, offset int) string {
	f := d.tree(0)
	if f == nil {
		return ""
	}
	line, col := placeOf(d.text, offset)
	for _, st := range f.Stmts {
		l, ok := st.(*syntax.LoadStmt)
		if !ok {
			continue
		}
		if start, end := l.Module.Span(); int(start.Line) == line && int(start.Col) <= col && col <= int(end.Col) {
			if name := l.ModuleName(); strings.HasPrefix(name, "std/") {
				return name
			}
			return path.Join(path.Dir(d.name), l.ModuleName())
		}
	}
	return ""
}

// location turns a place into one that the editor can open; nil if there is
// none. The name there is so many characters long.
func (s *Server) location(d *document, p diag.Pos, length int) any {
	if p.Line == 0 {
		return nil
	}
	uri, text := d.uri, d.text
	if p.File != d.name {
		name, err := s.open(p.File)
		if err != nil {
			return nil
		}
		uri, text = uriOf(name), ""
		if b, err := os.ReadFile(name); err == nil {
			text = string(b)
		}
	}
	start := columnOf(strings.Split(text, "\n"), p)
	return location{uri, span{start, position{start.Line, start.Character + length}}}
}

// open returns the path of a file; a module of the standard library is written
// to a folder of this server first, since it is a part of the binary.
func (s *Server) open(file string) (string, error) {
	if !strings.HasPrefix(file, "std/") {
		info, err := os.Stat(file)
		if err == nil && !info.Mode().IsRegular() {
			err = fs.ErrInvalid
		}
		return file, err
	}
	text, err := std.Read(file)
	if err != nil {
		return "", err
	}
	if s.folder == "" {
		if s.folder, err = os.MkdirTemp("", "weir-lsp-"); err != nil {
			return "", err
		}
	}
	name := filepath.Join(s.folder, file)
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	err = errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, text, 0o444))
	return name, err
}
