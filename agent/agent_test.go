package agent

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/lab"
	"weir/state"
)

const onWX = "netns: { NET: { interfaces: { wx: { xdp: ./edge.weir } } } }\n"

// TestInterfaces: chains follow interfaces that come, go and are renamed, and what is
// in maps waits for them.
func TestInterfaces(t *testing.T) {
	w := newWorld(t)
	w.write("c.yaml", onWX)
	r := w.start(Options{})
	if s := r.Status(); len(s.Absent) != 1 || !s.Ready() || s.Generation != 0 {
		t.Errorf("without the interface: %+v", s)
	}
	w.n.Veth("wx", "wy", 1500)
	r.eventually("attached", func() bool { return w.has("wx") })
	w.put("edge.seen", "7 1")

	w.n.Delete("wx")
	r.eventually("it is told", func() bool { return len(r.Status().Absent) == 1 })
	w.n.Veth("wx", "wy", 1500)
	r.eventually("attached again", func() bool { return w.has("wx") })
	if got := w.keys("edge.seen"); got != "7" {
		t.Errorf("the map holds %q when the interface is back", got)
	}

	w.rename("wx", "wz")
	r.eventually("taken away", func() bool { return !w.has("wz") })
	w.rename("wz", "wx")
	r.eventually("attached to its name", func() bool { return w.has("wx") })
	if s := r.Status(); s.Errors > 0 {
		t.Errorf("%d errors\n%s", s.Errors, r.log)
	}
	r.stop()
	if !w.has("wx") {
		t.Error("the program went with the agent")
	}
}

func (w *world) rename(from, to string) {
	w.t.Helper()
	w.n.Do(func() error {
		l, err := netlink.LinkByName(from)
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetDown(l), netlink.LinkSetName(l, to), netlink.LinkSetUp(l))
	})
}

// TestSelectors: interfaces that get an address or a default route are meant.
func TestSelectors(t *testing.T) {
	w := newWorld(t)
	w.n.Veth("wa", "wb", 1500)
	w.n.Veth("wc", "wd", 1500)
	w.write("c.yaml", `netns: { NET: { interfaces: { address=192.0.2.0/24: { xdp: ./edge.weir }, route=default: { xdp: ./edge.weir } } } }`)
	r := w.start(Options{})
	addr, err := netlink.ParseAddr("192.0.2.1/24")
	check(t, err)
	w.n.Do(func() error {
		l, err := netlink.LinkByName("wa")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(l, addr)
	})
	r.eventually("the address", func() bool { return w.has("wa") })
	if w.has("wc") {
		t.Error("wc has a program already")
	}
	w.n.Do(func() error {
		l, err := netlink.LinkByName("wc")
		if err != nil {
			return err
		}
		all := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Scope: unix.RT_SCOPE_LINK, Dst: all})
	})
	r.eventually("the route", func() bool { return w.has("wc") })
}

// TestNetns: a network namespace comes, and is made anew.
func TestNetns(t *testing.T) {
	w := newWorld(t)
	l, err := lab.New(t.Context(), lab.Options{})
	check(t, err)
	defer l.Close()
	h, err := l.Host("h")
	check(t, err)
	name := h.Netns()
	w.write("c.yaml", "netns: { "+name+"x: { interfaces: { lo: { xdp: ./edge.weir } } } }")
	r := w.start(Options{})
	for i := range uint64(2) {
		_, err = h.Run(t.Context(), "ip", "netns", "add", name+"x")
		check(t, err)
		r.eventually("attached", func() bool { return r.Status().Changes == i+1 })
		_, err = h.Run(t.Context(), "ip", "netns", "delete", name+"x")
		check(t, err)
		r.eventually("it is gone", func() bool { return len(r.Status().Absent) == 1 })
	}
}

// TestFiles: whatever a config is made of, a change is applied.
func TestFiles(t *testing.T) {
	w := newWorld(t)
	w.n.Veth("wx", "wy", 1500)
	w.write("conf/v1/include.yaml", "params: { edge.limit: 6 }")
	check(t, os.Symlink("v1", filepath.Join(w.dir, "conf/now")))
	w.write("more/keys", "1\n")
	w.write("c.yaml", onWX+"include: [conf/now/include.yaml, also]\nmaps: { edge.blocked: { file: keys.txt, dir: more } }")
	w.write("keys.txt", "2\n")
	check(t, os.Mkdir(filepath.Join(w.dir, "also"), 0o700))
	r := w.start(Options{})
	is := func(limit, blocked string) func() bool {
		return func() bool { return w.param("edge.limit") == limit && w.keys("edge.blocked") == blocked }
	}
	r.eventually("begins", is("6", "1 2"))
	text := func(part string) func() bool {
		return func() (has bool) {
			w.with(func(g *datapath.Generation) error {
				for _, s := range g.Places()[0].Program.Sources {
					has = has || strings.Contains(s.Text, part)
				}
				return nil
			})
			return has
		}
	}
	for _, x := range []struct {
		name string
		do   func()
		want func() bool
	}{
		{"a file of entries, renamed", func() { w.write("keys.txt", "3\n") }, is("6", "1 3")},
		{"a file of entries, in its place", func() {
			check(t, os.WriteFile(filepath.Join(w.dir, "keys.txt"), []byte("4\n"), 0o600))
		}, is("6", "1 4")},
		{"a folder of entries", func() { w.write("more/others", "5\n") }, is("6", "1 4 5")},
		{"a link to a folder", func() {
			w.write("conf/v2/include.yaml", "params: { edge.limit: 7 }")
			check(t, os.Symlink("v2", filepath.Join(w.dir, "conf/next")))
			check(t, os.Rename(filepath.Join(w.dir, "conf/next"), filepath.Join(w.dir, "conf/now")))
		}, is("7", "1 4 5")},
		{"an included folder", func() { w.write("also/a.yaml", "host: {}\n") }, func() bool {
			return r.Status().Looked.Why == changedFiles && is("7", "1 4 5")()
		}},
		{"a chain", func() { w.write("edge.weir", "# another\n"+edge) }, text("# another")},
		{"a module of a chain", func() { w.write("lists.weir", "# new\nblocked = table(u16, size = 4)\n") }, text("# new")},
		{"the config", func() { w.write("c.yaml", onWX+"params: { edge.limit: 8 }") }, is("8", "1 4 5")},
	} {
		looks := r.Status().Looks
		x.do()
		r.eventually(x.name, func() bool { return r.Status().Looks > looks && x.want() })
	}
	if s := r.Status(); s.Errors > 0 {
		t.Errorf("%d errors\n%s", s.Errors, r.log)
	}
	// What has nothing to do with it wakes nobody: the reason is looked at, and dropped.
	looks := r.Status().Looks
	w.write("c.yaml.swp", "")
	w.write("keys.txt", "9\n") // no longer of the config
	r.Wake("test")
	r.eventually("the last look", func() bool { return r.Status().Looks > looks })
	if why := r.Status().Looked.Why; why != "test" {
		t.Errorf("it looked for %q", why)
	}
}

// TestBehind: what was changed behind the agent's back is right again after the interval.
func TestBehind(t *testing.T) {
	w := newWorld(t)
	w.n.Veth("wx", "wy", 1500)
	w.write("c.yaml", onWX+"params: { edge.limit: 6 }\nmaps: { edge.blocked: [1, 2] }")
	c := newClock()
	r := w.start(Options{Clock: c, Interval: time.Minute})
	for _, x := range []struct {
		name string
		do   func()
	}{
		{"nothing", func() {}},
		{"an entry removed", func() {
			w.with(func(g *datapath.Generation) error {
				m, err := g.Map("edge.blocked")
				if err != nil {
					return err
				}
				return m.Remove([]byte{1, 0})
			})
		}},
		{"an entry put in", func() { w.put("edge.blocked", "3") }},
		{"a param set", func() {
			w.with(func(g *datapath.Generation) error { return g.SetParam("edge.limit", "9") })
		}},
		{"a program taken away", func() {
			pins, err := filepath.Glob(filepath.Join(w.k.Root, state.Name, "link", "*"))
			if len(pins) != 1 {
				t.Fatal(pins, err)
			}
			l, err := link.LoadPinnedLink(pins[0], nil)
			check(t, err)
			defer l.Close()
			check(t, l.Detach())
		}},
		{"all detached", func() { check(t, w.k.Detach(t.Context(), state.Name)) }},
	} {
		looks := r.Status().Looks
		x.do()
		r.eventually(x.name, func() bool { c.move(time.Minute); return r.Status().Looks > looks+1 })
		if !w.has("wx") || w.param("edge.limit") != "6" || w.keys("edge.blocked") != "1 2" {
			t.Errorf("%s: attached %t, limit %s, blocked %s\n%s", x.name, w.has("wx"), w.param("edge.limit"), w.keys("edge.blocked"), r.log)
		}
	}
	if s := r.Status(); s.Changes != 6 || s.Errors != 0 {
		t.Errorf("%d changes, %d errors", s.Changes, s.Errors)
	}
}

// get asks the agent over HTTP.
func (r *running) get(path string) (int, string) {
	r.w.t.Helper()
	s := httptest.NewServer(r.Handler())
	defer s.Close()
	a, err := http.Get(s.URL + path)
	check(r.w.t, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	check(r.w.t, err)
	return a.StatusCode, string(text)
}

// TestWrong: a config that is wrong is told, and what runs stays; also one with which
// an agent begins.
func TestWrong(t *testing.T) {
	w := newWorld(t)
	w.n.Veth("wx", "wy", 1500)
	w.write("c.yaml", onWX)
	r := w.start(Options{Handlers: map[string]http.Handler{"/more": http.NotFoundHandler()}})
	for _, x := range []struct{ name, file, text, says string }{
		{"a config", "c.yaml", "netns: { NET: { interfaces: { wx: { xpd: ./edge.weir } } } }\n", `xdp`},
		{"half a config", "c.yaml", onWX[:len(onWX)-6], "c.yaml"},
		{"a chain", "edge.weir", strings.Replace(edge, "return PASS", "return nosuch", 1), "nosuch"},
		{"no config", "c.yaml", "", "no such file"},
	} {
		n := r.Status().Errors
		w.write(x.file, x.text)
		if x.text == "" {
			check(t, os.Remove(filepath.Join(w.dir, x.file)))
		}
		r.eventually(x.name, func() bool { return r.Status().Errors > n })
		code, says := r.get("/readyz")
		if code != http.StatusServiceUnavailable || !strings.Contains(says, x.says) {
			t.Errorf("%s: /readyz says %d %s", x.name, code, says)
		}
		if code, says := r.get("/healthz"); code != http.StatusOK {
			t.Errorf("%s: /healthz says %d %s", x.name, code, says)
		}
		if !w.has("wx") {
			t.Errorf("%s: the chain is gone", x.name)
		}
		if !strings.Contains(r.log.String(), x.says) {
			t.Errorf("%s: the log does not tell\n%s", x.name, r.log)
		}
		w.write("edge.weir", edge)
		w.write("c.yaml", onWX)
		r.eventually("right again", func() bool { code, _ := r.get("/readyz"); return code == http.StatusOK })
	}
	if code, says := r.get("/status"); code != http.StatusOK || !strings.Contains(says, `"generation":1,"places":1,`) {
		t.Errorf("/status says %d %s", code, says)
	}
	if code, _ := r.get("/more"); code != http.StatusNotFound {
		t.Errorf("/more says %d", code)
	}
	r.stop()
	w.write("c.yaml", "nonsense: 1")
	r = w.start(Options{})
	if s := r.Status(); s.Ready() || !w.has("wx") {
		t.Errorf("begun with a wrong config: %+v, attached %t", s, w.has("wx"))
	}
	w.write("c.yaml", onWX)
	r.eventually("adopted", func() bool { s := r.Status(); return s.Ready() && s.Generation == 1 && s.Changes == 0 })
}

// TestOne: the second agent refuses, and may begin when the first has ended.
func TestOne(t *testing.T) {
	w := newWorld(t)
	w.write("c.yaml", onWX)
	r := w.start(Options{})
	err := New(Options{File: "c.yaml", Kernel: w.k}).Run(t.Context())
	if !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), "process") {
		t.Errorf("the second: %v", err)
	}
	r.stop()
	w.start(Options{})
}

// TestListen: it is served where the options say, until the agent ends.
func TestListen(t *testing.T) {
	w := newWorld(t)
	w.write("c.yaml", onWX)
	r := w.start(Options{Listen: "127.0.0.1:0"})
	_, after, _ := strings.Cut(r.log.String(), "msg=listening address=")
	address, _, _ := strings.Cut(after, "\n")
	url := "http://" + address + "/healthz"
	a, err := http.Get(url)
	check(t, err)
	a.Body.Close()
	if a.StatusCode != http.StatusOK {
		t.Errorf("%s says %s", url, a.Status)
	}
	if err := New(Options{File: "c.yaml", Kernel: newKernel(t), Listen: address}).Run(t.Context()); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("another at %s: %v", address, err)
	}
	r.stop()
	if a, err := http.Get(url); err == nil {
		a.Body.Close()
		t.Errorf("%s says %s when the agent has ended", url, a.Status)
	}
}
