// Package arch holds the shape of the tree, as tests: which folder may import
// which and why, what every package and exported name says about itself, how
// long a file may be, which tests may be skipped, and that every dependency is
// accounted for in docs/dependencies.md.
//
// There is no code in it, only rules; each prints its reason when it is broken.
// A folder that is not in the table of imports_test.go fails: where a new one
// stands is decided there.
package arch
