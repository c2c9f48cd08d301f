package lsp

import "context"

// hover says what the name at a place is.
func (s *Server) hover(ctx context.Context, d *document, offset int) any {
	start, end := wordAt(d.text, offset)
	if start == end || !inCode(d.text, start) {
		return nil
	}
	sh, ok := s.view(ctx, d, offset).at(start, end)
	if !ok || sh.title == "" {
		return nil
	}
	text := "```python\n" + sh.title + "\n```"
	if sh.text != "" {
		text += "\n\n" + sh.text
	}
	return hover{markup{"markdown", text}, span{positionOf(d.text, start), positionOf(d.text, end)}}
}

// at says what the name between two offsets is.
func (v *view) at(start, end int) (shape, bool) {
	name := v.doc.text[start:end]
	expr, dot := receiver(v.doc.text, start)
	if !dot {
		return v.of(name)
	}
	base, ok := v.of(expr)
	if !ok {
		return shape{}, false
	}
	return base.attribute(name)
}
