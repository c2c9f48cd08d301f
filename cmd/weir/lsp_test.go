package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// An editor is the client of a weir lsp process.
type editor struct {
	t     *testing.T
	dir   string
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	id    int
	diags map[string][]lspDiagnostic // by URI, the last that were published
}

type lspDiagnostic struct {
	Range    lspRange
	Severity int
	Code     string
	Message  string
}

type lspRange struct{ Start, End struct{ Line, Character int } }

func startEditor(t *testing.T) *editor {
	t.Helper()
	e := &editor{t: t, dir: t.TempDir(), diags: map[string][]lspDiagnostic{}}
	self, err := os.Executable()
	check(t, err)
	weir := filepath.Join(e.dir, "weir")
	check(t, os.Symlink(self, weir))
	e.cmd = exec.Command(weir, "lsp")
	e.cmd.Dir, e.cmd.Stderr = e.dir, os.Stderr
	e.in, err = e.cmd.StdinPipe()
	check(t, err)
	out, err := e.cmd.StdoutPipe()
	check(t, err)
	e.out = bufio.NewReader(out)
	check(t, e.cmd.Start())
	t.Cleanup(func() { e.cmd.Process.Kill() })
	e.call("initialize", map[string]any{"processId": os.Getpid(), "capabilities": map[string]any{}}, nil)
	e.notify("initialized", map[string]any{})
	return e
}

func (e *editor) send(m map[string]any) {
	m["jsonrpc"] = "2.0"
	b, err := json.Marshal(m)
	check(e.t, err)
	_, err = fmt.Fprintf(e.in, "Content-Length: %d\r\n\r\n%s", len(b), b)
	check(e.t, err)
}

func (e *editor) notify(method string, params any) {
	e.send(map[string]any{"method": method, "params": params})
}

// message reads one message; diagnostics are kept.
func (e *editor) message() (id int, result json.RawMessage, failure string) {
	e.t.Helper()
	length := 0
	for {
		line, err := e.out.ReadString('\n')
		check(e.t, err)
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		length, err = strconv.Atoi(strings.TrimPrefix(line, "Content-Length: "))
		check(e.t, err)
	}
	b := make([]byte, length)
	_, err := io.ReadFull(e.out, b)
	check(e.t, err)
	var m struct {
		ID     int
		Method string
		Result json.RawMessage
		Error  struct{ Message string }
		Params struct {
			URI         string
			Diagnostics []lspDiagnostic
		}
	}
	check(e.t, json.Unmarshal(b, &m))
	if m.Method == "textDocument/publishDiagnostics" {
		e.diags[m.Params.URI] = m.Params.Diagnostics
	}
	return m.ID, m.Result, m.Error.Message
}

// call sends a request and reads its answer.
func (e *editor) call(method string, params, result any) {
	e.t.Helper()
	e.id++
	e.send(map[string]any{"id": e.id, "method": method, "params": params})
	for {
		id, r, failure := e.message()
		if id != e.id {
			continue
		}
		if failure != "" {
			e.t.Fatalf("%s: %s", method, failure)
		}
		if result != nil {
			check(e.t, json.Unmarshal(r, result))
		}
		return
	}
}

// published waits for the diagnostics of a file and returns them.
func (e *editor) published(uri string) []lspDiagnostic {
	e.t.Helper()
	delete(e.diags, uri)
	for e.diags[uri] == nil {
		e.message()
	}
	return e.diags[uri]
}

// A page is an open document whose text had a ▮ where the cursor is.
type page struct {
	*editor
	uri, text string
	at        map[string]int
}

func (e *editor) open(name, text string) page {
	p := page{editor: e, uri: "file://" + filepath.Join(e.dir, name)}
	p.mark(text)
	e.notify("textDocument/didOpen", map[string]any{
		"textDocument": map[string]any{"uri": p.uri, "languageId": "weir", "version": 1, "text": p.text},
	})
	return p
}

func (p *page) mark(text string) {
	before, after, _ := strings.Cut(text, "▮")
	line := before[strings.LastIndexByte(before, '\n')+1:]
	p.text = before + after
	p.at = map[string]int{"line": strings.Count(before, "\n"), "character": len(utf16.Encode([]rune(line)))}
}

func (p page) ask(method string, result any) {
	p.t.Helper()
	p.call("textDocument/"+method, map[string]any{"textDocument": map[string]any{"uri": p.uri}, "position": p.at}, result)
}

// labels are what is offered at the cursor.
func (p page) labels() []string {
	p.t.Helper()
	var items []struct{ Label string }
	p.ask("completion", &items)
	var out []string
	for _, i := range items {
		out = append(out, i.Label)
	}
	return out
}

const lspChain = `"""A chain."""
load("std/rate.weir", "token_bucket")
load("./lib.weir", "twice")

R      = record(hits = u64, last = ip4)
flows  = table(ip4, R, size = 1000)
limit  = param(u32, 2000, unit = "pps", help = "per source")
bucket = token_bucket(key = ip4)

def known(ip):
    """True where we know who it is."""
    return ip.src in flows

def main(pkt):
    ip = pkt.ip4
    if not ip or not pkt.tcp:
        return PASS
    r = flows[ip.src]
    if r:
        r.hits += twice(1)
    BODY
    if known(ip) and not bucket.allow(ip.src, rate = limit, burst = limit):
        return drop("limited")
    return PASS
`

// TestLSPCompletion: what is offered in a chain in which somebody types.
func TestLSPCompletion(t *testing.T) {
	e := startEditor(t)
	check(t, os.WriteFile(filepath.Join(e.dir, "lib.weir"), []byte("def twice(n):\n    \"\"\"Two of them.\"\"\"\n    return 2 * n\n"), 0o600))
	for i, c := range []struct {
		typed     string
		want, not []string
	}{
		{"pkt.▮", []string{"tcp", "ip4", "len", "payload", "u16"}, []string{"sport", "PASS", "main"}},
		{"if pkt.tcp.▮", []string{"sport", "dport", "syn", "ack_flag"}, []string{"tcp", "src"}},
		{"x = ip.▮", []string{"src", "dst", "ttl", "proto"}, []string{"dport"}},
		{"x = ip.s▮", []string{"src"}, nil},
		{"if (ip.ttl > 1 and ip.▮", []string{"src", "ttl"}, nil},
		{"t = pkt.tcp\n    if t.▮:\n        return DROP", []string{"sport"}, []string{"src"}},
		{"r.▮", []string{"hits", "last"}, []string{"src"}},
		{"flows[ip.src].▮", []string{"hits", "last"}, nil},
		{"flows.get(ip.src).▮", []string{"hits", "last"}, nil},
		{"flows.▮", []string{"get", "pop"}, []string{"add", "hits"}},
		{"bucket.▮", []string{"allow"}, []string{"get"}},
		{"ip.src.▮", []string{"int"}, nil},
		{"pkt.payload.▮", []string{"startswith", "len"}, []string{"ifindex"}},
		{"y = ▮", []string{"ip", "pkt", "flows", "known", "twice", "PASS", "drop", "hash_of", "not", "len"}, []string{"sport"}},
		{"bucket.allow(▮", []string{"k =", "rate =", "burst ="}, nil},
		{"def guard(conn):\n        return conn.▮", []string{"ip4", "dport", "uid", "cookie"}, []string{"eth", "len"}},
		{"x = 1  # pkt.▮", nil, []string{"tcp", "pkt"}},
		{"count(\"pkt.▮", nil, []string{"tcp", "pkt"}},
	} {
		p := e.open(fmt.Sprintf("c%d.weir", i), strings.Replace(lspChain, "BODY", c.typed, 1))
		got := p.labels()
		for _, w := range c.want {
			if !slices.Contains(got, w) {
				t.Errorf("%q: %q is not offered, but %q", c.typed, w, got)
			}
		}
		for _, w := range c.not {
			if slices.Contains(got, w) {
				t.Errorf("%q: %q is offered", c.typed, w)
			}
		}
	}
	p := e.open("unused.weir", "def main(pkt):\n    return PASS\n\ndef unused(ip, n = 1):\n    local = n\n    ▮\n")
	if got := p.labels(); !slices.Contains(got, "local") || !slices.Contains(got, "n") {
		t.Errorf("in a function that nothing calls: %q", got)
	}
	p = e.open("top.weir", "t = table(ip4, u32, ▮\n\ndef main(pkt):\n    return PASS\n")
	if got := p.labels(); !slices.Contains(got, "size =") || !slices.Contains(got, "expiring =") {
		t.Errorf("in table(: %q", got)
	}
	p = e.open("first.weir", "def main(pkt):\n    pkt.udp.▮")
	if got := p.labels(); !slices.Contains(got, "dport") {
		t.Errorf("in the first line of a file: %q", got)
	}
}

// TestLSPSession: errors come and go as somebody types; names are explained and
// found.
func TestLSPSession(t *testing.T) {
	e := startEditor(t)
	check(t, os.WriteFile(filepath.Join(e.dir, "lib.weir"), []byte("def twice(n):\n    \"\"\"Two of them.\"\"\"\n    return 2 * n\n"), 0o600))
	right := strings.Replace(lspChain, "    BODY\n", "", 1)
	p := e.open("edge.weir", right)
	if ds := e.published(p.uri); len(ds) != 0 {
		t.Errorf("a right chain has %v", ds)
	}

	// In two steps a name is spelt wrong, after a character of two UTF-16 units.
	line := strings.Count(right[:strings.Index(right, "r.hits")], "\n")
	e.notify("textDocument/didChange", map[string]any{
		"textDocument": map[string]any{"uri": p.uri, "version": 2},
		"contentChanges": []any{
			map[string]any{"range": lspSpan(line, 0, line, 0), "text": "        x = \"𝄞\"; y = hist\n"},
			map[string]any{"range": lspSpan(line, 22, line, 26), "text": "nosuch"},
		},
	})
	ds := e.published(p.uri)
	if len(ds) != 1 || ds[0].Code != "name" || ds[0].Severity != 1 || ds[0].Range.Start.Line != line ||
		ds[0].Range.Start.Character != 22 || ds[0].Range.End.Character != 28 || !strings.Contains(ds[0].Message, "nosuch") {
		t.Errorf("diagnostics: %+v", ds)
	}
	e.notify("textDocument/didChange", map[string]any{
		"textDocument": map[string]any{"uri": p.uri, "version": 3}, "contentChanges": []any{map[string]any{"text": right}},
	})
	if ds := e.published(p.uri); len(ds) != 0 {
		t.Errorf("mended it has %v", ds)
	}
	p.explains(right, []hover{
		{"pkt.▮tcp", "The TCP header"}, {"ip.▮src in", "ip4"}, {"▮flows[", "table(ip4, record(hits = u64, last = ip4), size = 1000)"},
		{"rate = ▮limit", "param(u32, 2000) pps"}, {"rate = ▮limit", "per source"}, {"▮known(ip) and", "True where we know who it is."},
		{"▮ip = pkt", "header ip4"}, {"bucket.▮allow", "allow(k, rate, burst, n = 1)"}, {"bucket.▮allow", "True while the budget"},
		{"return ▮drop", "drop(reason)"}, {"▮twice(1)", "Two of them."}, {"▮r.hits", "record("}, {"r.▮hits", "u64"},
	})
	p.finds(right, []found{
		{"▮known(ip) and", "edge.weir", "known(ip):"}, {"▮flows[", "edge.weir", "flows  = table"}, {"not ▮ip or", "edge.weir", "ip = pkt.ip4"},
		{"▮twice(1)", "lib.weir", "def twice"}, {"\"./▮lib.weir", "lib.weir", "def twice"},
		{"std▮/rate", "rate.weir", "\"\"\"rate"}, {"= ▮token_bucket", "rate.weir", "def token_bucket"}, {"bucket.▮allow", "rate.weir", "def allow"},
	})

	const unused = "x = 1\ndef main(pkt):\n    return PASS\n\ndef unused(n):\n    x = n\n    for i in range(x):\n        y = i\n"
	u := e.open("unused.weir", unused)
	u.finds(unused, []found{
		{"range(▮x)", "unused.weir", "x = n"}, {"y = ▮i", "unused.weir", "i in range"}, {"x = ▮n", "unused.weir", "n):"},
	})

	const filtered = "web = pcap_filter(\"tcp port 80\")\n\ndef main(pkt):\n    return DROP if web(pkt) else PASS\n"
	e.open("filtered.weir", filtered).explains(filtered, []hover{
		{"▮pcap_filter", "is true where a filter of tcpdump holds"}, {"if ▮web", "filter(pkt)"}, {"if ▮web", "tcpdump's \"tcp port 80\""},
	})

	var edits []struct{ NewText string }
	q := e.open("ugly.weir", "def main( pkt ):\n  return PASS # ok\n")
	q.ask("formatting", &edits)
	if len(edits) != 1 || edits[0].NewText != "def main(pkt):\n    return PASS  # ok\n" {
		t.Errorf("formatting: %+v", edits)
	}
	var symbols []struct{ Name, Detail string }
	p.ask("documentSymbol", &symbols)
	if got := fmt.Sprint(symbols); got != "[{R } {flows } {limit } {bucket } {known (ip)} {main (pkt)}]" {
		t.Errorf("symbols: %s", got)
	}
	e.call("shutdown", nil, nil)
	e.notify("exit", nil)
	check(t, e.cmd.Wait())
}

func lspSpan(fromLine, from, toLine, to int) map[string]any {
	return map[string]any{
		"start": map[string]any{"line": fromLine, "character": from},
		"end":   map[string]any{"line": toLine, "character": to},
	}
}

// A hover is a place in a text and what is told of the name there.
type hover struct{ at, want string }

// explains asks what names of the text are.
func (p page) explains(text string, cases []hover) {
	for _, c := range cases {
		plain := strings.ReplaceAll(c.at, "▮", "")
		p.mark(strings.Replace(text, plain, c.at, 1))
		var h struct{ Contents struct{ Value string } }
		p.ask("hover", &h)
		if !strings.Contains(h.Contents.Value, c.want) {
			p.t.Errorf("hover at %q: %q, want %q", c.at, h.Contents.Value, c.want)
		}
	}
}

// A found is a place in a text and where the name there is defined.
type found struct{ at, file, want string }

// finds asks where names of the text are defined.
func (p page) finds(text string, cases []found) {
	for _, c := range cases {
		plain := strings.ReplaceAll(c.at, "▮", "")
		p.mark(strings.Replace(text, plain, c.at, 1))
		var l struct {
			URI   string
			Range lspRange
		}
		p.ask("definition", &l)
		name := strings.TrimPrefix(l.URI, "file://")
		b, err := os.ReadFile(name)
		if name == strings.TrimPrefix(p.uri, "file://") {
			b, err = []byte(text), nil
		}
		if err != nil || filepath.Base(name) != c.file {
			p.t.Errorf("definition at %q: %s (%v), want %s", c.at, l.URI, err, c.file)
			continue
		}
		line := strings.Split(string(b), "\n")[l.Range.Start.Line]
		if got := string(utf16.Decode(utf16.Encode([]rune(line))[l.Range.Start.Character:])); !strings.HasPrefix(got, c.want) {
			p.t.Errorf("definition at %q: %q, want %q", c.at, got, c.want)
		}
	}
}
