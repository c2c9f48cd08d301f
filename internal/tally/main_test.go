package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTally(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		sum            sum
	}{
		{
			name: "passed output is not shown",
			in: `{"Action":"output","Package":"p","Test":"A","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"A","Elapsed":0.1}
{"Action":"pass","Package":"p","Elapsed":0.25}
`,
			want: "ok    p  250ms\n", sum: sum{passed: 1},
		},
		{
			name: "failed and skipped output is",
			in: `{"Action":"output","Package":"p","Test":"A","Output":"=== RUN A\n"}
{"Action":"output","Package":"p","Test":"A","Output":"a_test.go:1: bad\n"}
{"Action":"fail","Package":"p","Test":"A","Elapsed":0.1}
{"Action":"output","Package":"p","Test":"B","Output":"not supported\n"}
{"Action":"skip","Package":"p","Test":"B"}
{"Action":"fail","Package":"p","Elapsed":1}
`,
			want: "FAIL  p A\n      a_test.go:1: bad\nskip  p B\n      not supported\nFAIL  p  1s\n",
			sum:  sum{failed: 1, skipped: 1},
		},
		{
			name: "a package can break without a test",
			in: `{"Action":"output","Package":"p","Output":"panic: oh\n"}
{"Action":"fail","Package":"p"}
`,
			want: "FAIL  p  0s\n      panic: oh\n", sum: sum{broken: 1},
		},
		{name: "foreign lines stay", in: "go: oh\n", want: "go: oh\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			s, err := tally(strings.NewReader(c.in), &out)
			if err != nil {
				t.Fatal(err)
			}
			if s != c.sum {
				t.Errorf("sum = %+v, want %+v", s, c.sum)
			}
			if d := cmp.Diff(c.want, out.String()); d != "" {
				t.Errorf("output (-want +got):\n%s", d)
			}
		})
	}
}
