package hook

import (
	"slices"
	"testing"
)

// TestPaths: every hook of packets is on a way, and the hooks stand in the order of the ways.
// That packets meet them in that order is shown on real ones: internal/traffic.
func TestPaths(t *testing.T) {
	for _, h := range All() {
		n := 0
		for _, w := range Ways() {
			n += len(h.Positions(w))
		}
		if (n == 0) != h.Info().Conn {
			t.Errorf("%s is on %d ways", h, n)
		}
	}
	for _, w := range Ways() {
		path := slices.DeleteFunc(Path(w), func(h Hook) bool { return h == Socket })
		if !slices.IsSorted(path) {
			t.Errorf("way %s: %v is not in the order of the hooks", w, path)
		}
	}
}

// TestAbilities: the hooks can do different things, and what one can do has a name.
func TestAbilities(t *testing.T) {
	for _, a := range Abilities() {
		var can []Hook
		for _, h := range All() {
			if a.At(h) != NoAccess {
				can = append(can, h)
			}
		}
		if len(can) == 0 || a.Name == "" {
			t.Errorf("%q: no hook has it", a.Name)
		}
	}
	named := func(name string) Ability {
		i := slices.IndexFunc(abilities, func(a Ability) bool { return a.Name == name })
		if i < 0 {
			t.Fatalf("no ability is named %q", name)
		}
		return abilities[i]
	}
	drop, mark := named("DROP"), named("pkt.mark, pkt.priority")
	if drop.At(Socket) != NoAccess || drop.At(NetfilterInput) != ReadWrite {
		t.Error("DROP: a socket observes, netfilter does not")
	}
	if mark.At(XDP) != NoAccess || mark.At(NetfilterInput) != Read || mark.At(CgroupEgress) != ReadWrite {
		t.Error("pkt.mark: nothing at xdp, read at netfilter, written at cgroups")
	}
}
