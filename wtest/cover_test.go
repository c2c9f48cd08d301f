package wtest

import (
	"bytes"
	"strings"
	"testing"
)

const branches = `load("./mod.weir", "classify")
UNUSED = [x for x in range(3)]

def helper(n):
    return n * 2

SIX = helper(3)

def main(pkt):
    """Says what it does."""
    if pkt.udp:
        kind = classify(pkt.udp.dport)
        if kind == 1: return DROP
        return PASS
    elif pkt.tcp:
        return PASS
    for i in range(3):
        count("turn")
    return PASS

def never(pkt):
    return DROP
`

const module = `def classify(port):
    if port == 53:
        return 1
    return 2
`

// TestCoverage: statements are counted where packets reach them, and those that none
// reaches are known, also in functions that no test runs.
func TestCoverage(t *testing.T) {
	files := map[string]string{"a.weir": branches, "mod.weir": module, "a_test.weir": `load("./a.weir", "main")
def test_udp(port = cases([53, 80, 81])):
    run(main, packet(ip4(), udp(dport = port)))
def test_other():
    run(main, packet(arp()))
    run(main, packet(ip4()), hook = "tc-ingress")
`}
	c := NewCoverage()
	if got := runs(t, files, "a_test.weir", Options{Cover: c}); strings.Contains(got, "error") || strings.Count(got, "passed") != 4 {
		t.Fatal(got)
	}
	var text bytes.Buffer
	if err := c.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	want := `a.weir: 81.8% of 11 statements
                1  load("./mod.weir", "classify")
                2  UNUSED = [x for x in range(3)]
                3  
                4  def helper(n):
                5      return n * 2
                6  
                7  SIX = helper(3)
                8  
                9  def main(pkt):
               10      """Says what it does."""
         5     11      if pkt.udp:
         3     12          kind = classify(pkt.udp.dport)
         1     13          if kind == 1: return DROP
         2     14          return PASS
         2     15      elif pkt.tcp:
         0 !   16          return PASS
         2     17      for i in range(3):
         6     18          count("turn")
         2     19      return PASS
               20  
               21  def never(pkt):
         0 !   22      return DROP
mod.weir: 100.0% of 3 statements
                1  def classify(port):
         3      2      if port == 53:
         1      3          return 1
         2      4      return 2
`
	if text.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", &text, want)
	}
	if got := c.Files()[0].Missed(); got != "16, 22" {
		t.Errorf("missed %s", got)
	}
	var page bytes.Buffer
	if err := c.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"<h2>a.weir: 81.8%", `<tr class="missed"><td class="n">0</td><td class="n">16</td>`, `<tr class="reached"><td class="n">6</td>`} {
		if !strings.Contains(page.String(), part) {
			t.Errorf("the page lacks %s", part)
		}
	}
}
