package census

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"weir/internal/cost"
)

// bpftool runs bpftool and decodes what it prints.
func bpftool(t *testing.T, into any, args ...string) {
	t.Helper()
	cmd := append([]string{"bpftool", "-j"}, args...)
	if netns, ok := strings.CutPrefix(args[0], "netns="); ok {
		cmd = append([]string{"nsenter", "--net=" + netns, "bpftool", "-j"}, args[1:]...)
	}
	out, err := exec.Command(cmd[0], cmd[1:]...).Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}

// Whatever bpftool finds, by its programs, interfaces and cgroups, is found, too.
func TestBpftoolAgrees(t *testing.T) {
	w := newWorld(t)
	for _, attach := range []func(*world) *ebpf.Program{xdpNetlink, clsact, cgroupNoLink, cgroupLink} {
		attach(w)
	}
	type program struct {
		ID   cost.Program
		Type any // a number where bpftool is older than the kernel
		Tag  string
	}
	var before, after []program
	bpftool(t, &before, "prog", "list")
	c, err := List()
	if err != nil {
		t.Fatal(err)
	}
	bpftool(t, &after, "prog", "list")
	found := map[cost.Program]Program{}
	for _, p := range c.Programs {
		found[p.ID] = p
	}
	checked := 0
	for _, want := range before {
		if !slices.Contains(after, want) {
			continue // gone meanwhile
		}
		checked++
		got, ok := found[want.ID]
		if name, known := want.Type.(string); !ok || known && got.Type != name || got.Tag != want.Tag {
			t.Errorf("program %+v of bpftool is %+v", want, got)
		}
	}
	if checked < 4 {
		t.Errorf("%d programs were compared", checked)
	}
	at := func(id cost.Program, where string) {
		t.Helper()
		if !slices.ContainsFunc(found[id].On, func(a Attachment) bool { return a.Where == where }) {
			t.Errorf("program %d is at %s by bpftool, at %v here", id, where, found[id].On)
		}
	}
	var net []struct {
		XDP []struct{ ID cost.Program }
		TC  []struct{ ID cost.Program }
	}
	bpftool(t, &net, "netns="+w.net.Path, "net")
	var cgroup []struct {
		ID         cost.Program
		AttachType string `json:"attach_type"`
	}
	bpftool(t, &cgroup, "cgroup", "show", w.cgroup)
	if len(net) != 1 || len(net[0].XDP) != 1 || len(net[0].TC) != 1 || len(cgroup) != 3 {
		t.Fatalf("bpftool net %+v, cgroup %+v", net, cgroup)
	}
	at(net[0].XDP[0].ID, w.net.Path+"/wa:xdp")
	at(net[0].TC[0].ID, w.net.Path+"/wa:tc-ingress")
	for _, p := range cgroup {
		name := map[string]string{"ingress": "cgroup-ingress", "egress": "cgroup-egress", "cgroup_inet_ingress": "cgroup-ingress", "cgroup_inet_egress": "cgroup-egress"}[p.AttachType]
		at(p.ID, fmt.Sprintf("@%s=/%s", name, filepath.Base(w.cgroup)))
	}
}
