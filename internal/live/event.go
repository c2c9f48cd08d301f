package live

import (
	"fmt"
	"strings"

	"weir/datapath"
	"weir/internal/term"
)

// log is the name under which lost log lines are counted, which no ring has.
const log = "log()"

func lostBy(name string) string {
	if name == log {
		return name
	}
	return "ring " + name
}

func lostWhat(name string) string {
	if name == log {
		return "line"
	}
	return "record"
}

// EventLine is what a chain told, in one line for people: a log line with the
// place that it comes from, a record with its ring.
func EventLine(t *term.Term, e datapath.Event) string {
	if e.Ring == "" {
		return fmt.Sprintf("%s  %s", At(t, e.File, e.Line), oneLine(e.Text))
	}
	return fmt.Sprintf("%s  %s", t.Paint(term.Blue, e.Ring), oneLine(e.Text))
}

// oneLine keeps what a chain writes from drawing elsewhere.
func oneLine(s string) string { return term.Clean(strings.ReplaceAll(s, "\n", " ")) }
