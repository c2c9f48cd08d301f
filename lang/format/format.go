// Package format writes chain files in the one form that all of them have.
//
// It prints the tree that go.starlark.net's parser gives. What a tree does not
// hold is found in the text by a [scan]: comments, and which brackets the author
// broke over lines. The [printer] goes through the tree statement by statement
// and makes lines; package-level alignment (lines.go) comes last.
//
// The form:
//
//   - four blanks a block, blanks around operators and around = everywhere, names
//     of arguments included; strings in double quotes where that needs no escape;
//   - assignments that follow each other at the top level have their = below each
//     other, comments at the ends of lines that follow each other begin in one
//     column, two blanks behind the longest line;
//   - brackets that the author wrote on one line stay on one line if it has at
//     most [Width] characters, and are broken one element a line otherwise. In
//     brackets that the author broke, elements stay together as they were; the
//     opening bracket ends its line, the closing one begins its own, and a comma
//     follows the last element;
//   - an operator at which the author broke begins the next line;
//   - a blank line stays one, several become one; a function at the top level has
//     one before and behind it, no block begins or ends with one.
//
// Formatting never changes what a file means: the result is parsed again, and
// its tree and its comments are compared with those of the source.
package format

import (
	"bytes"
	"fmt"
	"strings"

	"go.starlark.net/syntax"

	"weir/lang/check"
)

// Width is the number of characters up to which brackets stay on one line.
const Width = 100

// indentation is what a block stands further to the right than its header.
const indentation = 4

// Source returns the text of a chain file in its form. An error is a diag.List:
// the text is no chain file, as package check tells. The file names what is
// formatted and is not read.
func Source(file string, src []byte) ([]byte, error) {
	src = newlines(src)
	tree, diags := check.Parse(file, src)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	p := newPrinter(src)
	p.file(tree)
	out := p.text()
	again, diags := check.Parse(file, out)
	if err := diags.Err(); err != nil {
		return nil, fmt.Errorf("format %s: the result is not valid, which is a fault of weir: %w", file, err)
	}
	if !sameTree(tree, again) || !sameComments(p.scan, newScan(out)) {
		return nil, fmt.Errorf("format %s: the result would not mean the same, which is a fault of weir: please report it with the file", file)
	}
	return out, nil
}

// newlines gives every line the end that Unix gives it, as the parser reads it.
func newlines(src []byte) []byte {
	if !bytes.ContainsRune(src, '\r') {
		return src
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}

// sameComments reports whether two texts have the same comments in the same
// order.
func sameComments(a, b *scan) bool {
	if len(a.comments) != len(b.comments) {
		return false
	}
	for i, c := range a.comments {
		if c.text != b.comments[i].text {
			return false
		}
	}
	return true
}

// quoted returns a literal in double quotes if that changes nothing but them.
func quoted(x *syntax.Literal) string {
	if x.Token != syntax.STRING && x.Token != syntax.BYTES {
		return x.Raw
	}
	prefix, body, ok := strings.Cut(x.Raw, "'")
	if !ok || len(prefix) > 2 || strings.ContainsAny(prefix, `"`) || strings.ContainsAny(body, `"\`) {
		return x.Raw
	}
	if inner, triple := strings.CutPrefix(body, "''"); triple && len(inner) >= 3 {
		return prefix + `"""` + strings.TrimSuffix(inner, "'''") + `"""`
	}
	return prefix + `"` + strings.TrimSuffix(body, "'") + `"`
}
