// Package std is the standard library of the language, written in the language
// and embedded in the binary.
//
// A module is known by the name that chains load it by, std/NAME.weir. The
// package hands out texts only; compiling them is package check's business.
package std

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.weir
var files embed.FS

// prefix is what the names of all modules begin with.
const prefix = "std/"

// Read returns the text of the module of that name, std/NAME.weir. The error
// wraps fs.ErrNotExist if there is none.
func Read(name string) ([]byte, error) {
	base, ok := strings.CutPrefix(name, prefix)
	if !ok || strings.Contains(base, "/") {
		return nil, fmt.Errorf("read module %s: %w", name, fs.ErrNotExist)
	}
	text, err := files.ReadFile(base)
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", name, fs.ErrNotExist)
	}
	return text, nil
}

// Names returns the names of all modules, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // an embedded folder can be read
	}
	var names []string
	for _, e := range entries {
		names = append(names, prefix+e.Name())
	}
	return names
}
