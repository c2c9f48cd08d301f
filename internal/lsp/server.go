package lsp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"weir/lang"
)

// Options of a server.
type Options struct {
	// Inspect reads a text for the editor; name is the path of its file. It may be
	// called from several goroutines.
	Inspect func(ctx context.Context, name string, text []byte) (lang.Inspection, error)
	Version string        // told to the editor
	Delay   time.Duration // from the last change to the diagnostics; 0 is 200 ms
}

// A Server serves one editor.
type Server struct {
	opts Options
	in   *bufio.Reader

	writing sync.Mutex // guards out
	out     io.Writer

	publishing sync.Mutex // held while diagnostics are sent, and while an analysis is stopped

	docs        map[string]*document // by URI
	initialized bool
	shut        bool
	background  sync.WaitGroup // analyses
	folder      string         // of copies of the standard library; "" until one is needed
}

// ErrNoShutdown says that the editor went away without asking to shut down.
var ErrNoShutdown = errors.New("the editor ended without a shutdown request")

// New returns a server that reads from in and writes to out.
func New(in io.Reader, out io.Writer, opts Options) *Server {
	if opts.Delay == 0 {
		opts.Delay = 200 * time.Millisecond
	}
	return &Server{opts: opts, in: bufio.NewReader(in), out: out, docs: map[string]*document{}}
}

// Run serves until the editor says exit, or closes the stream. It returns nil
// where the editor asked to shut down first, and ErrNoShutdown otherwise.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.close()
	defer cancel()
	for {
		content, err := readMessage(s.in)
		switch {
		case err == io.EOF && (s.shut || !s.initialized): // or nobody was there
			return nil
		case err == io.EOF:
			return ErrNoShutdown
		case err != nil:
			return fmt.Errorf("read message: %w", err)
		}
		if exit := s.message(ctx, content); exit && s.shut {
			return nil
		} else if exit {
			return ErrNoShutdown
		}
	}
}

// close waits for what runs in the background and takes copies away.
func (s *Server) close() {
	for _, d := range s.docs {
		d.cancel()
	}
	s.background.Wait()
	if s.folder != "" {
		os.RemoveAll(s.folder)
	}
}

// message handles one message; it reports whether it was the last.
func (s *Server) message(ctx context.Context, content []byte) (exit bool) {
	var m message
	switch err := json.Unmarshal(content, &m); {
	case err != nil && !json.Valid(content):
		s.answer(null, nil, &rpcError{parseError, "this is no JSON"})
		return false
	case err != nil || m.Method == "" && m.ID == nil:
		s.answer(null, nil, &rpcError{invalidRequest, "this is no request"})
		return false
	case m.Method == "":
		return false // an answer; the server asks nothing
	case m.Method == "exit":
		return true
	}
	request := m.ID != nil && !bytes.Equal(m.ID, null)
	result, rerr := s.call(ctx, m)
	if request {
		s.answer(m.ID, result, rerr)
	}
	return false
}

// call answers a method. A panic is an error of ours, which costs the editor one
// answer.
func (s *Server) call(ctx context.Context, m message) (result any, rerr *rpcError) {
	defer func() {
		if r := recover(); r != nil {
			result, rerr = nil, &rpcError{internalError, fmt.Sprintf("%s broke: %v", m.Method, r)}
		}
	}()
	h, ok := handlers[m.Method]
	switch {
	case !ok:
		return nil, &rpcError{methodNotFound, fmt.Sprintf("there is no method %q", m.Method)}
	case !s.initialized && m.Method != "initialize":
		return nil, &rpcError{notInitialized, "initialize comes first"}
	case s.shut:
		return nil, &rpcError{invalidRequest, "the server was shut down"}
	}
	result, err := h(s, ctx, m.Params)
	if err != nil {
		return nil, &rpcError{invalidParams, err.Error()}
	}
	return result, nil
}

type handler func(s *Server, ctx context.Context, params json.RawMessage) (any, error)

var handlers map[string]handler

func init() {
	handlers = map[string]handler{
		"initialize":                  (*Server).initialize,
		"initialized":                 nothing,
		"shutdown":                    (*Server).shutdown,
		"$/cancelRequest":             nothing,
		"$/setTrace":                  nothing,
		"textDocument/didOpen":        with((*Server).didOpen),
		"textDocument/didChange":      with((*Server).didChange),
		"textDocument/didSave":        nothing,
		"textDocument/didClose":       with((*Server).didClose),
		"textDocument/hover":          at((*Server).hover),
		"textDocument/completion":     at((*Server).completion),
		"textDocument/definition":     at((*Server).definition),
		"textDocument/formatting":     at((*Server).formatting),
		"textDocument/documentSymbol": at((*Server).symbols),
	}
}

func nothing(*Server, context.Context, json.RawMessage) (any, error) { return nil, nil }

// with reads the parameters of a handler.
func with[P any](h func(s *Server, ctx context.Context, p P) error) handler {
	return func(s *Server, ctx context.Context, params json.RawMessage) (any, error) {
		var p P
		if err := json.Unmarshal(params, &p); err != nil {
			return nil, err
		}
		return nil, h(s, ctx, p)
	}
}

// at finds the document and the place that a request is about.
func at(h func(s *Server, ctx context.Context, d *document, offset int) any) handler {
	return func(s *Server, ctx context.Context, params json.RawMessage) (any, error) {
		var p placeParams
		if err := json.Unmarshal(params, &p); err != nil {
			return nil, err
		}
		d := s.docs[p.TextDocument.URI]
		if d == nil {
			return nil, fmt.Errorf("no document %q is open", p.TextDocument.URI)
		}
		return h(s, ctx, d, offsetOf(d.text, p.Position)), nil
	}
}

func (s *Server) initialize(context.Context, json.RawMessage) (any, error) {
	s.initialized = true
	return map[string]any{
		"capabilities": capabilities,
		"serverInfo":   map[string]string{"name": "weir", "version": s.opts.Version},
	}, nil
}

func (s *Server) shutdown(context.Context, json.RawMessage) (any, error) {
	s.shut = true
	return nil, nil
}
