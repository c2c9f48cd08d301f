// Package skeleton holds what one begins a module with: a module in C or in the
// language, a chain that loads it, and tests of both. The files are templates in
// which NAME stands for the name of the module, also in their names.
package skeleton

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"weir/examples/modules"
)

//go:embed c weir
var templates embed.FS

// A File is one file of a skeleton.
type File struct {
	Name    string
	Content []byte
}

// Module returns the files of a module: in C, or, if native is set, in the language.
// The name is an identifier.
func Module(name string, native bool) ([]File, error) {
	folder := folderOf(native)
	entries, err := fs.ReadDir(templates, folder)
	if err != nil {
		return nil, fmt.Errorf("read skeleton %s: %w", folder, err)
	}
	var files []File
	for _, e := range entries {
		text, err := templates.ReadFile(folder + "/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read skeleton %s: %w", folder, err)
		}
		fill := func(s string) string { return strings.ReplaceAll(strings.TrimSuffix(s, ".txt"), "NAME", name) }
		files = append(files, File{fill(e.Name()), []byte(fill(string(text)))})
	}
	if !native {
		header, err := modules.Load("c/bpf.h")
		if err != nil {
			return nil, err
		}
		files = append(files, File{"bpf.h", header})
	}
	return files, nil
}

func folderOf(native bool) string {
	if native {
		return "weir"
	}
	return "c"
}

var (
	silent = regexp.MustCompile(`(?s)/\*.*?\*/|""".*?"""|"[^"\n]*"`) // comments and texts
	word   = regexp.MustCompile(`\.?\b[A-Za-z_][A-Za-z0-9_]*`)
)

// Uses reports whether files of the skeleton call something by the name, or have it as
// a name of theirs, so that a module of that name is not told from it.
func Uses(name string, native bool) bool {
	files, err := Module("NAME", native)
	if err != nil {
		return false // Module says so again
	}
	for _, f := range files {
		if strings.TrimSuffix(f.Name, ".weir") == name {
			return true
		}
		for _, w := range word.FindAllString(silent.ReplaceAllString(string(f.Content), ""), -1) {
			if w == name { // what is behind a dot belongs to something
				return true
			}
		}
	}
	return false
}
