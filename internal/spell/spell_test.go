package spell

import "testing"

func TestNearest(t *testing.T) {
	hooks := []string{"xdp", "tc-ingress", "tc-egress", "netfilter-input"}
	for name, want := range map[string]string{
		"xpd": "xdp", "XDP": "xdp", "tc-ingres": "tc-ingress", "tc_egress": "tc-egress", "netfilter-imput": "netfilter-input",
		"ipd": "", "": "", "ingress": "", "x": "",
	} {
		if got := Nearest(name, hooks); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}
