package docs

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/datapath"
	"weir/lang"
	"weir/lang/opt"
)

// machine says that -update takes the parts of the kernel anew as well. Addresses
// in them differ from load to load, so that go generate leaves them alone.
var machine = flag.Bool("machine", false, "with -update, as root: take anew what the kernel makes of a program")

// shown is the chain that how-it-works.md follows.
const shown = `def main(pkt):
    if pkt.ip4 and pkt.ip4.ttl <= 1:
        return drop("last hop")
    return PASS
`

// A stage of the page. Its text may be empty: then it could not be had.
type stage struct {
	title, words, text string
	machine            bool // depends on the kernel that it was taken from
}

// TestHowItWorks compares how-it-works.md with what the stages of the compiler
// make today. What the kernel makes of the program is taken anew with -update
// -machine, as root, and never compared.
func TestHowItWorks(t *testing.T) {
	const file = "how-it-works.md"
	old, err := os.ReadFile(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	texts := map[string]string{}
	var passes []string
	p, err := lang.Compile([]byte(shown), lang.Options{File: "ttl.weir", Dump: func(name, text string) {
		texts[name] = text
		if pass, ok := strings.CutPrefix(name, "opt/"); ok {
			passes = append(passes, pass)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	stages := []stage{
		{"The text", "What somebody wrote. It is parsed once, as Starlark: the same tree serves the top level, which runs now, and the functions, which are compiled.", shown, false},
		{"The tree", "`check` has run the top level, typed the functions, and resolved every name. `weir ir ttl.weir --stage check` prints this.", texts["check"], false},
		{"The middle form", "`lower` turns the packet into loads, and maps into calls of helpers of the kernel. Each value is assigned once; a block ends in a jump. The IPv4 header is found on the fast path if the frame has no tag; tags and extension headers are walked by a function of its own, `weir_walk`, which is left out here, as it is below. `--stage lower`.", entry(texts["lower"]), false},
		{"The passes", "Each is correct alone; the list is repeated until nothing changes. `weir ir ttl.weir --pass NAME` shows what one of them changes.\n\n" + passTable() + "\nFor this chain they changed something in this order:", strings.Join(passes, " ") + "\n", false},
		{"After the passes", "`--stage opt`.", entry(texts["opt"]), false},
		{"At several interfaces", sharedWords, sharedStart(t), false},
		{"eBPF", "`gen` has given registers to values, ordered the blocks so that the likely way falls through, and kept the source's line for each instruction. `--stage gen`.", entry(texts["gen"]), false},
		{"In the kernel", "The verifier has followed every way through the program, and the kernel has put in the addresses of maps and, for some helpers, their code. `bpftool prog dump xlated` prints this.", "", true},
		{"Machine code", "What the CPU runs: the JIT of the kernel has translated each instruction to one or a few of x86-64.", "", true},
	}
	if *update && *machine {
		stages[len(stages)-2].text, stages[len(stages)-1].text = inKernel(t, p)
	}
	for i, s := range stages {
		if s.machine && s.text == "" {
			stages[i].text = section(string(old), s.title)
		}
	}
	got := howHead
	for _, s := range stages {
		got += fmt.Sprintf("\n## %s\n\n%s\n\n```%s\n%s```\n", s.title, s.words, map[bool]string{true: "python"}[s.title == "The text"], s.text)
	}
	wantPage(t, file, got)
}

const howHead = `# How it works

One chain at every stage, from its text to machine code. A test writes this page from what the compiler does (` + "`go generate ./docs`" + `), so it shows today's compiler. The last two parts depend on the kernel and the machine that they were taken from. ` + "`weir ir FILE --jit`" + ` shows all of it side by side for a chain of yours, on the kernel at hand.
`

const sharedWords = "Interfaces of one network namespace that run the same chain have one program at each hook, loaded and verified once. " +
	"`.exits` has a row for each place then, and `.slots` says by the number of the interface where its row begins: the program looks that up first, and adds it where packets are counted. " +
	"That takes some 12 instructions and 1 ns; one interface alone does not pay for it. The beginning of that form:"

// placeFound is where a block goes when the place was found.
var placeFound = regexp.MustCompile(`call map_lookup_elem.*\n.* -> (b\d+), `)

// sharedStart is the beginning of the program in the form for several places: the block that
// looks up the place, and where it is found.
func sharedStart(t *testing.T) string {
	var text string
	_, err := lang.Compile([]byte(shown), lang.Options{File: "ttl.weir", Shared: true, Dump: func(name, s string) {
		if name == "opt" {
			text = entry(s)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	at := placeFound.FindStringSubmatch(text)
	if at == nil {
		t.Fatalf("no place is looked up:\n%s", text)
	}
	return basicBlock(text, "b0") + basicBlock(text, at[1])
}

// basicBlock returns a block of a function in the middle form.
func basicBlock(text, name string) string {
	_, text, _ = strings.Cut(text, "\n"+name+":")
	end := strings.Index(text, "\nb")
	return name + ":" + text[:end+1]
}

// passTable lists the passes with what they promise.
func passTable() string {
	var b strings.Builder
	b.WriteString("| pass | |\n|---|---|\n")
	for _, name := range opt.Names() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, opt.Contract(name))
	}
	return b.String()
}

// entry cuts the text of a stage before its second function.
func entry(text string) string {
	for _, begin := range []string{"\nglobal ", "\nstatic ", "\ncallback "} {
		text, _, _ = strings.Cut(text, begin)
	}
	return strings.TrimSpace(text) + "\n"
}

// section returns the block of the part of a page with that title.
func section(page, title string) string {
	_, page, _ = strings.Cut(page, "\n## "+title+"\n")
	_, page, _ = strings.Cut(page, "\n```\n")
	page, _, _ = strings.Cut(page, "```")
	return page
}

// inKernel loads the program and returns what the kernel has made of it: its
// own instructions, and machine code. They are empty where the kernel or the
// tools do not show them.
func inKernel(t *testing.T, p *lang.Program) (xlated, jited string) {
	s, err := datapath.Load(p, datapath.LoadOptions{})
	if err != nil {
		t.Logf("the parts of the kernel stay as they are: %v", err)
		return "", ""
	}
	defer s.Close()
	info, err := s.Object(p).Info()
	if err != nil {
		t.Fatal(err)
	}
	ins, err := info.Instructions()
	if err != nil {
		t.Fatal(err)
	}
	funcs, err := info.FuncInfos()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for it := ins.Iterate(); it.Next() && (len(funcs) < 2 || it.Offset < funcs[1].Offset); {
		fmt.Fprintf(&b, "%4d: %v\n", it.Offset, it.Ins)
	}
	code, ok := info.JitedInsns()
	lens, ok2 := info.JitedFuncLens()
	if !ok || !ok2 || len(lens) == 0 {
		return b.String(), ""
	}
	return b.String(), disassemble(t, code[:lens[0]])
}

var dumped = regexp.MustCompile(`(?m)^ *([0-9a-f]+):\t(?:[0-9a-f]{2} )+ *\t?(.*)$`)

// disassemble returns x86-64 machine code as text, as objdump has it.
func disassemble(t *testing.T, code []byte) string {
	file := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(file, code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "-w", file).Output()
	if err != nil {
		t.Logf("the machine code stays as it is: objdump: %v", err)
		return ""
	}
	var b strings.Builder
	for _, m := range dumped.FindAllStringSubmatch(string(out), -1) {
		fmt.Fprintf(&b, "%4s: %s\n", m[1], strings.TrimSpace(m[2]))
	}
	return b.String()
}
