package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lang"

	"golang.org/x/sys/unix"
)

// TestExamine: this machine runs weir's tests, so that nothing is missing that
// these use, and all that could not be tried has a reason.
func TestExamine(t *testing.T) {
	all := Examine(datapath.Kernel{})
	if len(all) < 50 || !Healthy(all) {
		t.Errorf("%d checks, healthy: %t", len(all), Healthy(all))
	}
	areas := map[string]int{}
	for _, c := range all {
		areas[c.Area]++
		if c.Name == "" || c.For == "" || c.Status != OK && c.Do == "" {
			t.Errorf("%+v says too little", c)
		}
		// What the kernel lacks has no detail: it needs a newer one.
		if c.Must && c.Status != OK || c.Area == "attach" && c.Status != OK && c.Detail != "" {
			t.Errorf("%s: %s: %s", c.Name, c.Status, c.Detail)
		}
	}
	for _, a := range []string{"machine", "rights", "program", "helper", "map", "attach"} {
		if areas[a] == 0 {
			t.Errorf("nothing is said of area %s", a)
		}
	}
}

// TestResult: what an error comes to.
func TestResult(t *testing.T) {
	c := Check{Must: true}
	if got := c.result(nil, "do"); got.Status != OK || got.Do != "" || !Healthy([]Check{got}) {
		t.Errorf("no error: %+v", got)
	}
	if got := c.result(fmt.Errorf("probe: %w", unix.EINVAL), "do"); got.Status != Missing || got.Do != "do" || got.Detail == "" || Healthy([]Check{got}) {
		t.Errorf("an error: %+v", got)
	}
}

// TestReport: a report names what is attached, but neither interfaces nor
// namespaces nor addresses, nor what maps and params hold.
func TestReport(t *testing.T) {
	k := datapath.Kernel{Root: filepath.Join(nstest.BPFFS(t), "weir"), Lock: filepath.Join(t.TempDir(), "lock")}
	n := nstest.New(t)
	n.Veth("secretif0", "secretif1", 1500)
	const source = `
secretmap = table(ip4, u64, size = 9, init = {ip4("198.51.100.77"): 424242})
secretparam = param(u32, 31337)
def main(pkt):
    secretmap[pkt.ip4.src] += 1
    return drop("secretreason") if pkt.len < secretparam and pkt.eth.src == mac("02:de:ad:be:ef:01") else PASS
`
	p, err := lang.Compile([]byte(source), lang.Options{File: "/home/secretuser/edge.weir", Hook: hook.TCIngress})
	if err != nil {
		t.Fatal(err)
	}
	w := attach.Where{Netns: n.Path, Interface: "secretif0", Hook: hook.TCIngress}
	g, err := k.Attach(t.Context(), datapath.Options{Name: "edge", Pin: true, Chains: []datapath.Chain{{Where: w, Program: p}}})
	if err != nil {
		t.Fatal(err)
	}
	mode := string(g.Attachments[0].Mode)
	g.Close()
	defer k.Detach(t.Context(), "edge")
	r := NewReport("1.2.3", k)
	r.Checks = append(r.Checks, Check{Area: "attach", Name: "made up", Status: Missing,
		Detail: "attach on secretif0: 198.51.100.77 and 2001:db8::77 by 02:de:ad:be:ef:01, see /home/secretuser/x"})
	var b strings.Builder
	if err := r.Write(&b, k); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"weir 1.2.3, go", "Linux " + r.Kernel, "edge, generation 1, since ", "ns2/if1:tc-ingress, mode " + mode + ", fragments false, there true", "attach on if1: "} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	host, _ := os.Hostname()
	for _, secret := range []string{"secret", "198.51.100.77", "2001:db8", "02:de", "424242", "31337", n.Path, host} {
		if strings.Contains(text, secret) {
			t.Errorf("the report tells %q", secret)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
