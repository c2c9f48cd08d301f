package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"weir/internal/skeleton"
	"weir/lang"
	"weir/wtest"
)

// moduleName is a name that C and chains both take.
var moduleName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// cWords are the keywords of C (ISO/IEC 9899:2018, 6.4.1, and what C23 adds) in small
// letters, and what clang adds.
var cWords = strings.Fields(`alignas alignof asm auto bool break case char const constexpr continue default do
double else enum extern false float for goto if inline int long nullptr register restrict return short signed
sizeof static static_assert struct switch thread_local true typedef typeof typeof_unqual union unsigned void
volatile while`)

// unfit says why a module cannot have the name, with what to do; it is empty if it can.
func unfit(name string, inWeir bool) string {
	other := func(why string) string {
		return fmt.Sprintf("%q is no name for a module: %s: take another one, as in score", name, why)
	}
	word, builtin := lang.Taken(name)
	switch {
	case !moduleName.MatchString(name):
		return fmt.Sprintf("%q is no name for a module: take small letters, digits and _, as in score", name)
	case len(name) > 64:
		return other("it is longer than 64 letters")
	case word:
		return other("it is a word of the language")
	case builtin:
		return other("every chain has " + name + " already")
	case wtest.Knows(name):
		return other("every test has " + name + " already")
	case strings.HasSuffix(name+".weir", wtest.Suffix):
		return other("files whose names end in " + wtest.Suffix + " are tests")
	case !inWeir && slices.Contains(cWords, name):
		return other("it is a word of C")
	case skeleton.Uses(name, inWeir):
		return other("what is written has something else of that name")
	}
	return ""
}
