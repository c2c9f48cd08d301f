package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/hook"
	"weir/lang"
	"weir/lang/diag"
)

func TestMain(m *testing.M) {
	MaybeServe()
	if len(os.Args) == 3 && os.Args[1] == "compile-and-die" {
		go Compile(context.Background(), Request{File: os.Args[2]}, Limits{})
		time.Sleep(time.Second)
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == "compile-and-tell" {
		_, _, err := Compile(context.Background(), Request{File: os.Args[2]}, Limits{})
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u)
		fmt.Println(u.Maxrss, err == nil)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.weir")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const chain = `load("std/rate.weir", "token_bucket")
t = table((ip4, u16), record(a = u64, b = mac), size = 10, expiring = "10s", init = {})
limit = param(u32, 2000, unit = "pps", help = "per source")
b = token_bucket(key = ip4)

def main(pkt):
    if pkt.ip4 and not b.allow(pkt.ip4.src, rate = limit, burst = 10):
        return drop("limited")
    return PASS
`

// TestSame: a program that went through the pipe is the one that lang compiles.
func TestSame(t *testing.T) {
	name := write(t, chain)
	for _, h := range hook.Frames() {
		forms := []Form{{Hook: h}, {Hook: h, Trace: true, Clock: true}}
		got, stages, err := Compile(t.Context(), Request{File: name, Forms: forms, Stages: true}, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range forms {
			o := lang.Options{File: name, Hook: f.Hook, Frags: f.Frags, Trace: f.Trace, Clock: f.Clock}
			want, err := lang.Compile([]byte(chain), o)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got[i]); d != "" {
				t.Errorf("%+v (-lang +child):\n%s", f, d)
			}
		}
		if len(stages) < 4 {
			t.Errorf("%s: %d stages, want at least 4", h, len(stages))
		}
	}
}

func TestSourceWithoutFile(t *testing.T) {
	ps, _, err := Compile(t.Context(), Request{File: "no/such.weir", Source: []byte(chain)}, Limits{})
	if err != nil || len(ps) != 1 || ps[0].Name != "such" {
		t.Errorf("Compile = %v, %v", ps, err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		limits           Limits
	}{
		{name: "chain", text: "def main(pkt):\n    return nosuch\n", want: "nothing is named nosuch"},
		{
			name: "memory", text: "x = [0] * (1 << 28)\ndef main(pkt):\n    return PASS\n",
			want: "build time needs more than 512 MiB of memory",
		},
		{
			name: "memory, bit by bit", text: "x = []\nfor i in range(1 << 30):\n    x.append(str(i) * 100)\ndef main(pkt):\n    return PASS\n",
			limits: Limits{Memory: 96 << 20}, want: "build time needs more than 96 MiB of memory",
		},
		{
			name: "time", text: "x = \"a\" * 5000\nfor i in range(1 << 30):\n    y = [x.find(\"b\") for k in range(1000)]\ndef main(pkt):\n    return PASS\n",
			limits: Limits{Time: 100 * time.Millisecond}, want: "the compile takes more than 100ms",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Compile(t.Context(), Request{File: write(t, c.text)}, c.limits)
			var ds diag.List
			if !errors.As(err, &ds) || len(ds) != 1 || ds[0].Message != c.want {
				t.Errorf("Compile = %v, want a diagnostic %q", err, c.want)
			}
		})
	}
}

// TestMemory: a mebibyte of source is compiled in at most 256 MiB.
func TestMemory(t *testing.T) {
	const size, most = 1 << 20, 256 << 10 // octets, KiB
	var rules, data, functions strings.Builder
	data.WriteString("load(\"std/rate.weir\", \"token_bucket\")\nb = token_bucket(key = ip4)\nbad = lpm(prefix4, size = 100000)\nNETS = [\n")
	for i := 0; data.Len() < size-200; i++ {
		fmt.Fprintf(&data, "    prefix4(\"%d.%d.%d.0/24\"),  # where number %d lives\n", 1+i>>16, i>>8&255, i&255, i)
	}
	data.WriteString("]\ndef main(pkt):\n    return drop(\"listed\") if pkt.ip4.src in NETS else PASS\n")
	for i := 0; functions.Len() < size-200; i++ {
		fmt.Fprintf(&functions, "def f%d(pkt):\n    \"\"\"Whether it is one of those that go to port %d.\"\"\"\n    return pkt.udp and pkt.udp.dport == %d\n\n", i, i, i%65536)
	}
	functions.WriteString("def main(pkt):\n    return DROP if f1(pkt) or f2(pkt) else PASS\n")
	rules.WriteString("def main(pkt):\n    if not pkt.udp:\n        return PASS\n")
	for i := 0; rules.Len() < size-200; i++ {
		fmt.Fprintf(&rules, "    # %s\n    if pkt.udp.dport == %d:\n        return drop(\"port %d\")\n", strings.Repeat("why ", 60), i, i)
	}
	rules.WriteString("    return PASS\n")
	for name, text := range map[string]string{"data": data.String(), "functions": functions.String(), "rules": rules.String()} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command("/proc/self/exe", "compile-and-tell", write(t, text)).Output()
			if err != nil {
				t.Fatal(err)
			}
			var peak int
			var ok bool
			if _, err := fmt.Sscan(string(out), &peak, &ok); err != nil || !ok || peak == 0 || peak > most {
				t.Errorf("%d octets of source: %q (peak in KiB, right?); want at most %d", len(text), out, most)
			}
			t.Logf("%d octets of source: %d MiB at most", len(text), peak>>10)
		})
	}
}

func TestNoFile(t *testing.T) {
	_, _, err := Compile(t.Context(), Request{File: "/no/such.weir"}, Limits{})
	if err == nil || err.Error() != "open /no/such.weir: no such file or directory" {
		t.Errorf("Compile = %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Compile(ctx, Request{File: write(t, chain)}, Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Compile = %v, want %v", err, context.Canceled)
	}
}

// TestTerminal: what a terminal sends to all of its processes ends no child: that is
// for the parent to do.
func TestTerminal(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe.weir")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	compiled := make(chan error, 1)
	go func() {
		_, _, err := Compile(t.Context(), Request{File: name}, Limits{})
		compiled <- err
	}()
	w, err := os.OpenFile(name, os.O_WRONLY, 0) // returns when the child reads
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(childOf(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP} {
		if err := syscall.Kill(pid, s); err != nil {
			t.Error(err)
		}
	}
	if _, err := w.WriteString(chain); err != nil {
		t.Error(err)
	}
	w.Close()
	if err := <-compiled; err != nil {
		t.Errorf("Compile = %v", err)
	}
}

// TestChildEndsWithParent: nobody waits for what a child computes if its parent
// was killed.
func TestChildEndsWithParent(t *testing.T) {
	name := write(t, "x = [i for i in range(1 << 24)]\n"+strings.Repeat("x = [i for i in x]\n", 100)+"def main(pkt):\n    return PASS\n")
	parent := exec.Command("/proc/self/exe", "compile-and-die", name)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	child := ""
	for range 100 {
		time.Sleep(10 * time.Millisecond)
		if child = childOf(parent.Process.Pid); child != "" {
			break
		}
	}
	if child == "" {
		t.Fatal("the parent started no child")
	}
	parent.Process.Kill()
	parent.Wait()
	for range 500 {
		if !compiling(child) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %s still compiles five seconds after its parent's end", child)
}

// childOf returns a child of a process that compiles.
func childOf(pid int) string {
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, l := range lists {
		b, _ := os.ReadFile(l)
		for _, c := range strings.Fields(string(b)) {
			if compiling(c) {
				return c
			}
		}
	}
	return ""
}

// compiling reports whether a process is a child of this package.
func compiling(pid string) bool {
	b, _ := os.ReadFile("/proc/" + pid + "/cmdline")
	return strings.HasPrefix(string(b), arg0+"\x00")
}

// BenchmarkCompile tells what a child costs: compare with the same in package
// lang.
func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, _, err := Compile(b.Context(), Request{File: "a.weir", Source: []byte(chain)}, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompileInProcess(b *testing.B) {
	for b.Loop() {
		if _, err := lang.Compile([]byte(chain), lang.Options{File: "a.weir"}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestInspect: an editor is told what a file binds, right or not, and what is
// wrong with it.
func TestInspect(t *testing.T) {
	in, err := Inspect(t.Context(), Request{File: "no/such.weir", Source: []byte(chain + "\ndef other(pkt):\n    return 5 + pkt.ip4\n")}, Limits{})
	if err != nil || len(in.Diags) != 0 {
		t.Fatalf("Inspect = %v, %v", in.Diags, err)
	}
	types := map[string]string{}
	for _, f := range in.Facts {
		types[f.Kind+" "+f.Name] = f.Type
	}
	want := map[string]string{
		"map t":                 `table((ip4, u16), record(a = u64, b = mac), size = 10, expiring = "10s")`,
		"param limit":           "param(u32, 2000) pps",
		"object b":              "struct",
		"function token_bucket": "token_bucket(key, size = 65536, percpu = False)",
		"function main":         "main(pkt)",
		"function other":        "other(pkt)",
		"local pkt":             "packet",
	}
	if d := cmp.Diff(want, types); d != "" {
		t.Errorf("facts (-want +got):\n%s", d)
	}
	in, err = Inspect(t.Context(), Request{File: "m.weir", Source: []byte("x = [0] * (1 << 28)\n")}, Limits{})
	if err != nil || len(in.Diags) != 1 || in.Diags[0].Code != "limit" {
		t.Errorf("Inspect of a large list = %v, %v; want the limit", in.Diags, err)
	}
	in, err = Inspect(t.Context(), Request{File: "m.weir", Source: []byte("def _f(x):\n    return x\n")}, Limits{})
	if err != nil || len(in.Diags) != 0 {
		t.Errorf("Inspect of a module = %v, %v; want nothing wrong", in.Diags, err)
	}
	in, err = Inspect(t.Context(), Request{File: "m.weir", Source: []byte("def a(pkt):\n    pkt.nosuch\ndef b(pkt):\n    return pkt.ip4.src + 1\n")}, Limits{})
	if err != nil || len(in.Diags) != 2 {
		t.Errorf("Inspect of two chains = %v, %v; want an error of each", in.Diags, err)
	}
}
