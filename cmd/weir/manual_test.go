package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestManualShows: what docs/testing.md shows behind a command is what it prints.
func TestManualShows(t *testing.T) {
	text, err := os.ReadFile("../../docs/testing.md")
	check(t, err)
	parts := strings.Split(string(text), "\n```")
	n := 0
	for i := 1; i+2 < len(parts); i += 2 {
		line := strings.TrimSpace(parts[i])
		if !strings.HasPrefix(line, "weir explain ") {
			continue
		}
		n++
		exe, err := os.Executable()
		check(t, err)
		dir := t.TempDir()
		check(t, os.Symlink(exe, filepath.Join(dir, "weir")))
		cmd := exec.Command("bash", "-c", line)
		cmd.Dir, cmd.Env = "../..", append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.Output()
		check(t, err)
		if got, want := strings.TrimSpace(string(out)), strings.TrimSpace(parts[i+2]); got != want {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", line, got, want)
		}
	}
	if n == 0 {
		t.Error("the manual shows no weir explain")
	}
}
