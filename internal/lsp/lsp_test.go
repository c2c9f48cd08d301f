package lsp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/lang"
)

// inProcess inspects without a child, under the limits of build time alone.
func inProcess(_ context.Context, name string, text []byte) (lang.Inspection, error) {
	return lang.Inspect(text, lang.Options{File: name}), nil
}

// framed is a stream of messages.
func framed(contents ...string) string {
	var b strings.Builder
	for _, c := range contents {
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(c), c)
	}
	return b.String()
}

// serve runs a server over a stream and returns what it answers.
func serve(t testing.TB, stream string) (answers []string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = New(strings.NewReader(stream), &out, Options{Inspect: inProcess, Delay: time.Hour}).Run(t.Context())
	r := bufio.NewReader(&out)
	for {
		content, rerr := readMessage(r)
		if rerr == io.EOF {
			return answers, err
		}
		if rerr != nil || !json.Valid(content) {
			t.Fatalf("the server wrote %q (%v)", content, rerr)
		}
		answers = append(answers, string(content))
	}
}

const (
	hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`
	bye   = `{"jsonrpc":"2.0","id":9,"method":"shutdown"}`
	exit  = `{"jsonrpc":"2.0","method":"exit"}`
)

func opened(uri, text string) string {
	t, _ := json.Marshal(text)
	return `{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"` + uri + `","version":1,"text":` + string(t) + `}}}`
}

func asked(method, uri string, line, character int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":"textDocument/%s","params":{"textDocument":{"uri":%q},"position":{"line":%d,"character":%d}}}`, method, uri, line, character)
}

// TestMessages: what an editor does wrong is answered with an error, and does
// not end the server.
func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		want         []string // of each answer a part
		err          error
	}{
		{"session", framed(hello, bye, exit), []string{`"capabilities"`, `"result":null`}, nil},
		{"closed after shutdown", framed(hello, bye), []string{`"capabilities"`, `"id":9`}, nil},
		{"nobody", "", nil, nil},
		{"gone", framed(hello), []string{`"capabilities"`}, ErrNoShutdown},
		{"exit alone", framed(exit), nil, ErrNoShutdown},
		{"too early", framed(bye, exit), []string{`-32002`}, ErrNoShutdown},
		{"unknown method", framed(hello, `{"id":"a","method":"no/such"}`, bye), []string{``, `"id":"a","error":{"code":-32601`, ``}, nil},
		{"unknown notification", framed(hello, `{"method":"no/such"}`, bye), []string{``, `"id":9`}, nil},
		{"no JSON", framed(hello, `{`, bye), []string{``, `"id":null,"error":{"code":-32700`, ``}, nil},
		{"no request", framed(hello, `[]`, `{}`, bye), []string{``, `-32600`, `-32600`, ``}, nil},
		{"no document", framed(hello, asked("hover", "file:///x", 0, 0), bye), []string{``, `-32602`, ``}, nil},
		{"wrong parameters", framed(hello, `{"id":3,"method":"textDocument/hover","params":[]}`, bye), []string{``, `-32602`, ``}, nil},
		{"after shutdown", framed(hello, bye, asked("hover", "file:///x", 0, 0)), []string{``, ``, `-32600`}, nil},
		{"places outside", framed(hello, opened("file:///x", "a = 1"), asked("hover", "file:///x", -1, -1), asked("completion", "file:///x", 99, 99), bye), []string{``, `publish`, `"id":2`, `"id":2`, ``}, nil},
		{"no length", "Content-Type: x\r\n\r\n{}", nil, errMessage},
		{"no number", "Content-Length: x\r\n\r\n{}", nil, errMessage},
		{"too long", "Content-Length: 999999999999\r\n\r\n{}", nil, errMessage},
		{"cut off", framed(hello)[:30], nil, errMessage},
		{"no header", strings.Repeat("x", 5000), nil, errMessage},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := serve(t, c.stream)
			if !errors.Is(err, c.err) || c.err == nil && err != nil {
				t.Errorf("Run = %v, want %v", err, c.err)
			}
			if len(got) != len(c.want) {
				t.Fatalf("answers %q, want %d", got, len(c.want))
			}
			for i, w := range c.want {
				if !strings.Contains(got[i], w) {
					t.Errorf("answer %d is %s, want %s in it", i, got[i], w)
				}
			}
		})
	}
}

// TestAnalysisBreaks: a fault of the compiler costs the editor the diagnostics of
// one version, and not the server.
func TestAnalysisBreaks(t *testing.T) {
	broken := func(context.Context, string, []byte) (lang.Inspection, error) { panic("no such thing") }
	stream := framed(hello, opened("file:///t.weir", "x = 1\n"), asked("hover", "file:///t.weir", 0, 0), bye, exit)
	var out bytes.Buffer
	err := New(strings.NewReader(stream), &out, Options{Inspect: broken, Delay: time.Hour}).Run(t.Context())
	for _, want := range []string{"the analysis of /t.weir broke: no such thing", `"id":9,"result":null`} {
		if err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("no %q (error %v) in\n%s", want, err, out.String())
		}
	}
}

// TestPatched: of what is half typed the rest can be parsed, line for line.
func TestPatched(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		typing           int
	}{
		{"right", "a = 1\n", "a = 1\n", 0},
		{"a statement", "def main(pkt):\n    ip = pkt.ip4\n    ip.\n    return PASS\n", "def main(pkt):\n    ip = pkt.ip4\n    pass\n    return PASS\n", 3},
		{"a header", "def main(pkt):\n    if pkt.\n        return DROP\n    return PASS\n", "def main(pkt):\n    if True:\n        return DROP\n    return PASS\n", 0},
		{"a function", "def main(pkt, :\n    return PASS\n", "def main(pkt):\n    return PASS\n", 0},
		{"an open bracket", "t = table(ip4, u32,\n\ndef main(pkt):\n    return PASS\n", "pass\n\ndef main(pkt):\n    return PASS\n", 0},
		{"two", "a = \nb = (\nc = 1\n", "pass\npass\nc = 1\n", 0},
		{"the last line", "def main(pkt):\n    pkt.", "def main(pkt):\n    pass", 2},
	} {
		if d := cmp.Diff(c.want, patched("a.weir", c.text, c.typing)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// TestPlaces: positions count UTF-16 code units, offsets octets.
func TestPlaces(t *testing.T) {
	const text = "a = \"é𝄞\" + x\nb\n"
	for _, c := range []struct {
		line, character, offset int
	}{
		{0, 0, 0}, {0, 6, 7}, {0, 8, 11}, {0, 12, 15}, {1, 0, 17}, {1, 1, 18}, {2, 0, 19},
	} {
		p := position{c.line, c.character}
		if got := offsetOf(text, p); got != c.offset {
			t.Errorf("offsetOf(%v) = %d, want %d", p, got, c.offset)
		}
		if got := positionOf(text, c.offset); got != p {
			t.Errorf("positionOf(%d) = %v, want %v", c.offset, got, p)
		}
	}
	for _, p := range []position{{5, 0}, {2, 7}} {
		if got := offsetOf(text, p); got != len(text) {
			t.Errorf("offsetOf(%v) = %d, want the end", p, got)
		}
	}
	if got := offsetOf(text, position{1, 70}); got != 18 {
		t.Errorf("behind the end of a line: %d, want 18", got)
	}
}

// FuzzServer: no stream of octets makes the server panic, hang or write what is
// no message.
func FuzzServer(f *testing.F) {
	const uri = "file:///tmp/a.weir"
	f.Add(framed(hello, bye, exit), "", uint16(0))
	for _, text := range []string{
		"load(\"std/rate.weir\", \"token_bucket\")\nb = token_bucket(key = ip4)\ndef main(pkt):\n    ip = pkt.ip4\n    if ip.",
		"R = record(a = u32)\nt = table(ip4, R, size = 10)\ndef main(pkt):\n    t[pkt.ip4.src].a\n    return b\"\"\"", "def f(:\n  (", "a = [\n", "é\t'''", "x.y(z)[0].a = \"",
	} {
		f.Add("", text, uint16(len(text)))
	}
	f.Fuzz(func(t *testing.T, stream, text string, at uint16) {
		serve(t, stream)
		p := positionOf(text, int(at))
		edit := fmt.Sprintf(`{"method":"textDocument/didChange","params":{"textDocument":{"uri":%q,"version":2},"contentChanges":[{"range":{"start":{"line":%d,"character":%d},"end":{"line":%d,"character":%d}},"text":"."}]}}`,
			uri, p.Line, p.Character, p.Line, p.Character+3)
		messages := []string{hello, opened(uri, text)}
		for _, m := range []string{"hover", "completion", "definition", "documentSymbol", "formatting"} {
			messages = append(messages, asked(m, uri, p.Line, p.Character))
		}
		messages = append(messages, edit, asked("completion", uri, p.Line, p.Character+1), bye, exit)
		answers, err := serve(t, framed(messages...))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range answers {
			if strings.Contains(a, `"code":-32603`) {
				t.Fatalf("%s\n%q at %d", a, text, at)
			}
		}
	})
}
