package check

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"weir/lang/diag"
)

// TestDecode: what Encode lays out, Decode reads.
func TestDecode(t *testing.T) {
	src := `
R = record(a = u8, b = ip6)
H = octets(5)
values = [
    (u8, 200), (i32, -5), (u64, 0xffffffffffffffff), (bool, True), (ip4, ip4("192.0.2.1")),
    (ip6, ip6("2001:db8::1")), (ip, ip("192.0.2.1")), (ip, ip("::1")), (mac, mac("02:00:00:00:00:01")),
    (prefix4, prefix4("10.0.0.0/8")), (prefix6, prefix6("2001:db8::/32")),
    (prefix, prefix("10.0.0.0/8")), (prefix, prefix("2001:db8::/32")),
    (H, b"hello"), (R, R(a = 7, b = ip6("::2"))),
]
`
	s, ds := RunScript("values_test.weir", []byte(src), ScriptOptions{})
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	list := s.Globals["values"].(*starlark.List)
	for i := range list.Len() {
		kv := list.Index(i).(starlark.Tuple)
		typ, err := typeOf(kv[0])
		if err != nil {
			t.Fatal(err)
		}
		b, err := Encode(typ, kv[1])
		if err != nil {
			t.Fatal(err)
		}
		if got := Decode(typ, b); got.String() != kv[1].String() || got.Type() != kv[1].Type() {
			t.Errorf("%s: %s became %s %s", typ, kv[1], got.Type(), got)
		}
	}
}

// TestScriptIsNoChain: a script is no chain, and an editor is told of its syntax only.
func TestScriptIsNoChain(t *testing.T) {
	src := []byte("p = packet(ip4())\n")
	_, ds := Check("a_test.weir", src, Options{})
	if len(ds) != 1 || ds[0].Message != "the file holds tests, not a chain" {
		t.Errorf("check: %v", ds)
	}
	if in := Inspect("a_test.weir", src, Options{}); len(in.Diags) > 0 {
		t.Errorf("inspect: %v", in.Diags)
	}
	if in := Inspect("a_test.weir", []byte("p = (\n"), Options{}); len(in.Diags) != 1 {
		t.Errorf("inspect: %v", in.Diags)
	}
}

// TestScript: maps, params and functions come as the caller wants them, wherever a
// chain file keeps them, and with the names that a program of the file has.
func TestScript(t *testing.T) {
	files := map[string]string{
		"a.weir": `load("std/rate.weir", "token_bucket")
blocked = lpm(prefix4, size = 10)
limit = param(u32, 5)
tables = [table(ip4, u64, size = 4), {"x": blocked}]
bucket = token_bucket(key = ip4, size = 16)
PORTS = [53, 80]
def main(pkt):
    return PASS
`,
		"lib_test.weir": "def seven():\n    return extra\n",
	}
	o := ScriptOptions{
		Load:  func(name string) ([]byte, error) { return []byte(files[name]), nil },
		Env:   starlark.StringDict{"extra": starlark.MakeInt(7)},
		Map:   func(file, name string) starlark.Value { return starlark.String("map " + file + " " + name) },
		Param: func(file, name string) starlark.Value { return starlark.String("param " + file + " " + name) },
		Func: func(file, name string, f *starlark.Function) starlark.Value {
			return starlark.String("func " + file + " " + name)
		},
	}
	src := `load("./a.weir", "blocked", "limit", "tables", "bucket", "PORTS", m = "main")
load("./lib_test.weir", "seven")
got = [blocked, limit, tables[0], tables[1]["x"], bucket.allow, m, PORTS, seven(), extra]
def fails():
    return 1 // (extra - 7)
def calls():
    return fails()
`
	s, ds := RunScript("a_test.weir", []byte(src), o)
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	want := `["map a.weir blocked", "param a.weir limit", "map a.weir tables[0]", "map a.weir blocked", "func std/rate.weir ", "func a.weir main", [53, 80], 7, 7]`
	if got := s.Globals["got"].String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	_, err := s.Call(t.Context(), s.Globals["calls"].(starlark.Callable), nil, 1000)
	if err == nil || !strings.Contains(err.Error(), "a_test.weir:5:") {
		t.Errorf("error %v", err)
	}
	if _, ds := RunScript("b_test.weir", []byte("x = nothing\n"), o); ds.Err() == nil || ds[0].Pos != (diag.Pos{File: "b_test.weir", Line: 1, Col: 5}) {
		t.Errorf("unknown name: %v", ds)
	}
}
