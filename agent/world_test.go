package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"weir/datapath"
	"weir/internal/child"
	"weir/internal/nstest"
	"weir/lab"
	"weir/state"
)

func TestMain(m *testing.M) {
	child.MaybeServe()
	lab.MaybeGuardian()
	maybeAgent()
	os.Exit(m.Run())
}

// A world is a network namespace, a kernel of the test's own and a folder of files.
type world struct {
	t   *testing.T
	n   *nstest.Net
	k   datapath.Kernel
	dir string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, n: nstest.New(t), dir: t.TempDir()}
	w.k = newKernel(t)
	w.write("edge.weir", edge)
	return w
}

func newKernel(t *testing.T) datapath.Kernel {
	k := datapath.Kernel{Root: filepath.Join(nstest.BPFFS(t), "weir"), Lock: filepath.Join(t.TempDir(), "lock")}
	t.Cleanup(func() {
		_, err := k.DetachAll(context.Background())
		check(t, err)
	})
	return k
}

const edge = `load("./lists.weir", "blocked")
limit = param(u32, 5)
seen  = table(u16, u64, size = 4)
def main(pkt):
    if pkt.eth and pkt.eth.type in blocked:
        return drop("blocked")
    return PASS
`

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes a file as editors do: a new one is renamed. NET stands for the namespace.
func (w *world) write(name, text string) {
	w.t.Helper()
	if name == "edge.weir" {
		w.write("lists.weir", "blocked = table(u16, size = 4)\n")
	}
	path := filepath.Join(w.dir, name)
	check(w.t, os.MkdirAll(filepath.Dir(path), 0o700))
	check(w.t, os.WriteFile(path+".new", []byte(strings.ReplaceAll(text, "NET", w.n.Path)), 0o600))
	check(w.t, os.Rename(path+".new", path))
}

// A running is an agent that runs until the test ends.
type running struct {
	*Agent
	w    *world
	log  *logText
	stop func()
}

// start runs an agent on c.yaml that is not woken by its interval, unless o says so.
func (w *world) start(o Options) *running {
	w.t.Helper()
	if o.Interval == 0 {
		o.Interval = 1000 * time.Hour
	}
	r := &running{w: w, log: &logText{}}
	o.File, o.Kernel, o.Log = filepath.Join(w.dir, "c.yaml"), w.k, slog.New(slog.NewTextHandler(r.log, nil))
	r.Agent = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(r.stop)
	r.eventually("the agent has looked", func() bool { return r.Status().Looks > 0 })
	return r
}

// eventually waits until cond holds.
func (r *running) eventually(what string, cond func() bool) {
	r.w.t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.w.t.Fatalf("waited in vain: %s\n%s", what, r.log)
		}
	}
}

// A logText is a log that is read while it is written.
type logText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// has reports whether an interface has a program at XDP.
func (w *world) has(iface string) (there bool) {
	w.t.Helper()
	w.n.Do(func() error {
		l, err := netlink.LinkByName(iface)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			return nil
		}
		there = err == nil && l.Attrs().Xdp != nil && l.Attrs().Xdp.Attached
		return err
	})
	return there
}

// with opens what runs.
func (w *world) with(f func(*datapath.Generation) error) {
	w.t.Helper()
	g, err := w.k.Open(state.Name)
	check(w.t, err)
	defer g.Close()
	check(w.t, f(g))
}

// keys lists a map of what runs.
func (w *world) keys(name string) (out string) {
	w.t.Helper()
	w.with(func(g *datapath.Generation) error {
		m, err := g.Map(name)
		if err != nil {
			return err
		}
		var all []string
		err = m.Each(func(k, _ []byte) error {
			all = append(all, m.Key.Format(k))
			return nil
		})
		slices.Sort(all)
		out = strings.Join(all, " ")
		return err
	})
	return out
}

// param is what a param is set to.
func (w *world) param(name string) (text string) {
	w.t.Helper()
	w.with(func(g *datapath.Generation) error {
		ps, err := g.Params()
		for _, p := range ps {
			if p.Name == name {
				text = p.Text()
			}
		}
		return err
	})
	return text
}

// put puts an entry into a map, as a packet or a person does.
func (w *world) put(name, entry string) {
	w.t.Helper()
	w.with(func(g *datapath.Generation) error {
		m, err := g.Map(name)
		if err != nil {
			return err
		}
		k, v, err := m.Entry(entry)
		if err != nil {
			return err
		}
		return m.Update(k, v)
	})
}
