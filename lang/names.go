package lang

import (
	"slices"

	"weir/lang/check"
)

// Taken reports whether a name can be none of a file's own, since it is a word of the
// language, and whether every file has something of that name.
func Taken(name string) (word, builtin bool) {
	return check.Reserved(name), slices.ContainsFunc(check.Builtins(), func(w check.Word) bool { return w.Name == name })
}
