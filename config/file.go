package config

import (
	"path/filepath"
	"slices"
	"strings"

	"weir/hook"
	"weir/lang/diag"
)

// A file is what a file says, as it stands there. What is not one of its keys is a
// section of a network function.
type file struct {
	Include    []text            `yaml:"include" doc:"files, or folders of *.yaml files, that are read as if they stood here"`
	Interfaces Named[ifaceHooks] `yaml:"interfaces" doc:"what runs at hooks of interfaces: NAME, GLOB, driver=NAME, address=PREFIX or route=default"`
	Host       netns             `yaml:"host" doc:"what runs at hooks of the network namespace of weir itself"`
	Netns      Named[netns]      `yaml:"netns" doc:"what runs in other network namespaces, by their names"`
	Cgroups    Named[groupHooks] `yaml:"cgroups" doc:"what runs at hooks of cgroups, by their paths"`
	Params     Named[string]     `yaml:"params" doc:"what params of chains are set to: CHAIN.PARAM"`
	Maps       Named[content]    `yaml:"maps" doc:"what maps of chains hold: CHAIN.MAP"`
}

// A text is a value and where it stands.
type text struct {
	diag.Pos
	s string
}

func (t *text) UnmarshalNode(d *Decoder, n *Node) {
	if d.Want(n, Scalar) {
		t.Pos, t.s = n.Pos, n.Text
	}
}

// A site is a hook and what runs there.
type site struct {
	pos  diag.Pos
	hook hook.Hook
	run  Run
}

type (
	ifaceHooks []site
	groupHooks []site

	// A netns is a network namespace: its own hooks, and those of its interfaces.
	netns struct {
		hooks      []site
		Interfaces Named[ifaceHooks]
	}
)

func (h *ifaceHooks) UnmarshalNode(d *Decoder, n *Node) { *h = d.sites(n, hook.Interface, nil) }
func (h *groupHooks) UnmarshalNode(d *Decoder, n *Node) { *h = d.sites(n, hook.Cgroup, nil) }

func (x *netns) UnmarshalNode(d *Decoder, n *Node) {
	x.hooks = d.sites(n, hook.Netns, map[string]any{"interfaces": &x.Interfaces})
}

// stays reports whether what runs at a hook outlives the process that attached it: of
// others a config cannot say that they shall run. A packet socket lives as long as its
// process.
func stays(h hook.Hook) bool { return h != hook.Socket }

// hooksOf returns the names of the hooks of a kind of place.
func hooksOf(p hook.Place) (names []string) {
	for _, h := range hook.All() {
		if h.Info().Place == p && stays(h) {
			names = append(names, h.String())
		}
	}
	return names
}

// sites reads a mapping of hooks, and of other keys.
func (d *Decoder) sites(n *Node, p hook.Place, also map[string]any) (out []site) {
	if !d.Want(n, Map) {
		return nil
	}
	names := hooksOf(p)
	for i, k := range n.Keys {
		if v := also[k.Text]; v != nil {
			d.Decode(n.Items[i], v)
			continue
		}
		h, err := hook.Parse(k.Text)
		switch {
		case err == nil && !stays(h):
			d.Errorf(k, "run it while you watch: weir run", "what runs at %s ends with its process", h)
		case err == nil && h.Info().Place != p:
			d.Errorf(k, "it belongs under "+sectionOf[h.Info().Place], "%s is a hook of something else", h)
		case err != nil:
			all := names
			for w := range also {
				all = append(all, w)
			}
			d.Unknown(k, all)
		default:
			s := site{pos: k.Pos, hook: h}
			d.Decode(n.Items[i], &s.run)
			out = append(out, s)
		}
	}
	return out
}

var sectionOf = map[hook.Place]string{
	hook.Interface: "interfaces", hook.Netns: "host or netns", hook.Cgroup: "cgroups",
}

// UnmarshalNode reads a chain alone, a list of them, or the long form.
func (r *Run) UnmarshalNode(d *Decoder, n *Node) {
	if n.Kind == Map && !slices.ContainsFunc(n.Keys, func(k *Node) bool { return k.Text == "chain" }) {
		type long Run
		d.Decode(n, (*long)(r))
		return
	}
	d.Decode(n, &r.Chains)
}

// A longChain is a Chain in the long form.
type longChain struct {
	Chain text   `yaml:"chain" doc:"./FILE.weir, ./FILE.weir:FUNC, or the name of a network function"`
	Mode  string `yaml:"mode" doc:"observe: verdicts are counted, and everything passes" enum:"enforce,observe"`
}

// UnmarshalNode reads ./FILE.weir, ./FILE.weir:FUNC, the name of a network function,
// or a mapping with more about it. The file is as seen from that of the config.
func (c *Chain) UnmarshalNode(d *Decoder, n *Node) {
	c.Pos = n.Pos
	var long longChain
	if n.Kind == Map {
		d.Decode(n, &long)
	} else {
		d.Decode(n, &long.Chain)
	}
	c.Observe = long.Mode == "observe"
	s := long.Chain.s
	if s == "" {
		if n.Kind != List && long.Chain.Line == 0 && n.Kind == Map {
			d.Errorf(n, "add chain: ./FILE.weir", "no chain is named")
		}
		return
	}
	if !strings.ContainsAny(s, "/.") {
		c.NF = s
		return
	}
	// A colon before a slash is a part of a folder's name.
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') {
		s, c.Func = s[:i], s[i+1:]
	}
	if e := filepath.Ext(s); e != ".weir" && e != ".o" {
		d.Errorf(n, "a chain is a file as ./edge.weir, or the name of a network function", "%q is no chain", long.Chain.s)
		return
	}
	c.File = beside(n.Pos.File, s)
}

// beside returns a path that a file names, as seen from the working folder.
func beside(file, p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(filepath.Dir(file), p)
}

// A content is what a map is to hold: entries alone, or the long form.
type content struct {
	Entries entries `yaml:"entries" doc:"entries: a list of keys, or a mapping from keys to values"`
	File    []text  `yaml:"file" doc:"files of entries, a line each: KEY, or KEY VALUE"`
	Dir     []text  `yaml:"dir" doc:"folders of such files"`
	Rest    string  `yaml:"rest" doc:"what becomes of entries that are not of these" enum:"remove,keep"`
}

func (c *content) UnmarshalNode(d *Decoder, n *Node) {
	if n.Kind == List {
		d.Decode(n, &c.Entries)
		return
	}
	type long content
	d.Decode(n, (*long)(c))
}

type entries []Line

func (e *entries) UnmarshalNode(d *Decoder, n *Node) {
	switch n.Kind {
	case List:
		for _, x := range n.Items {
			if d.Want(x, Scalar) {
				*e = append(*e, Line{x.Pos, x.Text})
			}
		}
	case Map:
		for i, k := range n.Keys {
			switch v := n.Items[i]; v.Kind {
			case Null:
				*e = append(*e, Line{k.Pos, k.Text})
			case Scalar:
				*e = append(*e, Line{k.Pos, k.Text + " " + v.Text})
			default:
				d.Errorf(v, "write a record as it is in weir maps", "the value of an entry is a text")
			}
		}
	default:
		d.Errorf(n, "", "this is %s, and a list or a mapping is wanted", n.Kind)
	}
}
