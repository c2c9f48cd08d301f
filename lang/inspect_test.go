package lang

import (
	"testing"

	"weir/hook"
)

// TestDefaultHook: a chain tells by its parameter whether it is for packets, and by
// what it does which of the hooks of connections it is for.
func TestDefaultHook(t *testing.T) {
	for _, tt := range []struct {
		name, source string
		opts         Options
		want         hook.Hook
	}{
		{"packets", "def main(pkt):\n    return PASS\n", Options{}, hook.XDP},
		{"packets of another hook", "def main(pkt):\n    pkt.mark = 1\n    return PASS\n", Options{}, hook.XDP},
		{"connections", "def main(conn):\n    return DROP if conn.dport == 1 else PASS\n", Options{}, hook.Connect},
		{"a process's", "def main(conn):\n    return DROP if conn.uid == 1 else PASS\n", Options{}, hook.Connect},
		{"a socket", "def main(conn):\n    return to_socket(\"web\") if conn.tcp else PASS\n", Options{}, hook.SkLookup},
		{"neither", "def main(conn):\n    conn.dport = 1\n    return to_socket(\"web\")\n", Options{}, hook.Connect},
		{"wrong otherwise", "def main(conn):\n    return PAS\n", Options{}, hook.Connect},
		{"another function", "def main(pkt):\n    return PASS\ndef other(conn):\n    return PASS\n", Options{Func: "other"}, hook.Connect},
		{"a function that is made", "def make():\n    def f(conn):\n        return PASS\n    return f\nmain = make()\n", Options{}, hook.Connect},
		{"a line of packets", "pkt.len", Options{Line: true}, hook.XDP},
		{"a line of connections", "DROP if conn.dport == 1 else PASS", Options{Line: true}, hook.Connect},
		{"a line of both", "conn = pkt.len\ncount(conn)", Options{Line: true}, hook.XDP},
		{"a file as a line", "def main(conn):\n    return PASS\n", Options{Line: true}, hook.Connect},
		{"no chain", "x = ", Options{}, hook.XDP},
		{"no function", "main = 1", Options{}, hook.XDP},
	} {
		tt.opts.File = "a.weir"
		if got := DefaultHook([]byte(tt.source), tt.opts); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
