package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/lang/check"
)

const extension = "../../docs/editors/vscode"

// TestFresh: the grammar in the tree has the words that the compiler has.
func TestFresh(t *testing.T) {
	got, err := os.ReadFile(filepath.Join(extension, "syntaxes/weir.tmLanguage.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, text()) {
		t.Error("the grammar is not what the compiler's tables give: run go generate ./internal/grammar")
	}
}

// TestWords: every word is coloured by a rule, as a whole and not as a part of
// another.
func TestWords(t *testing.T) {
	matches := map[string][]*regexp.Regexp{}
	for _, r := range build().Patterns {
		words := strings.TrimSuffix(r.Match, notLocal) // Go has no look-ahead
		if re, err := regexp.Compile(words); err == nil && words != "" {
			matches[r.Name] = append(matches[r.Name], re)
		}
	}
	coloured := func(word, scope string) bool {
		for _, re := range matches[scope] {
			if re.FindString(word) == word {
				return true
			}
		}
		return false
	}
	scopes := []string{
		"support.function.builtin.weir", "constant.language.verdict.weir", "constant.language.weir", "support.type.weir",
	}
	for _, w := range check.Builtins() {
		found := 0
		for _, s := range scopes {
			if coloured(w.Name, s) {
				found++
			}
			if coloured(w.Name+"x", s) || coloured("x"+w.Name, s) {
				t.Errorf("%s is coloured inside of another name", w.Name)
			}
		}
		if found != 1 {
			t.Errorf("%d rules colour the builtin %s, want 1", found, w.Name)
		}
	}
	for _, k := range check.Keywords() {
		if !coloured(k, "keyword.control.weir") && !coloured(k, "keyword.operator.logical.weir") && !coloured(k, "storage.type.function.weir") {
			t.Errorf("no rule colours the keyword %s", k)
		}
	}
	for _, o := range check.Owners() {
		for _, a := range check.Attributes(o) {
			if !coloured("."+a.Name, "") {
				t.Errorf("no rule colours %s.%s", o, a.Name)
			}
		}
	}
}

// TestExtension: the files of the extension can be read, and those that its
// description names are there.
func TestExtension(t *testing.T) {
	var p struct {
		Main        string
		Contributes struct {
			Languages []struct{ Configuration string }
			Grammars  []struct{ Path, ScopeName string }
		}
	}
	read(t, "package.json", &p)
	if len(p.Contributes.Languages) != 1 || len(p.Contributes.Grammars) != 1 {
		t.Fatalf("package.json has %+v, want one language and one grammar", p.Contributes)
	}
	if p.Contributes.Grammars[0].ScopeName != build().ScopeName {
		t.Errorf("package.json names the scope %s, the grammar %s", p.Contributes.Grammars[0].ScopeName, build().ScopeName)
	}
	var any map[string]any
	read(t, p.Contributes.Languages[0].Configuration, &any)
	read(t, p.Contributes.Grammars[0].Path, &any)
	if _, err := os.Stat(filepath.Join(extension, p.Main)); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, name string, to any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(extension, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
