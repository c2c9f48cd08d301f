package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"weir/examples"
	"weir/internal/nstest"
	"weir/internal/term"
	"weir/lab"
)

// An example is a command line that a text promises to work.
type example struct {
	from string // where it stands
	line string
}

// helpExamples returns every example of every command's help text, and fails
// for commands without one.
func helpExamples(t *testing.T) []example {
	t.Helper()
	var out []example
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, s := range c.Commands() {
			walk(s)
		}
		if c.Hidden {
			return
		}
		if c.Example == "" {
			t.Errorf("%s: the help text has no example", c.CommandPath())
		}
		for _, l := range strings.Split(c.Example, "\n") {
			// The root's examples have a remark behind three blanks.
			l, _, _ = strings.Cut(strings.TrimSpace(l), "   ")
			out = append(out, example{c.CommandPath() + " --help", l})
		}
	}
	a := &app{in: strings.NewReader(""), out: term.Plain(os.Stdout), err: term.Plain(os.Stderr)}
	walk(a.root())
	return out
}

// Every command that has help has an example in it, cobra's own included.
func TestHelpHasExamples(t *testing.T) {
	var shells int
	for _, e := range helpExamples(t) {
		if strings.HasPrefix(e.from, "weir completion") {
			shells++
		}
		if !strings.Contains(e.line, "weir ") {
			t.Errorf("%s: the example %q runs no weir", e.from, e.line)
		}
	}
	if shells < 4 {
		t.Errorf("%d examples of weir completion", shells)
	}
}

// readmeBlocks returns the fenced blocks of the README in one language: "" for
// command lines, "python" for chains.
func readmeBlocks(t *testing.T, lang string) []string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	check(t, err)
	// Fences come in pairs: what is between the first two is a block.
	parts := strings.Split("\n"+string(text), "\n```")
	var out []string
	for i := 1; i < len(parts); i += 2 {
		if is, body, _ := strings.Cut(parts[i], "\n"); is == lang {
			out = append(out, body+"\n")
		}
	}
	return out
}

// readmeExamples returns the weir commands of the README.
func readmeExamples(t *testing.T) []example {
	t.Helper()
	var out []example
	for _, b := range readmeBlocks(t, "") {
		for _, l := range strings.Split(b, "\n") {
			l = strings.TrimPrefix(l, "bin/")
			if l, _, _ = strings.Cut(l, " #"); strings.HasPrefix(l, "weir ") {
				out = append(out, example{"README.md", strings.TrimSpace(l)})
			}
		}
	}
	if len(out) == 0 {
		t.Error("README.md shows no weir command")
	}
	return out
}

// scripted are long ones that a script of TestScripts runs.
var scripted = regexp.MustCompile(`^weir (demo|bench compile)$`)

// long are those that take minutes: they are run with WEIR_SOAK=1.
var long = regexp.MustCompile(`^weir bench apply`)

// TestExamples runs every command that the help texts and the README show, on a
// host with the interfaces, files and attachments that they speak of.
func TestExamples(t *testing.T) {
	w := newWorld(t)
	for _, e := range append(helpExamples(t), readmeExamples(t)...) {
		t.Run(e.line, func(t *testing.T) {
			if scripted.MatchString(e.line) || long.MatchString(e.line) && os.Getenv("WEIR_SOAK") == "" {
				return
			}
			if w.dirty {
				w.attach(t)
			}
			w.dirty = changing.MatchString(e.line)
			if out, err := w.run(e.line); err != nil {
				t.Errorf("%s: %s: %v\n%s", e.from, e.line, err, out)
			}
		})
	}
}

// edge is the chain that the examples speak of.
const edge = `load("std/rate.weir", "token_bucket")
limit   = param(u32, 1000)
blocked = lpm(prefix4, size = 100, init = [prefix4("203.0.113.0/24")])
hits    = table(ip4, u64, size = 100)
seen    = table(ip4, size = 100, init = [ip4("192.0.2.1")])
flows   = lru((ip4, ip4), u64, size = 100)
events  = ring(ip4, size = 4096)
big     = lpm(prefix4, size = 1000000)
bucket  = token_bucket(key = ip4, size = 100)

def main(pkt):
    if pkt.ip4:
        if pkt.ip4.src in blocked or pkt.ip4.src in big:
            return drop("blocked")
        hits[pkt.ip4.src] += 1
        if not bucket.allow(pkt.ip4.src, rate = limit, burst = limit):
            return drop("limited")
    return PASS

def outgoing(pkt):
    return PASS
`

// edgeTest are its tests.
const edgeTest = `load("./edge.weir", "main")

def test_limit():
    assert.eq(run(main, packet(ip4(src = "198.51.100.1"))).verdict, PASS)

def test_blocked_source():
    assert.eq(run(main, packet(ip4(src = "203.0.113.1"))).reason, "blocked")
`

// shield is a chain before it.
const shield = `limit = param(u16, 1500)

def main(pkt):
    return drop("long") if pkt.len > limit else PASS
`

// A world is what the examples take for granted.
type world struct {
	dir  string // working folder, with the files and with weir
	host *lab.Host
	env  []string
	blue string    // the namespace that stands for "blue"
	peer *lab.Host // which that namespace is; eth0 is linked to its veth0

	dirty bool // edge has to be attached again
}

func newWorld(t *testing.T) *world {
	t.Helper()
	l, err := lab.New(t.Context(), lab.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	w := &world{dir: t.TempDir(), dirty: true}
	w.host, err = l.Host("host")
	check(t, err)
	blue, err := l.Host("blue")
	check(t, err)
	w.blue, w.peer = blue.Netns(), blue
	for _, n := range []string{"0", "1"} {
		_, _, err = l.Link(w.host, "eth"+n, blue, "veth"+n, lab.LinkOptions{
			A: lab.End{Addrs: lab.MustPrefixes("10.9." + n + ".2/24")},
			B: lab.End{Addrs: lab.MustPrefixes("10.9." + n + ".1/24")}, Neighbours: true,
		})
		check(t, err)
	}
	pins := filepath.Join(w.dir, "bpf")
	check(t, os.Mkdir(pins, 0o700))
	nstest.MountBPFFS(t, pins)
	exe, err := os.Executable()
	check(t, err)
	check(t, os.Symlink(exe, filepath.Join(w.dir, "weir")))
	w.env = append(os.Environ(), "PATH="+w.dir+":"+os.Getenv("PATH"), "WEIR_ROOT="+filepath.Join(pins, "weir"))

	files := map[string]string{
		"edge.yaml": "interfaces: { eth0: { xdp: ./edge.weir } }\nparams: { edge.limit: 2000 }\n",
		"edge.weir": edge, "shield.weir": shield, "my.weir": readmeChain(t), "prefixes.txt": "192.0.2.0/24\n", "list": "# bad\n198.51.100.0/24\n",
		"in.pcap": string(pcapOf(53, 80)), "edge_test.weir": edgeTest, "examples/edge_test.weir": strings.Replace(edgeTest, "./", "../", 1),
	}
	for _, n := range examples.Names() {
		files["examples/"+n] = string(examples.MustRead(n))
		files[n] = files["examples/"+n]
	}
	check(t, os.Mkdir(filepath.Join(w.dir, "examples"), 0o700))
	for name, text := range files {
		check(t, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
	}
	return w
}

// readmeChain returns the chain that the README shows, which it calls my.weir.
func readmeChain(t *testing.T) string {
	t.Helper()
	blocks := readmeBlocks(t, "python")
	if len(blocks) == 0 {
		t.Fatal("README.md shows no chain")
	}
	return blocks[0]
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// attach makes the attachment called edge new, with what examples look up or
// delete in it, and takes all others away.
func (w *world) attach(t *testing.T) {
	t.Helper()
	for _, l := range []string{
		"weir detach --all",
		"weir attach edge.weir --on lo",
		"weir maps put edge hits 192.0.2.1 1",
		"weir maps put edge bucket.state 192.0.2.1 1",
	} {
		if out, err := w.run(l); err != nil {
			t.Fatalf("%s: %v\n%s", l, err, out)
		}
	}
}

// changing are the commands after which edge is not what it was.
var changing = regexp.MustCompile(`^weir (run|user|up|apply|agent|audit|attach|detach|rollback|confirm|set|maps (put|del|load))`)

// configured are the commands that make what runs what edge.yaml says.
var configured = regexp.MustCompile(`^weir (up|apply|agent|audit)`)

// prepared sees to it that there is a generation to go back to, or to confirm, and
// that what waits to be confirmed is.
func prepared(line string) string {
	// Its input does not end.
	const waits = " < <(exec sleep 60 2>/dev/null) & until weir show edge 2>/dev/null | grep -q 'to be confirmed'; do sleep 0.05; done; "
	switch {
	case strings.HasPrefix(line, "weir rollback"):
		return "weir attach edge.weir --replace && " + line
	case strings.HasPrefix(line, "weir confirm"):
		return "weir attach edge.weir --replace --confirm 60s" + waits + line + " && wait $!"
	case strings.HasPrefix(line, "weir attach") && strings.Contains(line, "--confirm"):
		return line + waits + "weir confirm edge && wait $!"
	case strings.HasPrefix(line, "weir audit"): // of an agent's changes
		return "weir agent -f edge.yaml --state state && " + strings.Replace(line, "weir audit", "weir audit --state state", 1)
	case strings.HasPrefix(line, "weir user"): // of what hands packets on
		return "weir detach --all && weir attach dns_tap.weir --on eth0 && " + line
	case strings.HasPrefix(line, "weir diff"):
		return line + "; test $? = 3"
	case strings.HasPrefix(line, "weir apply") && strings.Contains(line, "--confirm"):
		return strings.ReplaceAll(line+waits+"weir confirm edge && wait $!", "edge ", "config ")
	case strings.HasPrefix(line, "weir new"): // each writes the same folder
		return line + " && rm -r score"
	}
	return line
}

// run runs a line in a shell on the host. What would wait for ^C waits for a
// moment. For an attachment the place is made free first.
func (w *world) run(line string) (string, error) {
	started := strings.HasPrefix(line, "weir run") || strings.HasPrefix(line, "weir up") && !strings.Contains(line, "--once")
	free := started || strings.HasPrefix(line, "weir attach") && strings.Contains(line, " --on eth") || configured.MatchString(line)
	if line = prepared(line); free {
		line = "weir detach --all && " + line
	}
	if strings.Contains(line, "--watch") { // until ^C
		line = strings.Replace(line, "weir ls", "timeout --foreground --preserve-status -s INT 2 weir ls", 1)
	}
	line = strings.Replace(line, "weir agent -f /etc/weir/weir.yaml", "weir agent -f edge.yaml", 1)
	for _, c := range []string{"weir agent", "weir metrics --listen"} { // until ^C
		line = strings.Replace(line, c, "timeout --foreground --preserve-status -s INT 1 "+c, 1)
	}
	line = strings.Replace(line, "/var/lib/node_exporter/", "", 1)
	line = strings.Replace(line, "weir user ", "weir user --for 100ms ", 1)
	line = strings.ReplaceAll(line, "blue/", w.blue+"/")
	line = strings.ReplaceAll(line, "--for 10s", "--for 100ms")
	line = strings.ReplaceAll(line, "--for 5s", "--for 100ms")
	line = strings.ReplaceAll(line, "--for 1m", "--for 100ms")
	follows := started || strings.HasPrefix(line, "weir maps tail") || strings.Contains(line, " --live ")
	if follows && !strings.Contains(line, "--for") {
		line += " --for 100ms"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = w.dir, w.env
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := w.host.Do(cmd.Start); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("exit: %w", err)
	}
	return out.String(), nil
}
