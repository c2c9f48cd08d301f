package check_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/hook"
	"weir/internal/golden"
	"weir/lang/check"
)

// columns are the hooks of the matrix: of those that can do the same, one.
var columns = []hook.Hook{
	hook.XDP, hook.Socket, hook.TCIngress, hook.NetfilterInput, hook.CgroupIngress, hook.TCEgress,
}

// TestMatrix holds which chains every hook takes, and why it refuses the others: a
// chain that is refused where it was taken fails the test.
func TestMatrix(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Chains and hooks: x for taken, - for refused. Made by go test ./lang/check -update\n#")
	for _, h := range columns {
		fmt.Fprintf(&b, " %s", h)
	}
	b.WriteByte('\n')
	for _, pattern := range []string{"../testdata/corpus/*.weir", "../testdata/tc/*.weir", "../testdata/fib/*.weir", "../testdata/cookies/*.weir", "../std/samples/*.weir", "../../examples/*.weir"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, f := range files {
			if strings.HasPrefix(filepath.Base(f), "mod_") {
				continue
			}
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range chainDef.FindAllSubmatch(src, -1) {
				if name := string(m[1]); name == "main" || strings.Contains(f, "/testdata/") {
					b.WriteString(matrixRow(t, f, name, src))
				}
			}
		}
	}
	update := flag.Lookup("update").Value.(flag.Getter).Get().(bool)
	golden.Compare(t, "testdata/matrix.golden", b.String(), update, "go test ./lang/check -update")
}

// matrixRow is a line of the matrix: FILE:FUNC, a mark a hook, and the reasons, with
// H for the name of the hook.
func matrixRow(t *testing.T, file, name string, src []byte) string {
	marks, why := "", []string{}
	for _, h := range columns {
		_, list := check.Check(file, src, check.Options{Func: name, Hook: h, Load: os.ReadFile})
		err := list.Err()
		if err == nil {
			marks += "x"
			continue
		}
		marks += "-"
		first := true // what comes after the first may come of it
		for _, d := range list {
			if d.Warning {
				continue
			}
			reason := strings.ReplaceAll(d.Message, h.String(), "H")
			if first && d.Code != "hook" {
				t.Errorf("%s:%s at %s: %v", file, name, h, d)
			}
			if d.Code == "hook" && !strings.Contains(strings.Join(why, "; "), reason) {
				why = append(why, reason)
			}
			first = false
		}
	}
	row := fmt.Sprintf("%-50s %s", strings.TrimPrefix(strings.TrimPrefix(file, "../"), "../")+":"+name, marks)
	if len(why) > 0 {
		row += "  " + strings.Join(why, "; ")
	}
	return row + "\n"
}
