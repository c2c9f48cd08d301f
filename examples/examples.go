// Package examples holds chains to read, copy and change. Each is a file that
// works as it is; the demos run them, too.
package examples

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.weir
var files embed.FS

// MustRead returns the text of an example, NAME.weir. It panics if there is
// none of that name.
func MustRead(name string) []byte {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("example %s: %v", name, err))
	}
	return text
}

// Names returns the file names of the examples, sorted, without their tests.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("examples: %v", err)) // it is embedded
	}
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "_test.weir") {
			names = append(names, e.Name())
		}
	}
	return names
}
