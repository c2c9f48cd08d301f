package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"
)

// An HTTPServer is a web server on a host: "/" answers with a few bytes,
// "/blob?size=N&seed=S" with N bytes that follow from the number S (see
// BlobSHA256).
type HTTPServer struct {
	// Addr is where it listens.
	Addr netip.AddrPort

	srv      *http.Server
	requests atomic.Uint64
}

// helloBody is the answer at "/".
const helloBody = "hello from weir lab\n"

// ServeHTTP starts a server on an address of the host; port 0 takes a free
// one. It speaks plain TCP (Go's listeners are MPTCP by default, whose sockets
// cannot be in a sockmap). It ends with Close or with the lab.
func (h *Host) ServeHTTP(ctx context.Context, addr netip.AddrPort) (*HTTPServer, error) {
	var ln net.Listener
	err := h.Do(func() (err error) {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		ln, err = lc.Listen(ctx, "tcp", addr.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: serve HTTP: %w", h.name, err)
	}
	s := &HTTPServer{Addr: ln.Addr().(*net.TCPAddr).AddrPort()}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		s.requests.Add(1)
		io.WriteString(w, helloBody)
	})
	mux.HandleFunc("/blob", func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		size, err1 := strconv.ParseInt(r.FormValue("size"), 10, 64)
		seed, err2 := strconv.ParseUint(r.FormValue("seed"), 10, 64)
		if err := errors.Join(err1, err2); err != nil || size < 0 {
			http.Error(w, "want size=BYTES&seed=NUMBER", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		io.Copy(w, blob(size, seed)) // its error: the client is gone
	})
	s.srv = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		s.srv.Serve(ln) // ends by Close
		close(served)
	}()
	h.atStop(func() error {
		err := s.Close()
		<-served
		return err
	})
	return s, nil
}

// Requests returns how many requests have been answered so far.
func (s *HTTPServer) Requests() uint64 { return s.requests.Load() }

// Close ends the server and its connections at once.
func (s *HTTPServer) Close() error {
	if err := s.srv.Close(); err != nil {
		return fmt.Errorf("close HTTP server %s: %w", s.Addr, err)
	}
	return nil
}

// blob is size bytes that follow from seed: a ChaCha8 stream.
func blob(size int64, seed uint64) io.Reader {
	var key [32]byte
	copy(key[:], strconv.FormatUint(seed, 10))
	return io.LimitReader(rand.NewChaCha8(key), size)
}

// BlobSHA256 returns the hash of what "/blob?size=N&seed=S" answers.
func BlobSHA256(size int64, seed uint64) [sha256.Size]byte {
	hash := sha256.New()
	io.Copy(hash, blob(size, seed)) // neither end can fail
	return [sha256.Size]byte(hash.Sum(nil))
}

// A Download is one finished GET.
type Download struct {
	Bytes   int64
	SHA256  [sha256.Size]byte
	Elapsed time.Duration
}

// DownloadBlob gets size bytes of seed from a server by a new connection of
// the host and checks length and hash. ctx bounds it.
func (h *Host) DownloadBlob(ctx context.Context, server netip.AddrPort, size int64, seed uint64) (Download, error) {
	url := fmt.Sprintf("http://%s/blob?size=%d&seed=%d", server, size, seed)
	d, err := h.Download(ctx, url)
	if err == nil && (d.Bytes != size || d.SHA256 != BlobSHA256(size, seed)) {
		err = fmt.Errorf("host %s: download %s: %d bytes with SHA-256 %x, want %d with %x",
			h.name, url, d.Bytes, d.SHA256, size, BlobSHA256(size, seed))
	}
	return d, err
}

// Download gets a URL, whose host is an IP address, by a new connection of the
// host. A status other than 200 is an error. ctx bounds it.
func (h *Host) Download(ctx context.Context, url string) (Download, error) {
	fail := func(err error) (Download, error) {
		return Download{}, fmt.Errorf("host %s: download %s: %w", h.name, url, err)
	}
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return h.dial(ctx, addr)
		},
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fail(err)
	}
	start := time.Now()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fail(fmt.Errorf("status %s", resp.Status))
	}
	hash := sha256.New()
	n, err := io.Copy(hash, resp.Body)
	if err != nil {
		return fail(err)
	}
	return Download{Bytes: n, SHA256: [sha256.Size]byte(hash.Sum(nil)), Elapsed: time.Since(start)}, nil
}

// dial opens a TCP connection of the host. An address that is no name is dialed
// on the goroutine of Do; others are refused.
func (h *Host) dial(ctx context.Context, addr string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(addr); err != nil {
		return nil, err
	}
	var conn net.Conn
	err := h.Do(func() (err error) {
		var d net.Dialer
		d.SetMultipathTCP(false)
		conn, err = d.DialContext(ctx, "tcp", addr)
		return err
	})
	return conn, err
}
