package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxMessage is what a message may have, in octets: more than a chain file with
// every character escaped.
const maxMessage = 64 << 20

// maxHeader is how long a line of a message's header may be, in octets.
const maxHeader = 1024

// errMessage says that a message cannot be told from the next one: the stream
// is of no more use.
var errMessage = errors.New("the stream holds no messages of the protocol")

// readMessage reads the content of a message. The error is io.EOF between
// messages, or wraps errMessage.
func readMessage(r *bufio.Reader) ([]byte, error) {
	length := -1
	for first := true; ; first = false {
		line, err := readHeader(r)
		switch {
		case err == io.EOF && first && line == "":
			return nil, io.EOF
		case err != nil:
			return nil, fmt.Errorf("%w: %w", errMessage, err)
		case line == "" && length < 0:
			return nil, fmt.Errorf("%w: a header without Content-Length", errMessage)
		case line == "":
			content := make([]byte, length)
			if _, err := io.ReadFull(r, content); err != nil {
				return nil, fmt.Errorf("%w: %w", errMessage, err)
			}
			return content, nil
		}
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Content-Length") {
			length, err = strconv.Atoi(strings.TrimSpace(value))
			if err != nil || length < 0 || length > maxMessage {
				return nil, fmt.Errorf("%w: Content-Length %q", errMessage, value)
			}
		}
	}
}

func readHeader(r *bufio.Reader) (string, error) {
	var line []byte
	for len(line) < maxHeader {
		b, err := r.ReadByte()
		if err != nil {
			return string(line), err
		}
		if b == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, b)
	}
	return "", errors.New("a line of a header is too long")
}

// send writes a message; one at a time, from any goroutine.
func (s *Server) send(m message) {
	m.JSONRPC = "2.0"
	content, err := json.Marshal(m)
	if err != nil {
		panic(err) // our own types
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	fmt.Fprintf(s.out, "Content-Length: %d\r\n\r\n%s", len(content), content)
}

// null is an answer without content, which must not be left out.
var null = json.RawMessage("null")

func (s *Server) answer(id json.RawMessage, result any, err *rpcError) {
	if err == nil && result == nil {
		result = null
	}
	s.send(message{ID: id, Result: result, Error: err})
}

// notify sends a notification.
func (s *Server) notify(method string, params any) {
	content, err := json.Marshal(params)
	if err != nil {
		panic(err) // our own types
	}
	s.send(message{Method: method, Params: content})
}
