package agent

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Handler serves, beside [Options].Handlers:
//
//	/healthz  200 while the agent does its work, 503 when it is stuck: restart it
//	/readyz   200 while what runs is what the config says, 503 with the reason else
//	/status   the Status, as JSON
func (a *Agent) Handler() http.Handler {
	m := http.NewServeMux()
	for path, h := range a.o.Handlers {
		m.Handle(path, h)
	}
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, a.Alive(), "the agent is stuck")
	})
	m.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		s := a.Status()
		why := s.Looked.Error
		if why == "" {
			why = "the agent has not looked yet"
		}
		answer(w, s.Ready(), why)
	})
	m.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(a.Status()) // who asked may be gone
	})
	return m
}

// answer says ok, or why not.
func answer(w http.ResponseWriter, ok bool, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if ok {
		fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, why)
}

// slow is how long a client may take to ask, and the agent to answer.
const slow = 30 * time.Second

// serve serves Handler where Options say, until it is shut.
func (a *Agent) serve() (shut func(), err error) {
	if a.o.Listen == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", a.o.Listen)
	if err != nil {
		return nil, err
	}
	a.o.Log.Info("listening", "address", l.Addr().String())
	s := &http.Server{Handler: a.Handler(), ReadTimeout: slow, WriteTimeout: slow, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(l); err != http.ErrServerClosed {
			a.o.Log.Error("nothing is served any more", "error", err)
		}
	}()
	return func() {
		s.Close()
		<-done
	}, nil
}
