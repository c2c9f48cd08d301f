package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// The table of the manual is what the collector describes.
func TestManual(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(weir_\\w+)` \\| ([^|]+) \\| (\\w+) \\| [^|]+ \\|$").FindAllStringSubmatch(string(text), -1) {
		told[m[1]] = m[3] + " " + strings.ReplaceAll(strings.Trim(m[2], "–"), " ", "")
	}
	is := map[string]string{}
	kinds := map[prometheus.ValueType]string{prometheus.CounterValue: "counter", prometheus.GaugeValue: "gauge"}
	for _, m := range all {
		is[m.name] = kinds[m.kind] + " " + strings.Join(m.labels, ",")
	}
	if d := cmp.Diff(is, told); d != "" {
		t.Errorf("docs/metrics.md (-collector +table):\n%s", d)
	}
	for _, line := range regexp.MustCompile(`(?m)^\S.*weir_\w+.*[<>=].*$`).FindAllString(string(text), -1) {
		expr, _, _ := strings.Cut(line, "   ")
		checkExpr(t, expr)
	}
}

// The dashboard asks only for what the collector gives, by labels that are there, and
// shows in legends only labels that are left.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../docs/grafana/weir.json")
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	var asked []string
	walkJSON(tree, func(o map[string]any) {
		expr, ok := o["expr"].(string)
		if q, isVar := o["definition"].(string); isVar {
			checkQuery(t, q)
		}
		if !ok {
			return
		}
		labels := checkExpr(t, expr)
		asked = append(asked, metricName.FindAllString(expr, -1)...)
		for _, key := range []string{"legendFormat", "titleFormat"} {
			legend, _ := o[key].(string)
			for _, m := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(legend, -1) {
				if !slices.Contains(labels, m[1]) {
					t.Errorf("%s: the legend %q shows %s, and there is %v", expr, legend, m[1], labels)
				}
			}
		}
	})
	for _, m := range all {
		if !slices.Contains(asked, m.name) {
			t.Errorf("no panel shows %s", m.name)
		}
	}
}

func walkJSON(v any, f func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		f(v)
		for _, x := range v {
			walkJSON(x, f)
		}
	case []any:
		for _, x := range v {
			walkJSON(x, f)
		}
	}
}

var (
	metricName = regexp.MustCompile(`\bweir_\w+`)
	selector   = regexp.MustCompile(`\b(\w+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	labelQuery = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
)

// labelsOf returns the labels of a metric that Prometheus has stored.
func labelsOf(t *testing.T, name string) []string {
	t.Helper()
	i := slices.IndexFunc(all, func(m *metric) bool { return m.name == name })
	if i < 0 {
		t.Errorf("there is no metric %s", name)
		return nil
	}
	return append([]string{"instance", "job"}, all[i].labels...)
}

// checkExpr checks the metrics and labels of an expression, and returns the labels of
// what it gives.
func checkExpr(t *testing.T, expr string) []string {
	t.Helper()
	var labels []string
	for _, name := range metricName.FindAllString(expr, -1) {
		has := labelsOf(t, name)
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				if m[1] == name && !slices.Contains(has, l[1]) {
					t.Errorf("%s: %s has no label %s", expr, name, l[1])
				}
			}
		}
		labels = has
	}
	if labels == nil {
		t.Errorf("%s asks for no metric", expr)
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		by := strings.Split(m[1], ", ")
		for _, name := range metricName.FindAllString(expr, -1) {
			for _, l := range by {
				if !slices.Contains(labelsOf(t, name), l) {
					t.Errorf("%s: %s has no label %s", expr, name, l)
				}
			}
		}
		labels = by
	}
	return labels
}

// checkQuery checks where a variable has its values from.
func checkQuery(t *testing.T, query string) {
	t.Helper()
	m := labelQuery.FindStringSubmatch(query)
	if m == nil {
		t.Errorf("query %q", query)
		return
	}
	if labels := checkExpr(t, m[1]); !slices.Contains(labels, m[2]) {
		t.Errorf("%s: there is %v", query, labels)
	}
}
