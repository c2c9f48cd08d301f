// Package std is the standard library of the language, written in the language
// and embedded in the binary.
//
// A module is known by the name that chains load it by, std/NAME.weir. Beside it
// stands a sample, samples/NAME.weir: a chain that shows what the module is for, which
// the manual prints, the tests run on packets of all kinds, and the benchmark measures.
// Its own tests are testdata/NAME_test.weir.
//
// The package hands out texts only; compiling them is package check's business.
package std

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.weir samples/*.weir
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
		if !e.IsDir() {
			names = append(names, prefix+e.Name())
		}
	}
	return names
}

// Sample returns the text of a chain that uses the module of that name.
func Sample(name string) ([]byte, error) {
	text, err := files.ReadFile("samples/" + strings.TrimPrefix(name, prefix))
	if err != nil {
		return nil, fmt.Errorf("read sample of %s: %w", name, fs.ErrNotExist)
	}
	return text, nil
}

// Summary returns the first line of a module: what it is, in a sentence.
func Summary(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimPrefix(string(text), `"""`), "\n")
	return line
}
