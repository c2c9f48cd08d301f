package lsp

import (
	"context"
	"strings"

	"weir/lang/check"
)

// completion offers what can stand at a place: attributes behind a dot; else
// names of arguments, locals, names of the file, builtins and keywords.
func (s *Server) completion(ctx context.Context, d *document, offset int) any {
	items := []completionItem{}
	if !inCode(d.text, offset) {
		return items
	}
	v := s.view(ctx, d, offset)
	start, _ := wordAt(d.text, offset)
	if expr, dot := receiver(d.text, start); dot {
		if sh, ok := v.of(expr); ok {
			return append(items, behind(sh)...)
		}
		return items
	}
	items = append(items, v.arguments()...)
	items = append(items, v.names()...)
	for _, w := range check.Builtins() {
		items = append(items, item(w.Name, builtinKind(w), w.Sign, w.Text, "3"))
	}
	for _, k := range check.Keywords() {
		items = append(items, item(k, kindKeyword, "", "", "4"))
	}
	return items
}

func builtinKind(w check.Word) int {
	if w.Sign != "" {
		return kindFunction
	}
	return kindConstant
}

// item makes an item; group is what it is sorted by before its name.
func item(label string, kind int, detail, text, group string) completionItem {
	i := completionItem{Label: label, Kind: kind, Detail: detail, SortText: group + label}
	if text != "" {
		i.Documentation = &markup{"markdown", text}
	}
	return i
}

// behind are the items behind a dot.
func behind(sh shape) []completionItem {
	var items []completionItem
	for _, m := range sh.members {
		kind := kindField
		if strings.Contains(m.Type, "(") {
			kind = kindMethod
		}
		items = append(items, item(m.Name, kind, m.Type, m.Text, "1"))
	}
	for _, w := range attributes(sh.owner) {
		kind, detail := kindField, w.Type
		if w.Sign != "" {
			kind, detail = kindMethod, w.Sign
		} else if (sh.owner == "packet" || sh.owner == "conn") && len(attributes(w.Name)) > 0 {
			kind = kindStruct
		}
		items = append(items, item(w.Name, kind, detail, w.Text, "1"))
	}
	return items
}

// arguments are the names of arguments of the call around the place, as they are
// written: "size = ".
func (v *view) arguments() []completionItem {
	callee := enclosing(v.doc.text, v.offset)
	if callee == "" {
		return nil
	}
	sh, ok := v.of(callee)
	if !ok || !strings.Contains(sh.title, "(") {
		return nil
	}
	var items []completionItem
	for _, a := range (check.Word{Sign: sh.title}).Args() {
		i := item(a+" =", kindProperty, sh.title, "", "0")
		i.InsertText = a + " = "
		items = append(items, i)
	}
	return items
}

// names are the locals of the functions around, and the names of the file.
func (v *view) names() []completionItem {
	kinds := map[string]int{"function": kindFunction, "map": kindVariable, "type": kindStruct, "object": kindModule, "constant": kindConstant}
	seen := map[string]bool{}
	var items []completionItem
	for _, f := range v.facts {
		if seen[f.Name] || f.Scope.Line != 0 && !v.within(f.Scope.Line) {
			continue
		}
		seen[f.Name] = true
		kind, group := kinds[f.Kind], "2"
		if kind == 0 {
			kind = kindVariable
		}
		if f.Scope.Line != 0 {
			group = "1"
		}
		items = append(items, item(f.Name, kind, f.Type, f.Text, group))
	}
	for _, def := range v.defs {
		for _, id := range locals(def) {
			if !seen[id.Name] {
				seen[id.Name] = true
				items = append(items, item(id.Name, kindVariable, "", "", "1"))
			}
		}
	}
	return items
}
