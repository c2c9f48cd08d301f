package metrics

import "testing"

// Names of files may have dots, and what has no chain's name is of the whole.
func TestSplit(t *testing.T) {
	n := &names{own: "config", prefix: true, label: map[string]string{"edge": "edge", "edge.b": "x/edge.b", "edge:out": "edge:out"}}
	for name, want := range map[string][2]string{
		"edge.seen":          {"edge", "seen"},
		"edge.b.seen":        {"x/edge.b", "seen"},
		"edge.bucket.state":  {"edge", "bucket.state"},
		"edge:out.seen":      {"edge:out", "seen"},
		"edge":               {"config", "edge"},
		"log()":              {"config", "log()"},
		"shield.seen":        {"config", "shield.seen"},
		"edge.observed PASS": {"edge", "observed PASS"},
	} {
		for range 20 { // maps have no order
			if chain, rest := n.split(name); chain != want[0] || rest != want[1] {
				t.Fatalf("split(%q) = %q, %q, want %q", name, chain, rest, want)
			}
		}
	}
	n.prefix = false
	if chain, rest := n.split("edge.seen"); chain != "config" || rest != "edge.seen" {
		t.Errorf("alone: %q, %q", chain, rest)
	}
}

// Each chain has its own name in labels, whoever attached it.
func TestChains(t *testing.T) {
	w := newWorld(t)
	both := append(part("shield.weir", first), part("edge.weir", second)...)
	w.attach("shield", both, "wa")
	w.attach("mine", both, "wb")
	w.attach("edge", part("edge.weir", first), "wc")
	w.attach("guard", part("guard.weir", "def main(pkt):\n    return drop(\"long\") if pkt.len > 9000 else PASS\n"), "@netfilter-input")
	w.send("wb", 3, 0x0806) // wb has no chain for what leaves
	w.send("wd", 2, 0x0806)
	got := ask(t, Handler(w.k, quiet(t), nil))
	want(t, "chains", got, map[string]float64{
		ends("packets", w.on("wa"), "xdp", "shield", "DROP", "arp"):    3,
		ends("packets", w.on("wa"), "xdp", "shield/edge", "PASS", ""):  0,
		ends("packets", w.on("wb"), "xdp", "mine/edge", "DROP", "new"): 0,
		ends("packets", w.on("wc"), "xdp", "edge", "DROP", "arp"):      2,
		`weir_count_total{chain="shield",name="seen"}`:                 3,
		`weir_count_total{chain="edge",name="seen"}`:                   2,
		`weir_map_entries{chain="edge",map="hits"}`:                    1,
		`weir_map_entries{chain="mine/shield",map="hits"}`:             0,
		`weir_param{chain="shield/edge",param="limit"}`:                -3,
		`weir_scrape_errors_total`:                                     0,
	})
}
