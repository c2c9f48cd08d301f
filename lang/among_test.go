package lang_test

import (
	"fmt"
	"slices"
	"testing"

	"weir/hook"
	"weir/lang"
)

// Chains that run under one name at different places call what they share alike,
// whatever else is at the place; alone, too, they are called after their chain.
func TestAmong(t *testing.T) {
	files := map[string]string{
		"lists.weir":  "blocked = table(ip4, size = 10)\nlimit = param(u32, 5)\n",
		"shield.weir": "load(\"./lists.weir\", \"blocked\", \"limit\")\nown = table(ip4, size = 10)\ndef main(pkt):\n    if pkt.ip4.src in blocked or pkt.ip4.src in own:\n        count(\"hit\")\n        return DROP\n    if pkt.len < limit:\n        return DROP\n",
		"edge.weir":   "load(\"./lists.weir\", \"blocked\", \"limit\")\nown = table(ip4, size = 10)\nmine = param(u32, 7)\ndef main(pkt):\n    if pkt.ip4.dst in blocked or pkt.ip4.src in own or pkt.len < mine + limit:\n        return DROP\ndef outgoing(pkt):\n    if pkt.ip4.src in own:\n        count(\"out\")\n        return DROP\n",
	}
	part := func(file, fn string) lang.Part { return lang.Part{File: file, Func: fn, Source: []byte(files[file])} }
	among := []lang.Part{part("shield.weir", ""), part("edge.weir", "")}
	read := func(name string) ([]byte, error) {
		if s, ok := files[name]; ok {
			return []byte(s), nil
		}
		return nil, fmt.Errorf("no %s", name)
	}
	names := func(parts ...lang.Part) (out []string) {
		p, err := lang.Compile(parts[0].Source, lang.Options{
			File: parts[0].File, Func: parts[0].Func, Then: parts[1:], Among: among, Hook: hook.TCIngress, Load: read,
		})
		if err != nil {
			t.Fatal(err)
		}
		again, err := p.Again(lang.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range again.Maps {
			if m.System == lang.User {
				out = append(out, m.Name)
			}
		}
		for _, x := range again.Params {
			out = append(out, x.Name)
		}
		return append(out, again.Counts...)
	}
	for _, c := range []struct {
		parts []lang.Part
		want  []string
	}{
		{among, []string{"edge.own", "lists.blocked", "shield.own", "edge.mine", "lists.limit", "shield.hit"}},
		{among[:1], []string{"lists.blocked", "shield.own", "lists.limit", "shield.hit"}},
		{[]lang.Part{part("edge.weir", "")}, []string{"edge.own", "lists.blocked", "edge.mine", "lists.limit"}},
		{[]lang.Part{part("edge.weir", "outgoing")}, []string{"edge.own", "edge.mine", "edge.out"}},
	} {
		got := names(c.parts...)
		for _, w := range c.want {
			if !slices.Contains(got, w) {
				t.Errorf("%v: %v, want %v", c.parts[0].File+":"+c.parts[0].Func, got, c.want)
			}
		}
	}
}

// What is wrong with a file is told, although its build time ran for the names' sake.
func TestAmongWrong(t *testing.T) {
	for name, text := range map[string]string{
		"a name":        "def main(pkt):\n    return nosuch\n",
		"a syntax":      "def main(pkt:\n",
		"at build time": "x = 1 // 0\ndef main(pkt):\n    return DROP\n",
	} {
		among := []lang.Part{{File: "edge.weir", Source: []byte(text)}}
		if _, err := lang.Compile(among[0].Source, lang.Options{File: "edge.weir", Among: among, Hook: hook.XDP}); err == nil {
			t.Errorf("%s: it compiles", name)
		}
	}
}
