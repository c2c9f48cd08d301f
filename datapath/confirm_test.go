package datapath

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"weir/internal/nstest"
)

func TestConfirm(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	ctx := t.Context()
	one := Options{Chains: compiled(t, n, first, "wa")}
	two := Options{Chains: compiled(t, n, second, "wa"), Replace: true, Confirm: time.Hour}

	attachedAs(t, k, one)
	g := attachedAs(t, k, two)
	two.Name, two.Pin = "edge", true
	if _, err := k.Attach(ctx, two); err == nil || !strings.Contains(err.Error(), "generation 2 waits to be confirmed") {
		t.Errorf("replace what waits: %v", err)
	}
	if left := opened(t, k).Confirm; left <= time.Hour-time.Minute || left > time.Hour {
		t.Errorf("%v are left", left)
	}
	if err := k.Confirm(ctx, "edge"); err != nil {
		t.Error(err)
	}
	if err := k.Await(ctx, g); err != nil {
		t.Errorf("await what is confirmed: %v", err)
	}
	if err := k.Confirm(ctx, "edge"); !errors.Is(err, ErrNotFound) {
		t.Errorf("confirm twice: %v", err)
	}

	// Its time passes.
	two.Confirm = 30 * time.Millisecond
	g = attachedAs(t, k, two)
	err := k.Await(ctx, g)
	if !errors.Is(err, ErrUnconfirmed) {
		t.Fatalf("await: %v", err)
	}
	matches(t, err.Error(), `^edge: generation 3 not confirmed: generation 2 runs again$`)
	if g := opened(t, k); g.Number != 2 || g.Previous != 0 {
		t.Errorf("generation %d after %d", g.Number, g.Previous)
	}
	if _, err := k.Rollback(ctx, "edge"); !errors.Is(err, ErrNotFound) {
		t.Errorf("roll back what has none before it: %v", err)
	}

	if next := opened(t, k).next; next != 4 {
		t.Errorf("the next generation is %d", next)
	}

	// Nobody waits; whoever comes next takes it back.
	attachedAs(t, k, two)
	time.Sleep(two.Confirm)
	if g := opened(t, k); g.Number != 2 {
		t.Errorf("generation %d", g.Number)
	}

	// The first one is detached.
	if err := k.Detach(ctx, "edge"); err != nil {
		t.Fatal(err)
	}
	one.Confirm = time.Hour
	g = attachedAs(t, k, one)
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if err := k.Await(ctx, g); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("await without time: %v", err)
	}
	if _, err := k.Open("edge"); !errors.Is(err, ErrNotFound) {
		t.Errorf("open: %v", err)
	}
}

func TestRecord(t *testing.T) {
	for _, r := range []record{{Generation: 1}, {Generation: 3, Previous: 2, Last: 7, Until: 5 * time.Second, Busy: true},
		{Generation: 3, Previous: 2, Until: time.Second, Trial: true, Before: 1}} {
		if got, err := parseRecord(r.String()); got != r || err != nil {
			t.Errorf("%s: %v, %v", r, got, err)
		}
	}
	for _, s := range []string{"", "generation=", "generation=x", "generation=-1", "previous=1", "generation=1,new"} {
		if r, err := parseRecord(s); err == nil {
			t.Errorf("%q: %v", s, r)
		}
	}
}
