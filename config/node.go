package config

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"weir/lang/diag"
)

// A Kind is what a Node is.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Scalar
	List
	Map
)

// String returns what people call it.
func (k Kind) String() string { return [...]string{"nothing", "a value", "a list", "a mapping"}[k] }

// A Node is a part of a file.
type Node struct {
	Pos   diag.Pos
	Kind  Kind
	Text  string  // of a Scalar, as it is written
	Items []*Node // of a List; of a Map the values
	Keys  []*Node // of a Map, a Scalar each
}

// Limits of a file. The parser's time grows with the square of nesting and of the length
// of lines, and aliases of aliases can mean more than fits in memory.
const (
	maxOctets  = 1 << 20
	maxLine    = 64 << 10
	maxNesting = 100
	maxNodes   = 1 << 20
)

// tooMuch says what of a text is over the limits, or returns "".
func tooMuch(text []byte) (msg, hint string) {
	const lists = "put long lists into files of their own, see maps"
	if len(text) > maxOctets {
		return fmt.Sprintf("the file has more than %d octets", maxOctets), lists
	}
	open := 0
	for line := range bytes.Lines(text) {
		if len(line) > maxLine {
			return fmt.Sprintf("a line has more than %d octets", maxLine), "break it, or " + lists
		}
		open += bytes.Count(line, []byte("[")) + bytes.Count(line, []byte("{")) - bytes.Count(line, []byte("]")) - bytes.Count(line, []byte("}"))
		if open > maxNesting {
			return fmt.Sprintf("more than %d brackets are open at once", maxNesting), "is one not closed?"
		}
	}
	return "", ""
}

// A reader makes nodes of the library's.
type reader struct {
	file    string
	diags   *diag.List
	anchors map[string]*Node
	nodes   int
}

// parse reads a text. What is wrong with it is added to diags.
func parse(file string, text []byte, diags *diag.List) *Node {
	r := &reader{file: file, diags: diags, anchors: map[string]*Node{}}
	if msg, hint := tooMuch(text); msg != "" {
		*diags = append(*diags, diag.Diagnostic{Pos: diag.Pos{File: file}, Code: "limit", Message: msg, Hint: hint})
		return nil
	}
	f, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		pos, msg := diag.Pos{File: file}, err.Error()
		var e yaml.Error
		if errors.As(err, &e) {
			pos, msg = r.at(e.GetToken()), e.GetMessage()
		}
		*diags = append(*diags, diag.Diagnostic{Pos: pos, Code: "syntax", Message: msg, Hint: "this is no YAML"})
		return nil
	}
	var docs []*ast.DocumentNode
	for _, d := range f.Docs {
		if d.Body != nil {
			docs = append(docs, d)
		}
	}
	switch len(docs) {
	case 0:
		return &Node{Pos: diag.Pos{File: file, Line: 1, Col: 1}}
	case 1:
		return r.node(docs[0].Body)
	}
	r.errorf(docs[1].Body, "put the second document into a file of its own, and include it", "the file holds %d documents", len(docs))
	return nil
}

func (r *reader) at(t *token.Token) diag.Pos {
	if t == nil || t.Position == nil {
		return diag.Pos{File: r.file}
	}
	return diag.Pos{File: r.file, Line: t.Position.Line, Col: t.Position.Column}
}

func (r *reader) errorf(n ast.Node, hint, format string, args ...any) {
	*r.diags = append(*r.diags, diag.Diagnostic{
		Pos: r.at(n.GetToken()), Code: "syntax", Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// node returns the node of n, or nil after an error.
func (r *reader) node(n ast.Node) *Node {
	if r.nodes++; r.nodes > maxNodes {
		if r.nodes == maxNodes+1 {
			r.errorf(n, "put long lists into files of their own, see maps", "the file has more than %d values", maxNodes)
		}
		return nil
	}
	out := &Node{Pos: r.at(n.GetToken())}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		return r.mapping(out, n.Values)
	case *ast.MappingValueNode:
		return r.mapping(out, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		out.Kind = List
		for _, v := range n.Values {
			if x := r.node(v); x != nil {
				out.Items = append(out.Items, x)
			}
		}
	case *ast.AnchorNode:
		x := r.node(n.Value)
		r.anchors[n.Name.GetToken().Value] = x
		return x
	case *ast.AliasNode:
		return r.alias(n)
	case *ast.LiteralNode:
		out.Kind, out.Text = Scalar, n.Value.Value
	case *ast.TagNode:
		r.errorf(n, "leave it out: the key says what the value is", "tags have no meaning here")
		return nil
	default:
		out.Kind, out.Text = Scalar, n.GetToken().Value
	}
	return out
}

func (r *reader) alias(n *ast.AliasNode) *Node {
	name := n.Value.GetToken().Value
	x, ok := r.anchors[name]
	if !ok {
		r.errorf(n, "an anchor, &"+name+", comes before", "no anchor is called %q", name)
		return nil
	}
	if x == nil {
		return nil
	}
	if r.nodes += x.size(maxNodes); r.nodes > maxNodes {
		r.errorf(n, "put long lists into files of their own, see maps", "aliases make more than %d values", maxNodes)
		return nil
	}
	return x
}

// size is how many nodes there are in n, or limit if that is less.
func (n *Node) size(limit int) int {
	all := 1 + len(n.Keys)
	for _, x := range n.Items {
		if all >= limit {
			return limit
		}
		all += x.size(limit - all)
	}
	return min(all, limit)
}

// mapping reads keys and values. What is merged comes behind, and only what is not
// there.
func (r *reader) mapping(out *Node, values []*ast.MappingValueNode) *Node {
	out.Kind = Map
	if len(values) > 0 {
		out.Pos = r.at(values[0].Key.GetToken())
	}
	seen, merged := map[string]bool{}, []*Node{}
	for _, v := range values {
		if v.Key.IsMergeKey() {
			if x := r.node(v.Value); x != nil {
				merged = append(merged, x)
			}
			continue
		}
		key := r.node(v.Key)
		if key == nil {
			continue
		}
		if key.Kind != Scalar {
			r.errorf(v.Key, "", "a key is a name")
			continue
		}
		x := r.node(v.Value)
		if seen[key.Text] {
			r.errorf(v.Key, "leave one of them out", "the key %q is there twice", key.Text)
			continue
		}
		if seen[key.Text] = true; x != nil {
			out.Keys, out.Items = append(out.Keys, key), append(out.Items, x)
		}
	}
	for _, m := range merged {
		for i, k := range m.Keys {
			if !seen[k.Text] {
				seen[k.Text] = true
				out.Keys, out.Items = append(out.Keys, k), append(out.Items, m.Items[i])
			}
		}
	}
	return out
}
