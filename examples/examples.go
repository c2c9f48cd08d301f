// Package examples holds chains to read, copy and change. Each is a file that
// works as it is; the demos run them, too.
package examples

import (
	"embed"
	"fmt"
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
