package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/codetest"
	"weir/internal/nstest"
)

func TestLock(t *testing.T) {
	k := kernel(t)
	unlock, err := k.lock(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	_, err = k.lock(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("second lock: %v, want DeadlineExceeded", err)
	}
	matches(t, err.Error(), `lock is held by another weir process \(process \d+\): `)
	n := nstest.New(t)
	if _, err := k.Attach(ctx, Options{Name: "edge", Pin: true, Chains: []Chain{chain(n, "lo", hook.XDP)}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("attach under another's lock: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, unlock)
	again, err := k.lock(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// What a killed process left is taken away by the next.
func TestSweep(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	ctx := context.Background()
	o := Options{Name: "edge", Pin: true, Chains: []Chain{chain(n, "wa", hook.XDP)}}
	g, err := k.Attach(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	if err := os.Remove(filepath.Join(k.Root, "edge", recordName)); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open("edge"); !errors.Is(err, ErrNotFound) {
		t.Errorf("open without a record: %v", err)
	}
	o.Name = "other" // at the same place
	if g, err = k.Attach(ctx, o); err != nil {
		t.Fatal(err)
	}
	g.Close()
	if _, err := os.Stat(filepath.Join(k.Root, "edge")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the remains are still there: %v", err)
	}
}

// TestReadOnly: where the file system is mounted read-only everything says so, once,
// and nothing advises to detach what only cannot be opened.
func TestReadOnly(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	o := Options{Name: "edge", Pin: true, Chains: []Chain{chain(n, "wa", hook.XDP)}}
	g, err := k.Attach(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", filepath.Dir(k.Root), "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(unix.MS_RDONLY)
	defer remount(0)
	for what, f := range map[string]func() error{
		"list": func() error { _, err := k.List(); return err },
		"open": func() error { _, err := k.Open("edge"); return err },
		"attach": func() error {
			o.Name, o.Chains = "other", []Chain{chain(n, "wb", hook.XDP)}
			_, err := k.Attach(t.Context(), o)
			return err
		},
		"roll back": func() error { _, err := k.Rollback(t.Context(), "edge"); return err },
		"detach":    func() error { return k.Detach(t.Context(), "edge") },
	} {
		err := f()
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		matches(t, err.Error(), `^[^\n]*read-only file system: links can only be opened where it is not: remount it [^\n]*$`)
	}
}

// What was damaged by hand can be listed as far as possible, and detached.
func TestDamaged(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	ctx := context.Background()
	attach := func(name, iface string) *Attachment {
		g, err := k.Attach(ctx, Options{Name: name, Pin: true, Chains: []Chain{chain(n, iface, hook.XDP)}})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		return g.Attachments[0]
	}
	if err := os.Remove(attach("nolink", "wa").Pin); err != nil {
		t.Fatal(err)
	}
	prog := pinName(attach("noprog", "wb").Where)
	if err := os.Remove(filepath.Join(k.Root, "noprog", "1", "prog", prog)); err != nil {
		t.Fatal(err)
	}
	attach("good", "lo")

	gs, err := k.List()
	if err == nil || len(gs) != 2 || gs[0].Name != "good" || gs[1].Name != "nolink" {
		t.Errorf("List() = %v, %v; want good and nolink, and an error", gs, err)
	}
	for i, g := range gs {
		if ok, err := g.Attachments[0].Attached(); ok != (i == 0) || err != nil {
			t.Errorf("%s: Attached() = %t, %v", g.Name, ok, err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := k.Attach(ctx, Options{Name: "noprog", Pin: true, Chains: []Chain{chain(n, "wa", hook.XDP)}}); !errors.Is(err, ErrExists) {
		t.Errorf("attach over a damaged one: %v", err)
	}
	for _, name := range []string{"nolink", "noprog"} {
		if err := k.Detach(ctx, name); err != nil {
			t.Errorf("detach %s: %v", name, err)
		}
	}
	err = k.Detach(ctx, "noprog")
	if !errors.Is(err, ErrNotFound) {
		t.Fatalf("second detach: %v", err)
	}
	matches(t, err.Error(), `^detach noprog: not found \(there are good\)$`)
	attach("again", "wb")
}

// The root outside of a BPF file system is refused.
func TestNoBPFFS(t *testing.T) {
	n := nstest.New(t)
	k := Kernel{Root: filepath.Join(t.TempDir(), "weir"), Lock: filepath.Join(t.TempDir(), "lock")}
	_, err := k.Attach(context.Background(), Options{Name: "edge", Pin: true, Chains: []Chain{chain(n, "lo", hook.XDP)}})
	if err == nil {
		t.Fatal("no error")
	}
	matches(t, err.Error(), `weir does not lie in a BPF file system$`)
	if names, err := k.Names(); names != nil || err != nil {
		t.Errorf("Names() = %v, %v", names, err)
	}
}

// child runs the named test in a process of its own, in a mount namespace of
// its own in which no BPF file system is mounted.
func child(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), "WEIR_CHILD="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("child: %v\n%s", err, out)
	}
	return string(out)
}

// hideBPF takes the BPF file system out of the sight of this process.
func hideBPF(t *testing.T) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	for isBPF(bpfDir) {
		if err := syscall.Unmount(bpfDir, syscall.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMountsBPFFS(t *testing.T) {
	if os.Getenv("WEIR_CHILD") == "" {
		if out := child(t, "TestMountsBPFFS"); !strings.Contains(out, "mounted and used") {
			t.Errorf("the child did nothing:\n%s", out)
		}
		return
	}
	hideBPF(t)
	ctx := context.Background()
	n := nstest.New(t)
	o := Options{Name: "edge", Pin: true, Chains: []Chain{chain(n, "lo", hook.TCIngress)}}
	k := Kernel{Lock: filepath.Join(t.TempDir(), "lock")}
	if gs, err := k.List(); len(gs) != 0 || err != nil {
		t.Errorf("List() without a BPF file system = %v, %v", gs, err)
	}
	_, err := k.Attach(ctx, o)
	if err == nil {
		t.Fatal("attached in a mount namespace of its own")
	}
	matches(t, err.Error(), `^no BPF file system on /sys/fs/bpf, and this process is in a mount namespace of its own`)
	if k.Mountable() == nil {
		t.Error("Mountable() in a mount namespace of its own: no error")
	}
	k.AnyMountNamespace = true
	if err := k.Mountable(); err != nil {
		t.Errorf("Mountable() in any mount namespace: %v", err)
	}
	g, err := k.Attach(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	if _, err := os.Stat(DefaultRoot + "/edge/link/"); err != nil {
		t.Error(err)
	}
	if names, err := k.DetachAll(ctx); len(names) != 1 || err != nil {
		t.Errorf("DetachAll() = %v, %v", names, err)
	}
	t.Log("mounted and used")
}

func TestManifest(t *testing.T) {
	m := &manifest{Format: manifestFormat, Name: "edge", Number: 3, Time: time.Now().Round(0)}
	p := codetest.Chain(hook.XDP, codetest.ChainOptions{})
	p.Sources[0].Text += strings.Repeat("# long\n", 20_000) // several chunks
	m.Programs = append(m.Programs, inert(p))
	if len(p.Maps[0].Init) == 0 || len(p.Code.Insns) == 0 {
		t.Error("making a manifest changed the program")
	}
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(b)%chunkSize != 0 || len(b) < 3*chunkSize {
		t.Errorf("%d octets", len(b))
	}
	got, err := decodeManifest(b, "x")
	if err != nil || got.Name != "edge" || !got.Time.Equal(m.Time) || got.Programs[0].Sources[0].Text != p.Sources[0].Text {
		t.Errorf("decoded %+v, %v", got, err)
	}
	m.Format++
	b, err = m.encode()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("written by another version of weir (format %d, not %d)", m.Format, manifestFormat)
	if _, err := decodeManifest(b, "x"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("another format: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	b, err := (&manifest{Format: manifestFormat, Name: "edge"}).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:200])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeManifest(b, "x"); (m == nil) == (err == nil) {
			t.Errorf("%v, %v", m, err)
		}
	})
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{"my.edge-1": "my%2Eedge-1", `d["k"]`: "d%5B%22k%22%5D", "ü": "%C3%BC"} {
		if got := escape(in, "-"); got != want {
			t.Errorf("escape(%q) = %q, want %q", in, got, want)
		}
	}
}
