package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/datapath"
)

const kinds = `nets  = lpm(prefix4, u32, size = 3, init = {prefix4("10.0.0.0/8"): 1})
slots = array(u64, size = 2)
names = table(u16, u16, size = 3)
queued = queue(u16, size = 4)
limit = param(u32, 5)
def main(pkt):
    slots[0] += 0
    if pkt.ip4 and pkt.ip4.src in nets and limit > 5:
        return drop("net")
    if pkt.eth and pkt.eth.type in names:
        queued.push(pkt.eth.type)
    return PASS
`

// TestExtra: what is put beside a config, into maps of all kinds.
func TestExtra(t *testing.T) {
	w := newWorld(t)
	w.check(os.WriteFile(filepath.Join(w.dir, "kinds.weir"), []byte(kinds), 0o600))
	const text = "netns: { NET: { interfaces: { wa: { xdp: ./kinds.weir } } } }\nmaps: { kinds.names: { entries: { 1: 1 } } }"
	d, err := w.resolve(text)
	w.check(err)
	entry := func(m, k, v string) Entry { return Entry{"kinds." + m, k, v} }
	all := func(x Extra) []error {
		t.Helper()
		with, left := d.With(x)
		p, err := with.Plan(w.k)
		w.check(err)
		a, err := p.Apply(t.Context(), w.k, Options{})
		w.check(err)
		w.check(a.Generation.Close())
		p, err = with.Plan(w.k)
		w.check(err)
		if !p.Empty() {
			t.Errorf("it is to be done again: %+v", p)
		}
		return left
	}
	is := func(what, nets, slots, names, limit string) {
		t.Helper()
		now := w.now()
		for _, c := range []struct{ name, want string }{{"nets", nets}, {"slots", slots}, {"names", names}, {"limit", limit}} {
			if got := now["kinds."+c.name]; got != c.want {
				t.Errorf("%s: %s holds %q, want %q", what, c.name, got, c.want)
			}
		}
	}
	x := Extra{Params: map[string]string{"kinds.limit": "7"}, Put: []Entry{
		entry("nets", "10.1.0.0/16", "2"), entry("slots", "1", "9"), entry("names", "2", "2"), entry("names", "1", "7"),
	}}
	if left := all(x); len(left) > 0 {
		t.Errorf("left out: %v", left)
	}
	is("before the first packet", "10.0.0.0/8 1, 10.1.0.0/16 2", "0 0, 1 9", "1 1, 2 2", "7")
	if left := all(Extra{Put: x.Put[:3]}); len(left) > 0 {
		t.Errorf("left out: %v", left)
	}
	is("a param that nobody speaks of stays", "10.0.0.0/8 1, 10.1.0.0/16 2", "0 0, 1 9", "1 1, 2 2", "7")
	all(Extra{Gone: []Entry{entry("nets", "10.1.0.0/16", ""), entry("nets", "10.2.0.0/16", ""), entry("slots", "1", ""), entry("names", "1", "")}, Default: []string{"kinds.limit"}})
	is("gone", "10.0.0.0/8 1", "0 0, 1 0", "1 1", "5")

	extend := func(x Extra) error {
		p, err := d.Extend(w.k, x)
		if err != nil {
			return err
		}
		a, err := p.Apply(t.Context(), w.k, Options{})
		if err == nil {
			w.check(a.Generation.Close())
		}
		return err
	}
	w.check(extend(Extra{Put: []Entry{entry("nets", "10.3.0.0/16", "3"), entry("names", "5", "5")}, Params: map[string]string{"kinds.limit": "8"}}))
	is("alone", "10.0.0.0/8 1, 10.3.0.0/16 3", "0 0, 1 0", "1 1, 5 5", "8")
	w.check(extend(Extra{Put: []Entry{entry("names", "5", "6")}}))
	is("another value", "10.0.0.0/8 1, 10.3.0.0/16 3", "0 0, 1 0", "1 1, 5 6", "8")
	for _, c := range []struct {
		e    Entry
		want error
		says string
	}{
		{entry("slots", "2", "1"), datapath.ErrNoSuchKey, "the last index is 1"},
		{entry("queued", "1", "1"), nil, "cannot be kept"},
		{entry("net", "10.0.0.0/8", "1"), datapath.ErrNotFound, `did you mean "kinds.nets"`},
		{entry("nets", "10.0.0.0/8", "x"), nil, "value"},
	} {
		if err := extend(Extra{Put: []Entry{entry("names", "9", "9"), c.e}}); err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v", c.e, err)
		}
	}
	full := []Entry{entry("nets", "10.4.0.0/16", "4"), entry("nets", "10.5.0.0/16", "5")}
	if err := extend(Extra{Put: append([]Entry{entry("slots", "0", "4")}, full...)}); !errors.Is(err, datapath.ErrFull) {
		t.Errorf("no room: %v", err)
	}
	is("what is refused changes nothing", "10.0.0.0/8 1, 10.3.0.0/16 3", "0 0, 1 0", "1 1, 5 6", "8")
	if _, left := d.With(Extra{Put: []Entry{entry("names", "2", "2"), entry("names", "3", "3"), entry("names", "4", "4")}}); len(left) != 1 || !errors.Is(left[0], datapath.ErrFull) {
		t.Errorf("left out: %v", left)
	}
}
