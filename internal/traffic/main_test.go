package traffic

import (
	"context"
	"os"
	"testing"
	"time"

	"weir/internal/child"
	"weir/lab"
)

func TestMain(m *testing.M) {
	child.MaybeServe()
	lab.MaybeGuardian()
	os.Exit(m.Run())
}

// long returns n, or with WEIR_SOAK many.
func long[T any](n, many T) T {
	// Asked for within a test, so that "go test" does not give the result of one
	// form for the other.
	if os.Getenv("WEIR_SOAK") != "" {
		return many
	}
	return n
}

// bounded returns a context that ends long after anything in a test should.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long(20*time.Second, 2*time.Minute))
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// must returns v, or ends the test.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
