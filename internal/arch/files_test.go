package arch

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxLines is what a file that is not a test may have. The house asks for 400;
// what is between is for the eye of a reviewer.
const maxLines = 500

// vague are names that say nothing about what is in a package.
var vague = []string{"util", "utils", "common", "helper", "helpers", "types", "base", "misc", "shared"}

func TestFiles(t *testing.T) {
	files, fset := parseTree(t)
	documented := make(map[string]bool)
	for _, f := range files {
		name := path.Base(f.dir)
		if slices.Contains(vague, name) || slices.Contains(vague, f.ast.Name.Name) {
			t.Errorf("%s: a package called %s: a name says what is in it", f.path, name)
		}
		if f.test || f.generated() {
			continue
		}
		if f.lines > maxLines {
			t.Errorf("%s has %d lines, more than %d: one subject a file", f.path, f.lines, maxLines)
		}
		documented[f.dir] = documented[f.dir] || f.ast.Doc != nil
		undocumented(f.ast, func(name string, pos token.Pos) {
			t.Errorf("%s: exported %s has no comment", fset.Position(pos), name)
		})
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no package comment: what it is, its model, what it does not do", dir)
		}
	}
}

// undocumented calls report with every exported name of the file without a
// comment. Methods of unexported types are nobody's business.
func undocumented(f *ast.File, report func(name string, pos token.Pos)) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
				report(d.Name.Name, d.Pos())
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				undocumentedSpec(d, s, report)
			}
		}
	}
}

func undocumentedSpec(d *ast.GenDecl, s ast.Spec, report func(name string, pos token.Pos)) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
			report(s.Name.Name, s.Pos())
		}
	case *ast.ValueSpec:
		// A comment over a group, or behind a line, is one for its names.
		if s.Doc != nil || s.Comment != nil || d.Doc != nil {
			return
		}
		for _, n := range s.Names {
			if n.IsExported() {
				report(n.Name, n.Pos())
			}
		}
	}
}

// exportedReceiver reports whether d is a function, or a method of an exported
// type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// A skip must come from an error, of the kernel or of looking for a program of others
// that serves that test alone: not from a guess about the machine, nor from being told to
// be short. WEIR_SOAK is the one switch.
var (
	skip     = regexp.MustCompile(`\b[tbf]\.(Skip|Skipf|SkipNow)\(`)
	skipWhy  = regexp.MustCompile(`ErrNotSupported|exec\.ErrNotFound|WEIR_SOAK`)
	unfinish = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
)

func TestSkips(t *testing.T) {
	files, _ := parseTree(t)
	for _, f := range files {
		lines := strings.Split(f.text, "\n")
		for i, l := range lines {
			if unfinish.MatchString(l) {
				t.Errorf("%s:%d: finish it, or file an issue: %s", f.path, i+1, strings.TrimSpace(l))
			}
			// The condition stands within the three lines above.
			if f.test && skip.MatchString(l) && !skipWhy.MatchString(strings.Join(lines[max(0, i-3):i+1], "\n")) {
				t.Errorf("%s:%d: a skip that does not rest on ErrNotSupported or exec.ErrNotFound: %s", f.path, i+1, strings.TrimSpace(l))
			}
		}
	}
}
