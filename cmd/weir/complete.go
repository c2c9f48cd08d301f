package main

import (
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/internal/term"
)

// Completions never fail: what cannot be read is not offered.

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completePlaces completes [NETNS/]INTERFACE[:HOOK].
func completePlaces(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	const flags = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if place, _, ok := strings.Cut(begun, ":"); ok {
		var out []string
		for _, h := range hook.All() {
			if h.Info().Place == hook.Interface {
				out = append(out, place+":"+h.String())
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	netns, at, isAt := strings.Cut(begun, "@")
	if name, path, ok := strings.Cut(at, "="); isAt && ok {
		return cgroups(name, path), flags
	}
	if isAt {
		return placesAt(netns), flags
	}
	netns, _, inside := strings.Cut(begun, "/")
	if inside {
		return append(interfaces(netns, netns+"/"), placesAt(netns+"/")...), flags
	}
	out := append(interfaces("", ""), placesAt("")...)
	entries, _ := os.ReadDir(attach.NetnsDir)
	for _, e := range entries {
		out = append(out, e.Name()+"/")
	}
	return out, flags
}

// placesAt lists the hooks of a network namespace, and those of cgroups if netns is
// empty.
func placesAt(netns string) []string {
	var out []string
	for _, h := range hook.All() {
		switch h.Info().Place {
		case hook.Netns:
			out = append(out, netns+"@"+h.String())
		case hook.Cgroup:
			if netns == "" {
				out = append(out, "@"+h.String()+"=")
			}
		}
	}
	return out
}

// cgroups completes @NAME=PATH.
func cgroups(name, path string) []string {
	var out []string
	for _, c := range attach.Cgroups(path[:strings.LastIndexByte("/"+path, '/')]) {
		out = append(out, "@"+name+"="+c)
	}
	return out
}

// interfaces lists the interfaces of a network namespace.
func interfaces(netns, prefix string) []string {
	var out []string
	attach.InNetns(netns, func() error {
		ifs, err := net.Interfaces()
		for _, i := range ifs {
			out = append(out, prefix+i.Name)
		}
		return err
	})
	return out
}

// completeNames completes names of attachments, up to most arguments (-1: any
// number).
func (a *app) completeNames(most int) completion {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names, _ := a.kernel.Names()
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeParams completes NAME PARAM=.
func (a *app) completeParams(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeNames(1)(c, args, begun)
	}
	var out []string
	a.withGeneration(args[0], func(g *datapath.Generation) {
		ps, _ := g.Params()
		for _, p := range ps {
			out = append(out, p.Name+"=\t"+term.Clean(p.Help))
		}
	})
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeMaps completes NAME MAP.
func (a *app) completeMaps(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completeNames(1)(c, args, begun)
	case 1:
		var out []string
		a.withGeneration(args[0], func(g *datapath.Generation) {
			for _, m := range g.Maps() {
				out = append(out, m.Name+"\t"+declared(m))
			}
		})
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	if c.Name() == "load" {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) withGeneration(name string, f func(*datapath.Generation)) {
	if g, err := a.kernel.Open(name); err == nil {
		f(g)
		g.Close()
	}
}
