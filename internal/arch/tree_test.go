package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the folder of go.mod, seen from this package.
const root = "../.."

// A file is one Go file of the tree.
type file struct {
	path  string // from the root, with slashes
	dir   string // folder of path
	test  bool
	ast   *ast.File
	lines int
	text  string
}

// parseTree returns every Go file of the module, with the positions that its
// syntax trees use.
func parseTree(t *testing.T) ([]file, *token.FileSet) {
	t.Helper()
	fset := token.NewFileSet()
	var files []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(fset, rel, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		files = append(files, file{
			path: rel, dir: filepath.ToSlash(filepath.Dir(rel)), test: strings.HasSuffix(rel, "_test.go"),
			ast: tree, lines: strings.Count(string(text), "\n"), text: string(text),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("found %d Go files under %s: this cannot be the tree", len(files), root)
	}
	return files, fset
}

// generated reports whether a tool wrote the file (go.dev/s/generatedcode).
func (f file) generated() bool { return ast.IsGenerated(f.ast) }
