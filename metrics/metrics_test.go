package metrics

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lang"
)

// A world is two pairs of interfaces, wa–wb and wc–wd, and a kernel of the test's own.
type world struct {
	t *testing.T
	n *nstest.Net
	k datapath.Kernel

	shared bool // places share programs
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, n: nstest.New(t)}
	w.k = datapath.Kernel{Root: filepath.Join(nstest.BPFFS(t), "weir"), Lock: filepath.Join(t.TempDir(), "lock")}
	t.Cleanup(func() {
		_, err := w.k.DetachAll(context.Background())
		w.check(err)
	})
	w.n.Veth("wa", "wb", 1500)
	w.n.Veth("wc", "wd", 1500)
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// attach attaches chains of sources, one behind the other, as NAME, in the place of what
// runs there.
func (w *world) attach(name string, parts []lang.Part, places ...string) {
	w.t.Helper()
	o := datapath.Options{Name: name, Pin: true, Replace: true}
	made := map[hook.Hook]*lang.Program{}
	for _, p := range places {
		where, err := attach.ParseWhere(p)
		w.check(err)
		where.Netns = w.n.Path
		prog := made[where.Hook]
		if prog == nil || !w.shared {
			prog, err = lang.Compile(parts[0].Source, lang.Options{File: parts[0].File, Then: parts[1:], Hook: where.Hook, Shared: w.shared})
			w.check(err)
			made[where.Hook] = prog
		}
		o.Chains = append(o.Chains, datapath.Chain{Where: where, Program: prog})
	}
	g, err := w.k.Attach(w.t.Context(), o)
	w.check(err)
	w.check(g.Close())
}

func (w *world) rollback(name string) {
	w.t.Helper()
	_, err := w.k.Rollback(w.t.Context(), name)
	w.check(err)
}

// send sends so many frames of an Ethernet type.
func (w *world) send(iface string, n int, typ uint16) {
	w.t.Helper()
	f := make([]byte, frameLen)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, byte(typ >> 8), byte(typ)})
	w.n.Send(iface, slices.Repeat([][]byte{f}, n)...)
}

const frameLen = 60

// on is a place as labels have it.
func (w *world) on(iface string) string { return w.n.Path + "/" + iface }

// series reads the text form.
func series(t *testing.T, text string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		i := strings.LastIndexByte(s.Text(), ' ')
		v, err := strconv.ParseFloat(s.Text()[i+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", s.Text(), err)
		}
		out[s.Text()[:i]] = v
	}
	return out
}

// ask asks a handler, which must report no error.
func ask(t *testing.T, h http.Handler) map[string]float64 {
	t.Helper()
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if r.Code != http.StatusOK {
		t.Fatalf("status %d: %s", r.Code, r.Body)
	}
	return series(t, r.Body.String())
}

// want compares series; a name without labels stands for all of that name.
func want(t *testing.T, when string, got map[string]float64, wants map[string]float64) {
	t.Helper()
	for k, v := range wants {
		if g, ok := got[k]; !ok || g != v {
			t.Errorf("%s: %s is %v (there: %t), want %v", when, k, g, ok, v)
		}
	}
	if t.Failed() {
		var have []string
		for k, v := range got {
			if strings.HasPrefix(k, "weir_") {
				have = append(have, fmt.Sprintf("%s %v", k, v))
			}
		}
		slices.Sort(have)
		t.Fatalf("%s:\n%s", when, strings.Join(have, "\n"))
	}
}

// quiet is a logger whose lines fail the test.
func quiet(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(failing{t}, nil))
}

type failing struct{ t *testing.T }

func (f failing) Write(b []byte) (int, error) {
	f.t.Errorf("log: %s", b)
	return len(b), nil
}

func ends(what, place, hook, chain, verdict, reason string) string {
	return fmt.Sprintf(`weir_%s_total{chain=%q,hook=%q,interface=%q,reason=%q,verdict=%q}`, what, chain, hook, place, reason, verdict)
}

const first = `
limit = param(i32, -3)
slow  = param(bool, True)
hits  = table(u16, u64, size = 8)
last  = lru(u16, size = 64)
full  = table(u16, size = 1)
out   = ring(u32, size = 4096)

def main(pkt):
    count("seen")
    hits[pkt.eth.type] += 1
    last.add(pkt.eth.type)
    full.add(pkt.eth.type)
    out.emit(u32(1))
    count(pkt.eth.type)
    if pkt.eth.type == 0x0806:
        return drop("arp")
    if pkt.eth.type == 0x1234:
        return drop("odd") if limit < 0 else DROP
    return PASS
`

// The same verdicts, and one more.
var second = strings.Replace(first, "    return PASS\n", "    if pkt.eth.type == 0x4321:\n        return drop(\"new\")\n    return PASS\n", 1)

func part(file, source string) []lang.Part {
	return []lang.Part{{File: file, Func: "main", Source: []byte(source)}}
}

// What a scrape tells is what was sent, at two interfaces.
func TestTraffic(t *testing.T) {
	w := newWorld(t)
	w.attach("edge", part("edge.weir", first), "wa", "wc:tc-ingress")
	h := Handler(w.k, quiet(t), nil)
	w.send("wb", 7, 0x0800)
	w.send("wb", 5, 0x0806)
	w.send("wb", 2, 0x1234)
	w.send("wd", 3, 0x0806)
	wa, wc := w.on("wa"), w.on("wc")
	got := ask(t, h)
	want(t, "after 17 frames", got, map[string]float64{
		ends("packets", wa, "xdp", "edge", "PASS", ""):                        7,
		ends("packets", wa, "xdp", "edge", "DROP", "arp"):                     5,
		ends("packets", wa, "xdp", "edge", "DROP", "odd"):                     2,
		ends("packets", wa, "xdp", "edge", "DROP", ""):                        0,
		ends("bytes", wa, "xdp", "edge", "DROP", "arp"):                       5 * frameLen,
		ends("packets", wc, "tc-ingress", "edge", "DROP", "arp"):              3,
		ends("bytes", wc, "tc-ingress", "edge", "PASS", ""):                   0,
		`weir_count_total{chain="edge",name="seen"}`:                          17,
		`weir_param{chain="edge",param="limit"}`:                              -3,
		`weir_param{chain="edge",param="slow"}`:                               1,
		`weir_map_entries{chain="edge",map="hits"}`:                           3,
		`weir_map_capacity{chain="edge",map="hits"}`:                          8,
		`weir_map_entries{chain="edge",map="last"}`:                           3,
		`weir_map_forgotten_total{chain="edge",map="last"}`:                   0,
		`weir_map_refused_total{chain="edge",map="full"}`:                     10,
		`weir_ring_size_bytes{chain="edge",ring="out"}`:                       4096,
		`weir_ring_waiting_bytes{chain="edge",ring="out"}`:                    17 * 16, // eight octets of header, the value at eight
		`weir_ring_lost_total{chain="edge",ring="out"}`:                       0,
		`weir_generation{name="edge"}`:                                        1,
		fmt.Sprintf(`weir_attached{hook="xdp",interface=%q,name="edge"}`, wa): 1,
		`weir_scrape_errors_total`:                                            0,
		`weir_scrape_left_out_total`:                                          0,
	})
	for k := range got {
		if strings.Contains(k, "0x0806") || strings.Contains(k, "2054") {
			t.Errorf("%s: packets named it", k)
		}
		if strings.HasPrefix(k, "weir_map_forgotten") && !strings.Contains(k, `"last"`) {
			t.Errorf("%s: it is no lru", k)
		}
	}
	if got["go_goroutines"] == 0 || got["process_open_fds"] == 0 {
		t.Error("nothing is told of the process")
	}
}

// Over swaps and rollbacks counters go on: nothing is lost and nothing counted twice.
func TestSwaps(t *testing.T) {
	w := newWorld(t)
	w.attach("edge", part("edge.weir", first), "wa")
	w.send("wb", 4, 0x0806)
	h := Handler(w.k, quiet(t), nil)
	arp := ends("packets", w.on("wa"), "xdp", "edge", "DROP", "arp")
	is := func(when string, n, generation float64) {
		t.Helper()
		want(t, when, ask(t, h), map[string]float64{arp: n, `weir_generation{name="edge"}`: generation,
			`weir_count_total{chain="edge",name="seen"}`: n, `weir_scrape_errors_total`: 0})
	}
	is("at first", 4, 1)
	w.send("wb", 3, 0x0806) // seen only after the swap
	w.attach("edge", part("edge.weir", second), "wa")
	w.send("wb", 2, 0x0806)
	is("after a swap", 9, 2)
	w.send("wb", 1, 0x0806)
	w.rollback("edge")
	w.send("wb", 5, 0x0806)
	is("after a rollback", 15, 1)
	w.rollback("edge")
	is("there again", 15, 2)

	// Who comes now knows of the one that was before, and does not count it again.
	late := Handler(w.k, quiet(t), nil)
	want(t, "who comes later", ask(t, late), map[string]float64{arp: 3})
	w.rollback("edge")
	w.send("wb", 6, 0x0806)
	want(t, "who came later", ask(t, late), map[string]float64{arp: 9})
	is("who came first", 21, 1)
	w.check(w.k.Detach(t.Context(), "edge"))
	if _, ok := ask(t, h)[arp]; ok {
		t.Error("what was detached is still told")
	}
	w.attach("edge", part("edge.weir", first), "wa")
	w.send("wb", 1, 0x0806)
	is("attached anew", 1, 1)
	w.n.Delete("wa")
	want(t, "without an interface", ask(t, h), map[string]float64{arp: 1,
		fmt.Sprintf(`weir_attached{hook="xdp",interface=%q,name="edge"}`, w.on("wa")): 0})
}

// A place that is taken away and comes back has its counters cleared in a program that
// stays: what it had counted is not taken back.
func TestPlaceComesBack(t *testing.T) {
	w := newWorld(t)
	w.shared = true
	w.attach("edge", part("edge.weir", first), "wa", "wc")
	w.send("wb", 9, 0x0806)
	h := Handler(w.k, quiet(t), nil)
	arp := ends("packets", w.on("wa"), "xdp", "edge", "DROP", "arp")
	want(t, "at first", ask(t, h), map[string]float64{arp: 9})
	w.attach("edge", part("edge.weir", first), "wc")
	w.attach("edge", part("edge.weir", first), "wa", "wc")
	w.send("wb", 2, 0x0806)
	want(t, "there again", ask(t, h), map[string]float64{arp: 11, `weir_generation{name="edge"}`: 3})
}

// Many scrapes at once, beside packets, swaps and rollbacks, all succeed, and no counter
// goes back.
func TestConcurrent(t *testing.T) {
	w := newWorld(t)
	w.attach("edge", part("edge.weir", first), "wa", "wc")
	h := Handler(w.k, quiet(t), nil)
	arp := ends("packets", w.on("wa"), "xdp", "edge", "DROP", "arp")
	done := make(chan struct{})
	var scrapers sync.WaitGroup
	for range 4 {
		scrapers.Go(func() {
			for last := 0.0; ; {
				now := ask(t, h)[arp]
				if now < last {
					t.Errorf("%v packets after %v", now, last)
				}
				last = now
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 6 {
		w.send("wb", 10, 0x0806)
		if i%3 == 2 {
			w.rollback("edge")
		} else {
			w.attach("edge", part("edge.weir", []string{first, second}[i%2]), "wa", "wc")
		}
	}
	w.send("wb", 10, 0x0806)
	close(done)
	scrapers.Wait()
	if got := ask(t, h); got[arp] > 70 || got[`weir_count_total{chain="edge",name="seen"}`] != 70 {
		t.Errorf("%v dropped, %v counted of 70", got[arp], got[`weir_count_total{chain="edge",name="seen"}`])
	}
}

// What Prometheus's own lint finds.
func TestLint(t *testing.T) {
	w := newWorld(t)
	w.attach("edge", part("edge.weir", first), "wa")
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(newCollector(w.k, func(err error) { t.Error(err) }))
	problems, err := testutil.GatherAndLint(r)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
