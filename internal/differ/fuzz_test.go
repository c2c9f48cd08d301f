package differ

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/datapath"
	"weir/hook"
	"weir/internal/child"
	"weir/lang"
	"weir/lang/diag"
	"weir/lang/ref"
)

func TestMain(m *testing.M) {
	child.MaybeServe()
	os.Exit(m.Run())
}

// patience is how long the compiler may take for a text that a fuzzer made: far
// above its own limits of time, so that only a hang is told.
const patience = 90 * time.Second

// hungry texts may ask for much memory at build time. They are compiled as weir
// itself does it, in a child under a limit; others in this process, where the
// fuzzer sees which code they reach.
var hungry = regexp.MustCompile(`\*|<<|\+=|\d{5}|join|0x`)

// FuzzCompile hands texts to the compiler and what it accepts to the kernel.
// Whatever the text: it is a program that loads, or there is a diagnostic that
// says what to do. A seed other than zero changes words of the text for words of
// the stock, which leads deeper than changed bytes do.
func FuzzCompile(f *testing.F) {
	texts := stockTexts(f)
	pool := words(texts)
	for i, t := range texts {
		f.Add(t, uint64(i))
		f.Add(t, uint64(0))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		if len(text) > 8<<10 {
			return
		}
		if seed != 0 {
			text = mutate(text, rand.New(rand.NewPCG(seed, 0)), pool)
		}
		h := hook.All()[seed%uint64(len(hook.All()))]
		p, err := compileText(t, text, h)
		if err != nil {
			wantDiagnostics(t, text, err)
			return
		}
		if roomOf(p) > 16<<20 || os.Geteuid() != 0 {
			return // the machine has other users; the kernel loads programs for root only
		}
		s, err := datapath.Load(p, datapath.LoadOptions{Interface: func(string) (uint32, error) { return lo, nil }})
		if err != nil {
			t.Fatalf("accepted at %s, but does not load: %v\n%s", h, err, text)
		}
		s.Close()
	})
}

// stockTexts are the chains of the corpus and the library, the examples, and the
// wrong programs of the checker's tests.
func stockTexts(f *testing.F) []string {
	var texts []string
	for _, pattern := range []string{
		"../../lang/testdata/corpus/*.weir", "../../lang/std/*.weir", "../../examples/*.weir",
		"../../lang/check/testdata/errors/*.weir", "../../lang/check/testdata/mistakes/*.weir",
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no files %s: %v", pattern, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			texts = append(texts, pieces(string(b))...)
		}
	}
	return texts
}

// pieces splits a file of wrong programs, and a long file of the corpus into one
// text for each of its chains.
func pieces(text string) []string {
	if _, all, ok := strings.Cut("\n"+text, "\n=== "); ok {
		var out []string
		for _, c := range strings.Split(all, "\n=== ") {
			_, c, _ = strings.Cut(c, "\n")
			out = append(out, strings.Split(c, "--- right\n")...)
		}
		return out
	}
	defs := regexp.MustCompile(`(?m)^def [a-z]\w*\(pkt\):\n(?:(?:[ \t#].*)?\n)*`)
	chains := defs.FindAllString(text, -1)
	if len(chains) < 2 {
		return []string{text}
	}
	head := defs.ReplaceAllString(text, "")
	name := regexp.MustCompile(`^def \w+`)
	var out []string
	for _, c := range chains {
		out = append(out, head+"\n"+name.ReplaceAllString(c, "def main"))
	}
	return out
}

var wordOf = regexp.MustCompile(`[A-Za-z_]\w*|\d\w*|"[^"\n]*"|[-+*/%&|^<>=!]+|[(),.:\[\]{}]|\n[ ]*|[ ]+|.`)

// words lists the words that the texts are made of, each once.
func words(texts []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, t := range texts {
		for _, w := range wordOf.FindAllString(t, -1) {
			if !seen[w] && strings.TrimSpace(w) != "" {
				seen[w] = true
				out = append(out, w)
			}
		}
	}
	return out
}

// mutate changes one to six words of a text.
func mutate(text string, r *rand.Rand, pool []string) string {
	ws := wordOf.FindAllString(text, -1)
	for range 1 + r.IntN(6) {
		if len(ws) == 0 {
			break
		}
		i, j := r.IntN(len(ws)), r.IntN(len(ws))
		switch r.IntN(6) {
		case 0:
			ws[i] = ""
		case 1:
			ws[i], ws[j] = ws[j], ws[i]
		case 2:
			ws[i] += " " + ws[j]
		case 3:
			ws[i] = ws[j]
		default:
			ws[i] = pool[r.IntN(len(pool))]
		}
	}
	return strings.Join(ws, "")
}

// compileText compiles a text and fails where the compiler hangs.
func compileText(t *testing.T, text string, h hook.Hook) (p *lang.Program, err error) {
	t.Helper()
	if hungry.MatchString(text) {
		ps, _, err := child.Compile(t.Context(), child.Request{
			File: "fuzz.weir", Source: []byte(text), Forms: []child.Form{{Hook: h}},
		}, child.Limits{})
		if err != nil {
			return nil, err
		}
		return ps[0], nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p, err = lang.Compile([]byte(text), lang.Options{File: "fuzz.weir", Hook: h, Load: func(string) ([]byte, error) {
			return nil, os.ErrNotExist
		}})
	}()
	select {
	case <-done:
		return p, err
	case <-time.After(patience):
		t.Fatalf("the compiler hangs on\n%s", text)
		return nil, nil
	}
}

// wantDiagnostics fails where the error is a fault of the compiler, or helps nobody.
func wantDiagnostics(t *testing.T, text string, err error) {
	t.Helper()
	var list diag.List
	if !errors.As(err, &list) || len(list) == 0 {
		t.Fatalf("no diagnostic: %v\n%s", err, text)
	}
	for _, d := range list {
		if d.Code == "internal" || d.Message == "" || d.Hint == "" && !d.Warning {
			t.Fatalf("%s\n%s", d, text)
		}
	}
}

// roomOf is about what the maps of a program take, in octets.
func roomOf(p *lang.Program) (n uint64) {
	for _, m := range p.Maps {
		n += uint64(m.Spec.MaxEntries) * uint64(m.Spec.KeySize+m.Spec.ValueSize+64)
	}
	return n
}

// FuzzWalk runs a chain that reads every field of every header, and every read
// of bytes, on frames that a fuzzer made: the kernel finds what the reference
// finds, at each variant.
func FuzzWalk(f *testing.F) {
	for _, fr := range stock() {
		f.Add(fr.Data)
	}
	type pair struct {
		name   string
		kernel *kernel
		want   *ref.Chain
	}
	var pairs []pair
	for _, v := range variants {
		c := Case{File: "walk.weir", Source: []byte(walker(v.hook.Info().Ethernet))}
		k, want, err := c.open(v.hook, v.frags)
		if err != nil {
			f.Fatalf("%s: %v", v.name, err)
		}
		f.Cleanup(k.close)
		pairs = append(pairs, pair{v.name, k, want})
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < 14 || len(frame) > 1514 {
			return
		}
		for _, p := range pairs {
			err := p.kernel.compare(p.want, Frame{Data: bytes.Clone(frame)})
			if err == nil {
				err = p.kernel.compareState(p.want)
			}
			if err != nil {
				t.Fatalf("%s: %v\n%x\n%s", p.name, err, frame, p.kernel.c.Source)
			}
		}
	})
}

// walked are the headers and fields that the walker reads. The language's manual
// has the list; a field that is missing here is not walked.
var walked = []struct{ header, ints, values string }{
	{"eth", "type", "src dst"},
	{"vlan", "id prio dei type", ""},
	{"vlan2", "id prio dei type", ""},
	{"ip4", "proto ttl dscp ecn len id frag_off mf df ihl", "src dst"},
	{"ip6", "next hop_limit dscp ecn flow", "src dst"},
	{"ip", "proto ttl dscp ecn len fragment", "src dst"},
	{"tcp", "sport dport seq ack window doff flags syn ack_flag fin rst psh urg ece cwr ae", ""},
	{"udp", "sport dport len", ""},
	{"sctp", "sport dport tag", ""},
	{"l4", "sport dport", ""},
	{"icmp4", "type code id seq", ""},
	{"icmp6", "type code id seq", ""},
}

// walker is the text of a chain that keeps all that it reads in maps, one for
// each type of value.
func walker(ethernet bool) string {
	var body strings.Builder
	sizes := map[string]int{}
	keep := func(kind, x string) {
		fmt.Fprintf(&body, "    %ss[%d] = %s\n", kind, sizes[kind], x)
		sizes[kind]++
	}
	for _, w := range walked {
		if !ethernet && slices.Contains([]string{"eth", "vlan", "vlan2"}, w.header) {
			continue
		}
		keep("u64", "1 if pkt."+w.header+" else 0")
		for _, f := range strings.Fields(w.ints) {
			keep("u64", "pkt."+w.header+"."+f+" + 0")
		}
		kind := w.header
		if kind == "eth" {
			kind = "mac"
		}
		for _, f := range strings.Fields(w.values) {
			keep(kind, "pkt."+w.header+"."+f)
		}
	}
	for _, x := range []string{
		"pkt.len", "pkt.payload.len", "1 if pkt.payload else 0", `1 if pkt.payload.startswith(b"GET ") else 0`,
		"pkt.u8(12)", "pkt.u16(pkt.len - 2)", "pkt.u32(20)", "pkt.u64(pkt.len // 2)",
		"pkt.payload.u8(0)", "pkt.payload.u16(1)", "pkt.payload.u32(pkt.payload.len - 4)", "pkt.payload.u64(3)",
	} {
		keep("u64", x)
	}
	var head strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(sizes)) {
		fmt.Fprintf(&head, "%[1]ss = array(%[1]s, size = %[2]d)\n", kind, sizes[kind])
	}
	return head.String() + "\ndef main(pkt):\n" + body.String() + "    return PASS\n"
}
