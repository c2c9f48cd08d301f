package datapath

import (
	"context"
	"errors"
	"testing"

	"weir/attach"
	"weir/hook"
	"weir/internal/nstest"
)

// Two of one name that are not pinned do each other no harm: at clsact the
// second is refused, elsewhere they are apart.
func TestNameTwiceNotPinned(t *testing.T) {
	k := kernel(t)
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	ctx := context.Background()
	for _, mode := range []attach.Mode{attach.TCX, attach.Clsact} {
		o := Options{Name: "edge", Chains: []Chain{chain(n, "wa", hook.TCIngress)}, Mode: mode}
		a, err := k.Attach(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := k.Attach(ctx, o)
		if mode == attach.Clsact {
			if !errors.Is(err, attach.ErrInUse) {
				t.Fatalf("a second filter: %v, want ErrInUse", err)
			}
			matches(t, err.Error(), `already in use by filter weir/edge \(program \d+, held by process \d+ .*: end that first, or choose another name$`)
		} else if err != nil {
			t.Fatal(err)
		}
		n.Send("wb", frame)
		checkExits(t, a.Attachments[0], 1, 0)
		if b != nil {
			checkExits(t, b.Attachments[0], 1, 0)
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
		n.Send("wb", frame)
		checkExits(t, a.Attachments[0], 2, 0)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}
