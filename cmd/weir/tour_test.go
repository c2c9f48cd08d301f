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

// A step of a text that people follow is a command with what it is shown to print,
// packets that the text asks for, or a file that it has people save.
type step struct {
	at      string // FILE:LINE of the text
	command string
	shown   []string
	ask     int    // datagrams to port 53 of the host that is guarded
	file    string // to save text in
	text    string
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
	steps := stepsOf(t, "../../docs/tour.md")
	if len(steps) < 15 {
		t.Fatalf("%d steps: is it the tour?", len(steps))
	}
	w := newWorld(t)
	check(t, os.WriteFile(filepath.Join(w.dir, "bad.weir"), []byte(badChain), 0o600))
	w.follow(t, steps)
}

// TestTutorial does the same with the lessons of docs/tutorial, each from nothing.
func TestTutorial(t *testing.T) {
	lessons, err := filepath.Glob("../../docs/tutorial/[0-9]*.md")
	if err != nil || len(lessons) < 5 {
		t.Fatalf("%d lessons: %v", len(lessons), err)
	}
	for _, l := range lessons {
		t.Run(filepath.Base(l), func(t *testing.T) {
			steps := stepsOf(t, l)
			if len(steps) < 3 {
				t.Fatalf("%d steps: is it a lesson?", len(steps))
			}
			w := newWorld(t)
			check(t, os.WriteFile(filepath.Join(w.dir, "asked.pcap"), pcapOf(53, 53), 0o600))
			w.follow(t, steps)
		})
	}
}

// follow does the steps of a text.
func (w *world) follow(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		switch {
		case s.file != "":
			check(t, os.WriteFile(filepath.Join(w.dir, s.file), []byte(s.text), 0o600))
		case s.ask > 0:
			w.ask(t, s.ask)
		case !elsewhere.MatchString(s.command):
			w.do(t, s)
		}
	}
}

func (w *world) do(t *testing.T, s step) {
	t.Helper()
	// A space before it: what is attached stays, as for who types it.
	out, err := w.run(" " + strings.NewReplacer("weir-b/wb", "eth0", "10.99.0.", "10.9.0.").Replace(s.command))
	if fails := strings.Contains(strings.Join(s.shown, "\n"), "error:") || strings.HasPrefix(strings.Join(s.shown, ""), "weir: "); err != nil && !fails {
		t.Errorf("%s: %s: %v\n%s", s.at, s.command, err, out)
	}
	got := strings.Split(strings.TrimRight(strings.NewReplacer(w.host.Netns()+"/eth0", "weir-b/wb", "eth0", "weir-b/wb").Replace(out), "\n"), "\n")
	if g, want := plain(s.command, got), plain(s.command, s.shown); g != want {
		t.Errorf("%s: %s prints\n%s\nwhere the text shows\n%s", s.at, s.command, strings.Join(got, "\n"), strings.Join(s.shown, "\n"))
	}
}

// badChain has the mistake that the tour speaks of.
const badChain = "def main(pkt):\n    if pkt.udp:\n        if pkt.udp.dport == 19:\n            return DORP\n    return PASS\n"

// saved is what a text says before a file.
var saved = regexp.MustCompile("[Ss]ave this as `([^`]+)`")

// stepsOf returns the steps of a text: the commands that it marks with $, with what is
// shown behind them, and the files and packets that it speaks of.
func stepsOf(t *testing.T, file string) (steps []step) {
	t.Helper()
	text, err := os.ReadFile(file)
	check(t, err)
	info, in, shows, name := "", false, false, ""
	for i, line := range strings.Split(string(text), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		command, isCommand := strings.CutPrefix(line, "$ ")
		python := strings.HasPrefix(info, "python")
		switch {
		case isFence:
			info, in, shows = fence, !in, false
			if in && strings.HasPrefix(info, "python") && name != "" {
				steps = append(steps, step{file: name})
				name = ""
			}
		case !in:
			if m := saved.FindStringSubmatch(line); m != nil {
				name = m[1]
			}
			if m := asked.FindStringSubmatch(line); m != nil {
				n, _ := strconv.Atoi(m[1])
				steps = append(steps, step{ask: n})
			}
		case python && len(steps) > 0 && steps[len(steps)-1].file != "":
			steps[len(steps)-1].text += line + "\n"
		case isCommand:
			steps = append(steps, step{at: fmt.Sprintf("%s:%d", filepath.Base(file), i+1), command: command})
			shows = true
		case shows:
			steps[len(steps)-1].shown = append(steps[len(steps)-1].shown, line)
		}
	}
	return steps
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
