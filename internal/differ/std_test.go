package differ

import (
	"bytes"
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"weir/hook"
	"weir/internal/nstest"
	"weir/lang/ref"
	"weir/lang/std"
)

// samples returns the sample of each module of the standard library. What they compute
// changes with the minute, if they make cookies.
func samples(t testing.TB) []Case {
	var cs []Case
	for _, name := range std.Names() {
		text, err := std.Sample(name)
		if err != nil {
			t.Fatal(err)
		}
		cs = append(cs, Case{File: path.Base(name), Source: text})
	}
	return withCookies(t, cs)
}

// The samples of all modules do the same in the reference and in the kernel, on every
// frame of the stock, at every hook that takes them.
func TestStd(t *testing.T) {
	fs, ns := stock(), nstest.New(t)
	for n, c := range samples(t) {
		t.Run(strings.TrimSuffix(c.File, ".weir"), func(t *testing.T) {
			t.Parallel()
			taken := 0
			for i, v := range variants {
				if *every > 1 && v.hook != hook.XDP && v.hook != hook.TCIngress && i != n%len(variants) {
					continue // a slow machine
				}
				once := func() error { return inside(ns, func() error { return c.Run(v.hook, v.frags, some(fs, n)) }) }
				err := once()
				if err != nil && c.File == "syncookie.weir" {
					err = once() // a minute has passed: there are others now
				}
				if cannot(err) {
					continue
				}
				taken++
				t.Run(v.name, func(t *testing.T) {
					if errors.Is(err, ebpf.ErrNotSupported) {
						t.Skip(err)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			if taken == 0 {
				t.Error("no hook takes it")
			}
		})
	}
}

// FuzzStd gives frames that a fuzzer made to the sample of each module, at the first
// variant that takes it: the kernel does what the reference does.
func FuzzStd(f *testing.F) {
	for _, fr := range stock() {
		f.Add(fr.Data)
	}
	type pair struct {
		kernel *kernel
		want   *ref.Chain
	}
	var pairs []pair
	for _, c := range samples(f) {
		if c.File == "syncookie.weir" {
			continue // whose answer changes with the minute
		}
		for _, v := range variants {
			k, want, err := c.open(v.hook, v.frags)
			if err != nil && cannot(err) {
				continue
			}
			if err != nil {
				f.Fatalf("%s at %s: %v", c.File, v.name, err)
			}
			f.Cleanup(k.close)
			pairs = append(pairs, pair{k, want})
			break
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < 14 || len(frame) > 1514 {
			return
		}
		for _, p := range pairs {
			if err := p.kernel.compare(p.want, Frame{Data: bytes.Clone(frame)}); err != nil {
				t.Fatalf("%s: %v\n%x", p.kernel.c.File, err, frame)
			}
		}
	})
}
