package lsp

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"weir/lang"
	"weir/lang/check"
	"weir/lang/diag"
)

// A document is a text that the editor has open.
type document struct {
	uri     string
	name    string // the path of its file, or the URI of what is no file
	version int
	text    string
	cancel  context.CancelFunc
	now     *analysis // of this version
	facts   []check.Fact
}

// An analysis is what is found out about one version of a document.
type analysis struct {
	hurry chan struct{} // closed when somebody waits
	done  chan struct{} // closed when facts may be read
	facts []check.Fact  // nil if nothing could be found out
}

// patience is how long an answer waits for the analysis of the text as it is,
// before it takes what was known earlier.
const patience = 2 * time.Second

func (s *Server) didOpen(ctx context.Context, p openParams) error {
	if old := s.docs[p.TextDocument.URI]; old != nil {
		s.stop(old)
	}
	d := &document{uri: p.TextDocument.URI, name: nameOf(p.TextDocument.URI), version: p.TextDocument.Version, text: p.TextDocument.Text}
	s.docs[d.uri] = d
	s.analyse(ctx, d)
	return nil
}

func (s *Server) didChange(ctx context.Context, p changeParams) error {
	d := s.docs[p.TextDocument.URI]
	if d == nil {
		return fmt.Errorf("no document %q is open", p.TextDocument.URI)
	}
	for _, c := range p.ContentChanges {
		if c.Range == nil {
			d.text = c.Text
			continue
		}
		from, to := offsetOf(d.text, c.Range.Start), offsetOf(d.text, c.Range.End)
		d.text = d.text[:from] + c.Text + d.text[max(from, to):]
	}
	d.version = p.TextDocument.Version
	s.stop(d)
	s.analyse(ctx, d)
	return nil
}

// didClose forgets a document, and takes its diagnostics away.
func (s *Server) didClose(_ context.Context, p placeParams) error {
	if d := s.docs[p.TextDocument.URI]; d != nil {
		s.stop(d)
		delete(s.docs, d.uri)
		s.notify("textDocument/publishDiagnostics", publishParams{URI: d.uri, Diagnostics: []diagnostic{}})
	}
	return nil
}

// analyse starts the analysis of a document's version.
func (s *Server) analyse(ctx context.Context, d *document) {
	if d.now != nil {
		d.keep()
	}
	ctx, d.cancel = context.WithCancel(ctx)
	a := &analysis{hurry: make(chan struct{}), done: make(chan struct{})}
	d.now = a
	uri, name, version, text := d.uri, d.name, d.version, d.text
	s.background.Add(1)
	go func() {
		defer s.background.Done()
		defer close(a.done)
		defer func() {
			if r := recover(); r != nil { // it costs the editor the diagnostics of one version
				s.notify("window/logMessage", logParams{Type: 1, Message: fmt.Sprintf("the analysis of %s broke: %v", name, r)})
			}
		}()
		timer := time.NewTimer(s.opts.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-a.hurry:
		case <-ctx.Done():
			return
		}
		in, err := s.inspect(ctx, name, text)
		if err != nil {
			return
		}
		s.publishing.Lock()
		defer s.publishing.Unlock()
		if ctx.Err() != nil {
			return
		}
		a.facts = in.Facts
		s.publish(uri, name, version, text, in.Diags)
	}()
}

// stop ends the analysis of a document's version. After it, nothing of that is
// published.
func (s *Server) stop(d *document) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	d.cancel()
}

// inspect inspects a text, and what can be made of it where it has a syntax
// error, for its facts.
func (s *Server) inspect(ctx context.Context, name, text string) (lang.Inspection, error) {
	in, err := s.opts.Inspect(ctx, name, []byte(text))
	if err != nil || len(in.Facts) > 0 {
		return in, err
	}
	if whole := patched(name, text, 0); whole != text {
		again, err := s.opts.Inspect(ctx, name, []byte(whole))
		if err != nil {
			return in, err
		}
		in.Facts = again.Facts
	}
	return in, nil
}

// keep remembers the facts of an analysis that has ended.
func (d *document) keep() {
	select {
	case <-d.now.done:
		if d.now.facts != nil {
			d.facts = d.now.facts
		}
	default:
	}
}

// known returns the facts of a document as it is, or of an earlier version.
func (d *document) known(ctx context.Context) []check.Fact {
	select {
	case <-d.now.hurry:
	default:
		close(d.now.hurry)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-d.now.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	d.keep()
	return d.facts
}

// publish sends the diagnostics of a document. Those of files that it loads stand
// at its beginning.
func (s *Server) publish(uri, name string, version int, text string, ds diag.List) {
	out := []diagnostic{}
	lines := strings.Split(text, "\n")
	for _, d := range ds {
		n := diagnostic{Severity: 1, Code: d.Code, Source: "weir", Message: d.Message}
		if d.Warning {
			n.Severity = 2
		}
		if d.Hint != "" {
			n.Message += "\n" + d.Hint
		}
		if d.Pos.File == name {
			n.Range = span{columnOf(lines, d.Pos), columnOf(lines, d.End())}
		} else {
			n.Message = d.Pos.String() + ": " + n.Message
		}
		out = append(out, n)
	}
	s.notify("textDocument/publishDiagnostics", publishParams{URI: uri, Version: version, Diagnostics: out})
}

// nameOf returns the path of a file: URI, or another URI as it is.
func nameOf(uri string) string {
	if u, err := url.Parse(uri); err == nil && u.Scheme == "file" && u.Path != "" {
		return u.Path
	}
	return uri
}

// uriOf returns the URI of a path.
func uriOf(name string) string {
	return (&url.URL{Scheme: "file", Path: name}).String()
}
