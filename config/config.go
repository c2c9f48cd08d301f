// Package config reads the file that says what shall be: which chains run at which
// hooks, what their params are set to, what is in their maps.
//
// The model: a text becomes a tree of [Node] values that know where they stand
// (YAML, of which JSON is a part), the tree is decoded into Go values by their
// types ([Decode]), and the types make the JSON schema, too ([Schema]). So a key is
// written down once, with what it means. [Load] reads a file with all that it
// includes and lays it out as a [Config]: a list of places, in order, each with its
// chains. All mistakes are found at once and told as diagnostics, with the nearest
// key that there is.
//
//	text ─► Node ─► File ─┐
//	text ─► Node ─► File ─┴► Config ─► package state
//
// What only the machine knows is left open: an interface is a [Selector], of which
// there may be none or many; whether a chain compiles, or a param takes a value, is
// found by who compiles it. Sections that are not of this package are those of
// network functions: they are handed in by name ([Options].Sections).
//
// A config together with all files that it is made of is a [Bundle]. It is read as the
// disk is, so it can be kept, and sent to another machine.
//
// What it does not do: it knows no chain, no interface, and writes nothing.
package config

import (
	"weir/hook"
	"weir/lang/diag"
)

// A Config is what a file and all that it includes say.
type Config struct {
	Files  []string // what was read: files, and folders that are included
	Bundle *Bundle  // that was read; nil: the disk
	Places []Place
	Params []Param
	Maps   []Content

	// Sections are the values of [Options].Sections that the files have.
	Sections map[string]any

	// Embedded are files of chains that are of network functions, by their paths.
	Embedded map[string][]byte
}

// A Place is a hook of an interface, network namespace or cgroup, and what runs there.
type Place struct {
	Pos    diag.Pos
	Hook   hook.Hook
	Netns  string   // empty for the one of the process
	Iface  Selector // where Hook is of interfaces
	Cgroup string   // where Hook is of cgroups: the path below the root
	Run    Run
}

// Run is what runs at a hook, in the long form of a file.
type Run struct {
	Chains   []Chain `yaml:"chains" doc:"what packets meet, in this order: PASS goes on to the next"`
	Mode     string  `yaml:"mode" doc:"attach in this mode only" enum:"native,generic,tcx,clsact"`
	Priority *int32  `yaml:"priority" doc:"at netfilter: programs of lower numbers come first (iptables and nftables filter at 0)"`
	Defrag   bool    `yaml:"defrag" doc:"at netfilter: put fragments together before the chain sees them"`
	Force    bool    `yaml:"force" doc:"at xdp: take the place of a program that is not weir's"`
	First    bool    `yaml:"first" doc:"at tc and cgroups: run before the programs of others (default: after them)"`
}

// A Chain is a function of a file, or a network function.
type Chain struct {
	Pos     diag.Pos
	File    string // as the working folder sees it; empty for a network function
	Func    string // the attached function; "" is main
	NF      string // the section that the chain is of
	Observe bool   // count verdicts, and let everything pass
}

// A Param is what a param of a chain is set to: CHAIN.PARAM.
type Param struct {
	Pos   diag.Pos
	Name  string
	Value string
}

// A Content is what a map is to hold: CHAIN.MAP.
type Content struct {
	Pos     diag.Pos
	Name    string
	Entries []Line
	Files   []Path // texts of entries, a line each: KEY, or KEY VALUE
	Dirs    []Path // folders of such texts
	Keep    bool   // entries that are not of the file stay
}

// A Path is a file or folder that a config names, as the working folder sees it.
type Path struct {
	Pos  diag.Pos // where it is named
	Path string
}

// A Line is an entry in its text form.
type Line struct {
	Pos  diag.Pos
	Text string // KEY, or KEY VALUE
}
