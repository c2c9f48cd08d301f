package main

import (
	"fmt"
	"strings"

	"weir/internal/term"
	"weir/lang/diag"
)

// printDiags writes diagnostics to standard error, on a terminal with colours.
func (a *app) printDiags(ds diag.List) {
	for _, d := range ds {
		fmt.Fprintln(a.err, paintDiag(a.err, d))
	}
}

// paintDiag colours the text of a diagnostic, whose lines are known: what and
// where, the source line and its caret, the hint.
func paintDiag(t *term.Term, d diag.Diagnostic) string {
	text := d.String()
	if !t.Color {
		return text
	}
	color, kind := term.Red, ": error: "
	if d.Warning {
		color, kind = term.Yellow, ": warning: "
	}
	lines := strings.Split(text, "\n")
	if where, what, ok := strings.Cut(lines[0], kind); ok {
		lines[0] = t.Paint(term.Bold, where) + t.Paint(color, kind) + t.Paint(term.Bold, what)
	}
	for i, l := range lines[1:] {
		if strings.TrimSpace(l) == "^" {
			lines[i+1] = t.Paint(color, l)
		} else if i+1 == len(lines)-1 && d.Hint != "" {
			lines[i+1] = t.Paint(term.Cyan, l)
		}
	}
	return strings.Join(lines, "\n")
}
