package datapath

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/attach"
	"weir/internal/nstest"
	"weir/lang"
)

// groupsOf is what the kernel has of the groups of the first attachment: the indexes of
// their interfaces.
func groupsOf(t *testing.T, g *Generation) (out [][]uint32) {
	t.Helper()
	u := g.Attachments[0].unit
	for _, m := range u.prog.Maps {
		if m.System != lang.GroupMap {
			continue
		}
		var in []uint32
		var slot, index uint32
		it := u.maps[m.Spec.Name].Iterate()
		for it.Next(&slot, &index) {
			in = append(in, index)
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
		out = append(out, in)
	}
	return out
}

// TestGroups fills the maps of groups anew in each generation, also after a rollback.
func TestGroups(t *testing.T) {
	n, k := nstest.New(t), kernel(t)
	n.Veth("wa", "wb", 1500)
	n.Veth("wc", "wd", 1500)
	index := func(names ...string) (out []uint32) {
		n.Do(func() error {
			for _, name := range names {
				i, err := interfaceIndex(name)
				if err != nil {
					return err
				}
				out = append(out, i)
			}
			return nil
		})
		return out
	}
	chain := func(lists ...string) string {
		return fmt.Sprintf("def main(pkt):\n    if pkt.ip4:\n        return redirect(%s)\n    return redirect(%s)\n", lists[0], lists[1])
	}
	one := chain(`["wb", "wc"]`, `["wd"]`)
	two := chain(`["wc", "wb", "wd"]`, `["wa", "wb"]`)
	check := func(when string, want ...[]uint32) {
		t.Helper()
		g, err := k.Open("edge")
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		if d := cmp.Diff(want, groupsOf(t, g)); d != "" {
			t.Errorf("%s (-want +got):\n%s", when, d)
		}
	}
	attachedAs(t, k, Options{Chains: compiled(t, n, one, "wa")})
	check("attached", index("wb", "wc"), index("wd"))
	attachedAs(t, k, Options{Replace: true, Chains: compiled(t, n, two, "wa")})
	check("replaced", index("wc", "wb", "wd"), index("wa", "wb"))
	if _, err := k.Rollback(context.Background(), "edge"); err != nil {
		t.Fatal(err)
	}
	check("rolled back", index("wb", "wc"), index("wd"))

	// One that is not there is refused, and what runs stays.
	_, err := k.Attach(t.Context(), Options{Name: "edge", Pin: true, Replace: true, Chains: compiled(t, n, chain(`["wb", "we"]`, `["wd"]`), "wa")})
	if !errors.Is(err, attach.ErrNoInterface) || !strings.Contains(err.Error(), "interface we: ") {
		t.Errorf("attached with an interface that is not there: %v", err)
	}
	check("refused", index("wb", "wc"), index("wd"))
}
