package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"weir/datapath"
	"weir/internal/term"
)

// Metrics are served until ^C, at the address that is printed.
func TestServeMetrics(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	var errs strings.Builder
	a := &app{out: term.Plain(w), err: term.Plain(&errs), kernel: datapath.Kernel{Root: filepath.Join(t.TempDir(), "none")}}
	code := make(chan int, 1)
	go func() {
		code <- a.execute(ctx, []string{"metrics", "--listen", "127.0.0.1:0"})
		w.Close()
	}()
	url, err := bufio.NewReader(r).ReadString('\n')
	check(t, err)
	url = strings.TrimSpace(url)
	for _, x := range []struct {
		url  string
		code int
		want string
	}{
		{url, http.StatusOK, "\nweir_scrape_errors_total 0\n"},
		{url, http.StatusOK, "\ngo_goroutines "},
		{strings.TrimSuffix(url, "metrics"), http.StatusNotFound, ""},
	} {
		got, err := http.Get(x.url)
		check(t, err)
		body, err := io.ReadAll(got.Body)
		check(t, err)
		got.Body.Close()
		if got.StatusCode != x.code || !strings.Contains(string(body), x.want) {
			t.Errorf("%s: %s, want %d and %q:\n%s", x.url, got.Status, x.code, x.want, body)
		}
	}
	cancel()
	if c := <-code; c != 0 || errs.Len() > 0 {
		t.Errorf("exit code %d: %s", c, errs.String())
	}
}
