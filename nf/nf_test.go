package nf_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"weir/config"
	"weir/datapath"
	"weir/internal/child"
	"weir/internal/nstest"
	"weir/lang/diag"
	"weir/lang/gen"
	"weir/nf"
	"weir/state"
)

func TestMain(m *testing.M) {
	child.MaybeServe()
	os.Exit(m.Run())
}

// A fence is a section: it drops the kinds of frames that a file lists.
type fence struct {
	Pos   diag.Pos
	List  string `yaml:"list" doc:"a file of kinds of frames"`
	Limit string `yaml:"limit" doc:"kinds from this one on are dropped, too"`
}

func (f *fence) Fill(s *nf.Setup) {
	if f.Limit == "0" {
		s.Errorf(f.Pos, "write 1 or more", "a limit of 0 drops all")
	}
	if f.Limit != "" {
		s.Params = append(s.Params, config.Param{Pos: f.Pos, Name: "fence.limit", Value: f.Limit})
	}
	if f.List != "" {
		at := filepath.Join(filepath.Dir(f.Pos.File), f.List)
		s.Maps = append(s.Maps, config.Content{Pos: f.Pos, Name: "fence.kinds", Files: []config.Path{{Pos: f.Pos, Path: at}}})
	}
}

const chainText = `limit = param(u16, 65535)
kinds = table(u16, size = 8)
def main(pkt):
    if pkt.eth and (pkt.eth.type in kinds or pkt.eth.type >= limit):
        return drop("fenced")
    return PASS
`

var options = nf.Options(nf.Function{
	Name:  "fence",
	New:   func() nf.Section { return new(fence) },
	Files: fstest.MapFS{"fence.weir": {Data: []byte(chainText)}},
})

// TestCopiedOut: the chain as a file of its own is the same program.
func TestCopiedOut(t *testing.T) {
	dir := t.TempDir()
	var programs []string
	for _, chain := range []string{"fence", "./fence.weir"} {
		name := filepath.Join(dir, "c.yaml")
		check(t, os.WriteFile(filepath.Join(dir, "fence.weir"), []byte(chainText), 0o600))
		check(t, os.WriteFile(name, []byte("interfaces: { lo: { xdp: "+chain+" } }"), 0o600))
		c, err := config.Load(name, options)
		check(t, err)
		d, err := state.Resolve(t.Context(), c)
		check(t, err)
		is, err := d.Chains[0].Program.Instructions("", gen.AssembleOptions{})
		check(t, err)
		var b bytes.Buffer
		check(t, is.Marshal(&b, binary.LittleEndian))
		programs = append(programs, b.String())
	}
	if programs[0] != programs[1] || programs[0] == "" {
		t.Errorf("%d and %d octets differ", len(programs[0]), len(programs[1]))
	}
}

const after = `seen = table(u16, u64, size = 8)
def main(pkt):
    if pkt.eth:
        seen[pkt.eth.type] += 1
    return PASS
`

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestFunction: what a section lists is dropped by the chain of the function, and the
// chain after it sees the rest. The config is read from a bundle, its files are gone.
func TestFunction(t *testing.T) {
	n, dir := nstest.New(t), t.TempDir()
	k := datapath.Kernel{Root: filepath.Join(nstest.BPFFS(t), "weir"), Lock: filepath.Join(dir, "lock")}
	t.Cleanup(func() { k.DetachAll(context.Background()) })
	n.Veth("wa", "wb", 1500)
	files := filepath.Join(dir, "files")
	check(t, os.Mkdir(files, 0o700))
	for name, text := range map[string]string{
		"c.yaml":     "netns: { " + n.Path + ": { interfaces: { wa: { xdp: [fence, ./after.weir] } } } }\nfence: { list: kinds.txt, limit: 0xa000 }\n",
		"after.weir": after, "kinds.txt": "0x9000\n",
	} {
		check(t, os.WriteFile(filepath.Join(files, name), []byte(text), 0o600))
	}
	b, err := state.Bundle(filepath.Join(files, "c.yaml"), options)
	check(t, err)
	if names := strings.Join(b.Names(), " "); !strings.Contains(names, "kinds.txt") || strings.Contains(names, "fence.weir") {
		t.Errorf("the bundle holds %s", names)
	}
	check(t, os.RemoveAll(files))
	o := options
	o.Bundle = b
	c, err := config.Load(b.Name, o)
	check(t, err)
	d, err := state.Resolve(t.Context(), c)
	check(t, err)
	p, err := d.Plan(k)
	check(t, err)
	a, err := p.Apply(t.Context(), k, state.Options{})
	check(t, err)
	defer a.Generation.Close()
	frame := func(kind byte) []byte {
		f := make([]byte, 64)
		f[0], f[12] = 2, kind
		return f
	}
	n.Send("wb", frame(0x90), frame(0x91), frame(0xa0), frame(0x91))
	var seen []string
	for _, m := range a.Generation.Maps() {
		if m.Name == "after.seen" {
			check(t, m.Each(func(key, v []byte) error {
				if kind := m.Key.Format(key); kind != "34525" { // the kernel's own IPv6
					seen = append(seen, kind+"="+m.Value.Format(v))
				}
				return nil
			}))
		}
	}
	if got := strings.Join(seen, " "); got != "37120=2" {
		t.Errorf("the chain after it has seen %q, want 37120=2", got)
	}
}

// TestMistakes are told with their places.
func TestMistakes(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"fence: { limit: 0 }", "c.yaml:1:10: "},
		{"params: { fence.limit: 7 }\nfence: { limit: 9 }\nhost: { netfilter-input: fence }", "1:11: error: the param fence.limit is set"},
		{"maps: { fence.kinds: [7] }\nfence: { list: x }\nhost: { netfilter-input: fence }", "1:9: error: the map fence.kinds is filled"},
		{"fence: { lst: x }", `did you mean "list"?`},
		{"host: {}\nfense: {}", `did you mean "fence"?`},
	} {
		name := filepath.Join(t.TempDir(), "c.yaml")
		check(t, os.WriteFile(name, []byte(tt.text), 0o600))
		if _, err := config.Load(name, options); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.text, err, tt.want)
		}
	}
}
