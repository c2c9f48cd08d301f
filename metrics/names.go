package metrics

import (
	"cmp"
	"slices"
	"strings"

	"weir/datapath"
	"weir/state"
)

// names are what the chains of a generation are called in labels. A NAME with one
// chain gives the chain its name. Of several chains each has its own: what a config
// says, or NAME/CHAIN if the NAME is another than weir would have given. Where two
// generations have a chain of one name the config's keeps it, or the first one's NAME by
// its letters, and the other's is NAME/CHAIN.
type names struct {
	own    string            // of what belongs to no chain
	label  map[string]string // of chains
	prefix bool              // maps, params and counts are called CHAIN.NAME
}

// nameChains returns the names of each generation.
func nameChains(gs []*datapath.Generation) []*names {
	out := make([]*names, len(gs))
	order := make([]int, len(gs))
	for i := range order {
		order[i] = i
	}
	last := func(i int) int { // the config first
		if gs[i].Name == state.Name {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(last(a), last(b)) })
	taken := map[string]bool{}
	for _, i := range order {
		out[i] = namesOf(gs[i], taken)
	}
	return out
}

// namesOf names the chains of g by names that are not taken, and takes them.
func namesOf(g *datapath.Generation, taken map[string]bool) *names {
	n := &names{own: g.Name, label: map[string]string{}}
	first := ""
	for _, a := range g.Attachments {
		p := a.Program
		n.prefix = n.prefix || len(p.Chains) > 1 || len(p.Among) > 0
		for _, c := range p.Chains {
			base, _, _ := strings.Cut(c.Name, ":")
			first = cmp.Or(first, base)
			n.label[c.Name], n.label[base] = "", ""
		}
	}
	plain := g.Name == state.Name || g.Name == first
	var now []string
	for chain := range n.label {
		label := chain
		switch {
		case !n.prefix:
			label = g.Name
		case !plain:
			label = g.Name + "/" + chain
		}
		if taken[label] {
			label = g.Name + "/" + chain
		}
		n.label[chain] = label
		now = append(now, label)
	}
	if !n.prefix && taken[n.own] {
		n.own += "/" + first
	}
	for _, l := range append(now, n.own) {
		taken[l] = true
	}
	return n
}

// split returns the label of the chain that something belongs to, and its name there.
func (n *names) split(name string) (chain, rest string) {
	if !n.prefix {
		return n.own, name
	}
	at := ""
	for c := range n.label {
		if strings.HasPrefix(name, c+".") && len(c) > len(at) {
			at = c // names of files may have dots
		}
	}
	if at == "" {
		return n.own, name
	}
	return n.label[at], name[len(at)+1:]
}
