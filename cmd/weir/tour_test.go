package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A step of the tour is a command with what it is shown to print, or packets that
// the text asks for.
type step struct {
	line    int // of docs/tour.md
	command string
	shown   []string
	ask     int // datagrams to port 53 of the host that is guarded
}

var (
	asked   = regexp.MustCompile("After (?:another )?`ask ([0-9]+)`")
	numbers = regexp.MustCompile(`\b[0-9a-f]{16}\b|[0-9][0-9,.:-]*`)
	spaces  = regexp.MustCompile(` +`)
)

// elsewhere are the commands of the tour that other tests run: they need a capture
// of what has been sent, a second terminal, or bpftool.
var elsewhere = regexp.MustCompile(`^(weir replay|weir run edge.weir --on weir-b/wb --for|bpftool)`)

// TestTour does what docs/tour.md does, and sees what it shows. Numbers differ
// but in listings of the compiler.
func TestTour(t *testing.T) {
	text, err := os.ReadFile("../../docs/tour.md")
	check(t, err)
	steps, chain := tourSteps(string(text))
	if len(steps) < 15 || chain == "" {
		t.Fatalf("%d steps and a chain of %d octets: is it the tour?", len(steps), len(chain))
	}
	w := newWorld(t)
	check(t, os.WriteFile(filepath.Join(w.dir, "edge.weir"), []byte(chain), 0o600))
	check(t, os.WriteFile(filepath.Join(w.dir, "bad.weir"), []byte(badChain), 0o600))
	for _, s := range steps {
		if s.ask > 0 {
			w.ask(t, s.ask)
			continue
		}
		if elsewhere.MatchString(s.command) {
			continue
		}
		// A space before it: what is attached stays, as for who types it.
		out, err := w.run(" " + strings.NewReplacer("weir-b/wb", "eth0", "10.99.0.", "10.9.0.").Replace(s.command))
		if fails := strings.Contains(strings.Join(s.shown, "\n"), "error:") || strings.HasPrefix(strings.Join(s.shown, ""), "weir: "); err != nil && !fails {
			t.Errorf("tour.md:%d: %s: %v\n%s", s.line, s.command, err, out)
		}
		got := strings.Split(strings.TrimRight(strings.ReplaceAll(out, "eth0", "weir-b/wb"), "\n"), "\n")
		if g, want := plain(s.command, got), plain(s.command, s.shown); g != want {
			t.Errorf("tour.md:%d: %s prints\n%s\nwhere the tour shows\n%s", s.line, s.command, strings.Join(got, "\n"), strings.Join(s.shown, "\n"))
		}
	}
}

// badChain has the mistake that the tour speaks of.
const badChain = "def main(pkt):\n    if pkt.udp:\n        if pkt.udp.dport == 19:\n            return DORP\n    return PASS\n"

// tourSteps returns the commands of the tour, those that it marks with $, and the
// chain that it begins with.
func tourSteps(text string) (steps []step, chain string) {
	info, in, shows := "", false, false
	for i, line := range strings.Split(text, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isFence:
			info, in, shows = fence, !in, false
		case !in:
			if m := asked.FindStringSubmatch(line); m != nil {
				n, _ := strconv.Atoi(m[1])
				steps = append(steps, step{line: i + 1, ask: n})
			}
		case info == "python":
			chain += line + "\n"
		case isCommand:
			steps = append(steps, step{line: i + 1, command: command})
			shows = true
		case shows:
			steps[len(steps)-1].shown = append(steps[len(steps)-1].shown, line)
		}
	}
	return steps, chain
}

// plain is what two runs of a command have in common.
func plain(command string, lines []string) string {
	s := strings.Join(lines, "\n")
	if !strings.HasPrefix(command, "weir ir") && !strings.HasPrefix(command, "weir check") {
		s = numbers.ReplaceAllString(s, "N")
	}
	return strings.TrimRight(spaces.ReplaceAllString(s, " "), "\n")
}

// ask sends datagrams to port 53 of the host.
func (w *world) ask(t *testing.T, n int) {
	t.Helper()
	check(t, w.peer.Do(func() error {
		conn, err := net.Dial("udp4", "10.9.0.2:53")
		if err != nil {
			return err
		}
		defer conn.Close()
		for range n {
			// Nobody listens: what comes back as an error is no matter.
			if _, err := fmt.Fprintln(conn, "hi"); err != nil && !strings.Contains(err.Error(), "refused") {
				return err
			}
		}
		return nil
	}))
	time.Sleep(100 * time.Millisecond)
}
