package docs

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/syntax"

	"weir/hook"
	"weir/lang"
	"weir/lang/check"
	"weir/lang/std"
)

const stdHead = `# The standard library

Modules that chains load: ` + "`load(\"std/NAME.weir\", …)`" + `. They are written in the language of chains, are part of the binary (` + "`weir cat std/NAME.weir`" + ` prints one), and are compiled into the chain that calls them. ` + "`weir bench std`" + ` measures what the sample of each takes of a packet on your machine. A test writes this page from the modules (` + "`go generate ./docs`" + `).

`

// TestStdPage compares std.md with the modules.
func TestStdPage(t *testing.T) {
	var page strings.Builder
	page.WriteString(stdHead)
	page.WriteString("| module | |\n|---|---|\n")
	var parts []string
	for _, name := range std.Names() {
		text, err := std.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		title := strings.TrimSuffix(strings.TrimPrefix(name, "std/"), ".weir")
		_, what, _ := strings.Cut(std.Summary(text), ": ")
		fmt.Fprintf(&page, "| [%s](#%s) | %s |\n", title, anchor(title), upper(what))
		part, err := stdPart(name, title, text)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	for _, p := range parts {
		page.WriteString(p)
	}
	wantPage(t, "std.md", page.String())
}

// stdPart is the part of the page about a module.
func stdPart(name, title string, text []byte) (string, error) {
	f, list := check.Parse(name, text)
	if err := list.Err(); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n", title)
	head := docOf(f.Stmts)
	_, what, _ := strings.Cut(head, ": ")
	lead, facts, _ := strings.Cut(upper(what), "\n\n")
	fmt.Fprintf(&b, "\n%s\n\n```\n%s\n```\n", lead, strings.TrimSpace(facts))
	for _, s := range f.Stmts {
		d, ok := s.(*syntax.DefStmt)
		if !ok || strings.HasPrefix(d.Name.Name, "_") {
			continue
		}
		doc := docOf(d.Body)
		if doc == "" {
			return "", fmt.Errorf("%s: %s says nothing of itself", name, d.Name.Name)
		}
		fmt.Fprintf(&b, "\n- `%s`: %s\n", signature(d), oneLine(doc))
		for _, s := range d.Body {
			if in, ok := s.(*syntax.DefStmt); ok && given(d, in.Name.Name) {
				fmt.Fprintf(&b, "    - `.%s`: %s\n", signature(in), oneLine(docOf(in.Body)))
			}
		}
	}
	sample, err := std.Sample(name)
	if err != nil {
		return "", err
	}
	info, err := infoOf(name, sample)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "\n```%s\n%s```\n", info, sample)
	return b.String(), nil
}

// infoOf is what stands behind the fence of a sample: its first hook, if it is not for
// all that see frames.
func infoOf(name string, sample []byte) (string, error) {
	var takes []hook.Hook
	var err error
	for _, h := range hook.All() {
		if _, cerr := lang.Compile(sample, lang.Options{File: path.Base(name), Hook: h}); cerr == nil {
			takes = append(takes, h)
		} else if err == nil {
			err = cerr
		}
	}
	if len(takes) == 0 {
		return "", err
	}
	for _, h := range hook.Frames() {
		if !slices.Contains(takes, h) {
			return "python " + takes[0].String(), nil
		}
	}
	return "python", nil
}

// docOf returns the text that a body begins with.
func docOf(body []syntax.Stmt) string {
	if len(body) == 0 {
		return ""
	}
	if e, ok := body[0].(*syntax.ExprStmt); ok {
		if l, ok := e.X.(*syntax.Literal); ok {
			s, _ := l.Value.(string)
			return s
		}
	}
	return ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// signature is how a function is called.
func signature(d *syntax.DefStmt) string {
	var args []string
	for _, p := range d.Params {
		switch p := p.(type) {
		case *syntax.Ident:
			args = append(args, p.Name)
		case *syntax.BinaryExpr:
			args = append(args, fmt.Sprintf("%s = %s", p.X.(*syntax.Ident).Name, source(p.Y)))
		}
	}
	return d.Name.Name + "(" + strings.Join(args, ", ") + ")"
}

// source is a default as it is written.
func source(e syntax.Expr) string {
	switch e := e.(type) {
	case *syntax.Literal:
		return e.Raw
	case *syntax.Ident:
		return e.Name
	case *syntax.UnaryExpr:
		return e.Op.String() + source(e.X)
	}
	return "…"
}

// given reports whether a function gives an inner one in a struct.
func given(d *syntax.DefStmt, name string) bool {
	found := false
	for _, s := range d.Body {
		r, ok := s.(*syntax.ReturnStmt)
		if !ok || r.Result == nil {
			continue
		}
		call, ok := r.Result.(*syntax.CallExpr)
		if !ok {
			continue
		}
		found = found || slices.ContainsFunc(call.Args, func(a syntax.Expr) bool {
			b, ok := a.(*syntax.BinaryExpr)
			return ok && b.X.(*syntax.Ident).Name == name
		})
	}
	return found
}

// upper is a sentence with a capital letter.
func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
