package attach

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/nstest"
)

func matches(t *testing.T, got, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(got) {
		t.Errorf("got  %s\nwant %s", got, pattern)
	}
}

func TestParseWhere(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Where
		out  string
	}{
		{"eth0", Where{Netns: "", Interface: "eth0", Hook: hook.XDP}, "eth0:xdp"},
		{"eth0:tc-egress", Where{Netns: "", Interface: "eth0", Hook: hook.TCEgress}, "eth0:tc-egress"},
		{"blue/eth0.7", Where{Netns: "blue", Interface: "eth0.7", Hook: hook.XDP}, "blue/eth0.7:xdp"},
		{"@netfilter-input", Where{Hook: hook.NetfilterInput}, "@netfilter-input"},
		{"blue/@netfilter-forward", Where{Netns: "blue", Hook: hook.NetfilterForward}, "blue/@netfilter-forward"},
		{"/proc/1/ns/net/@netfilter-output", Where{Netns: "/proc/1/ns/net", Hook: hook.NetfilterOutput}, "/proc/1/ns/net/@netfilter-output"},
		{"@cgroup-ingress=/system.slice/a@b.service", Where{Cgroup: "/system.slice/a@b.service", Hook: hook.CgroupIngress}, "@cgroup-ingress=/system.slice/a@b.service"},
		{"eth0:socket", Where{Interface: "eth0", Hook: hook.Socket}, "eth0:socket"},
		{"a@b", Where{Interface: "a@b"}, "a@b:xdp"},
		{"/proc/1/ns/net/eth0:tc-ingress", Where{Netns: "/proc/1/ns/net", Interface: "eth0", Hook: hook.TCIngress}, "/proc/1/ns/net/eth0:tc-ingress"},
	} {
		got, err := ParseWhere(tt.in)
		if err != nil || got != tt.want || got.String() != tt.out {
			t.Errorf("ParseWhere(%q) = %+v (%s), %v, want %+v (%s)", tt.in, got, got, err, tt.want, tt.out)
		}
	}
	for in, want := range map[string]string{
		"":                     `"" is no interface name`,
		"eth0:":                `no hook is named ""`,
		"eth0:xpd":             `no hook is named "xpd": did you mean xdp\?`,
		"@netfilter-imput":     `no hook is named "netfilter-imput": did you mean netfilter-input\?`,
		"@xdp":                 `xdp is a hook of interfaces: write INTERFACE:xdp`,
		"eth0:cgroup-egress":   `cgroup-egress is no hook of interfaces: write @cgroup-egress=PATH$`,
		"eth0:netfilter-input": `netfilter-input is no hook of interfaces: write @netfilter-input$`,
		"@cgroup-egress":       `of which cgroup\? write @cgroup-egress=PATH, / for the root`,
		"b/@cgroup-egress=/":   `a cgroup is of no network namespace: write @cgroup-egress=/`,
		"@netfilter-input=/":   `a hook of a network namespace, which stands before it: NETNS/@netfilter-input`,
		"/@netfilter-input":    `no network namespace before the slash`,
		"/eth0":                `no network namespace before the slash`,
		"blue/":                `"" is no interface name \(want \[NETNS/\]INTERFACE\[:HOOK\], \[NETNS/\]@HOOK or @HOOK=CGROUP\)`,
		"eth 0":                `"eth 0" is no interface name`,
		"a123456789012345":     `longer than 15 octets`,
		"..":                   `".." is no interface name`,
		"eth0:xdp:tc-egress":   `"eth0:xdp" is no interface name`,
	} {
		if _, err := ParseWhere(in); err == nil {
			t.Errorf("ParseWhere(%q): no error", in)
		} else {
			matches(t, err.Error(), want)
		}
	}
}

func TestInNetnsByName(t *testing.T) {
	name := "weir-attach-" + strconv.Itoa(os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Fatalf("ip netns add: %v\n%s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	inode := func() (ino uint64) {
		var st unix.Stat_t
		if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
			t.Error(err)
		}
		return st.Ino
	}
	outside := inode()
	var inside, byPath uint64
	if err := InNetns(name, func() error { inside = inode(); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := InNetns(filepath.Join(NetnsDir, name), func() error { byPath = inode(); return nil }); err != nil {
		t.Fatal(err)
	}
	if inside == outside || inside != byPath || inode() != outside {
		t.Errorf("namespaces: outside %d, by name %d, by path %d, afterwards %d", outside, inside, byPath, inode())
	}
	want := errors.New("its own")
	if err := InNetns(name, func() error { return want }); err != want {
		t.Errorf("error %v, want that of the function", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := InNetns(file, func() error { return nil }); !errors.Is(err, ErrNoNetns) || !strings.Contains(err.Error(), file+" is something else") {
		t.Errorf("a file that is no namespace: %v", err)
	}
}

// TestFinder: a Finder knows the namespaces that there are when it is first asked, and
// looks at the processes once.
func TestFinder(t *testing.T) {
	n := nstest.New(t)
	ino := inode(n.Path)
	f := new(Finder)
	for range 2 {
		name, err := f.netns("weir-none", ino)
		if err != nil || inode(NetnsPath(name)) != ino {
			t.Errorf("namespace %d is called %q (%v)", ino, name, err)
		}
	}
	if a, b := f.namespaces(), f.namespaces(); &a[0] != &b[0] {
		t.Error("looked twice")
	}
	later := inode(nstest.New(t).Path)
	if name, err := f.netns("weir-none", later); !errors.Is(err, ErrNoNetns) {
		t.Errorf("a later namespace is called %q (%v)", name, err)
	}
	if name, err := (*Finder)(nil).netns("weir-none", later); err != nil || inode(NetnsPath(name)) != later {
		t.Errorf("namespace %d is called %q (%v)", later, name, err)
	}
}
