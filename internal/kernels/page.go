package main

import (
	"fmt"
	"slices"
	"strings"
)

const head = `# What works on which kernel

Made by ` + "`make test-kernels`" + `: do not edit. It boots Debian's kernels for clouds in QEMU, which translates their code, and runs weir's own tests there (as root; QEMU and the kernels are fetched by ` + "`scripts/kernels.sh`" + `). The floor is Linux 6.1, which runs a part of this in ` + "`make soak`" + ` as well. No time is told: emulated times mean nothing.

`

// page makes docs/kernels.md.
func page(suites []suite, all []*result) string {
	var b strings.Builder
	b.WriteString(head)
	var releases []string
	for _, r := range all {
		releases = append(releases, r.Release)
	}
	b.WriteString("## What there is\n\nEach was tried, in the machine: attached to a pair of virtual Ethernet interfaces, loaded, or made. What every kernel has of `weir doctor` is left out.\n\n")
	table(&b, releases, checks(all, func(r *result) []check { return r.Probe }, false))
	b.WriteString("\nOf `weir doctor`, what differs:\n\n")
	table(&b, releases, checks(all, func(r *result) []check { return r.Doctor }, true))
	b.WriteString("\n## Tests\n\nHow many passed, with those within others.\n\n")
	table(&b, releases, tests(suites, all))
	b.WriteString(skips(suites, all))
	return b.String()
}

// table writes rows under the kernels' releases.
func table(b *strings.Builder, releases []string, rows [][]string) {
	fmt.Fprintf(b, "| | %s |\n|---|%s\n", strings.Join(releases, " | "), strings.Repeat("---|", len(releases)))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
}

// checks makes a row of each check; with differ, of those on which kernels are
// not of one mind.
func checks(all []*result, of func(*result) []check, differ bool) (rows [][]string) {
	var names []string
	for _, r := range all {
		for _, c := range of(r) {
			if !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	for _, name := range names {
		row := []string{name}
		for _, r := range all {
			row = append(row, status(of(r), name))
		}
		if !differ || slices.ContainsFunc(row[2:], func(s string) bool { return s != row[1] }) || row[1] != "yes" {
			rows = append(rows, row)
		}
	}
	return rows
}

func status(all []check, name string) string {
	i := slices.IndexFunc(all, func(c check) bool { return c.Name == name })
	switch {
	case i < 0:
		return "–"
	case all[i].Status == "ok":
		return "yes"
	case all[i].Detail == "":
		return "no"
	}
	return "no: " + strings.ReplaceAll(all[i].Detail, "|", "\\|")
}

func tests(suites []suite, all []*result) (rows [][]string) {
	for _, s := range suites {
		row := []string{s.name}
		for _, r := range all {
			row = append(row, cell(r.Suites[s.name]))
		}
		rows = append(rows, row)
	}
	return rows
}

func cell(t *tally) string {
	if t == nil {
		return "did not run"
	}
	s := fmt.Sprint(t.Passed)
	if n := len(t.Skipped); n > 0 {
		s += fmt.Sprintf(", %d skipped", n)
	}
	if n := len(t.Failed); n > 0 {
		s += fmt.Sprintf(", **%d failed**, the first %s", n, t.Failed[0].Test)
	}
	return s
}

// shown is how many skips of a suite the page lists.
const shown = 12

// skips lists what was skipped, and why.
func skips(suites []suite, all []*result) string {
	var b strings.Builder
	for _, r := range all {
		var lines []string
		for _, s := range suites {
			t := r.Suites[s.name]
			if t == nil {
				continue
			}
			for _, k := range t.Skipped[:min(shown, len(t.Skipped))] {
				lines = append(lines, fmt.Sprintf("- %s, `%s`: %s\n", s.name, k.Test, k.Why))
			}
			if more := len(t.Skipped) - shown; more > 0 {
				lines = append(lines, fmt.Sprintf("- %s: %d more like these\n", s.name, more))
			}
		}
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\nSkipped on %s:\n\n%s", r.Release, strings.Join(lines, ""))
		}
	}
	return b.String()
}
