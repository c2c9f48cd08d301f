package agent

import (
	"sync"
	"time"

	"weir/agent/store"
)

// A Status is what an agent has come to. Its JSON form is fixed.
type Status struct {
	Config     string    `json:"config"`
	Started    time.Time `json:"started"`
	Generation int       `json:"generation"`       // that runs; 0: none
	Places     int       `json:"places"`           // that the config means, and that are there
	Absent     []string  `json:"absent,omitempty"` // and those that are not

	Source  Source     `json:"source"`            // what is in force; the zero value: nothing yet
	Confirm *time.Time `json:"confirm,omitempty"` // when what runs is taken back unless it is confirmed; nil: it stays

	Entries int `json:"entries"` // that were put beside the config
	Params  int `json:"params"`  // likewise

	Store       string `json:"store,omitempty"` // why what shall survive a reboot is not kept; empty: it is
	StoreErrors uint64 `json:"store_errors"`
	AuditLost   uint64 `json:"audit_lost"` // records that could not be written

	Looked  Outcome `json:"looked"`  // the last look, whatever came of it
	Applied Outcome `json:"applied"` // the last that has changed something, or tried to

	Looks   uint64 `json:"looks"`
	Changes uint64 `json:"changes"` // looks that have changed something
	Errors  uint64 `json:"errors"`  // looks that have failed
}

// A Source is where the config comes from that is in force.
type Source struct {
	Who    string    `json:"who"` // file PATH, or who gave it
	Since  time.Time `json:"since"`
	Config string    `json:"config"` // its name, where it comes from
	Held   bool      `json:"held"`   // it is not the agent's own file
}

func sourceOf(v *store.Version) Source {
	return Source{Who: v.Who, Since: v.Since, Config: v.Bundle.Name, Held: v.File != ""}
}

// An Outcome is what came of a look. The zero value is none.
type Outcome struct {
	At    time.Time     `json:"at"`
	Took  time.Duration `json:"took_ns"`
	Why   string        `json:"why,omitempty"`
	Error string        `json:"error,omitempty"` // empty: what runs is what the config says
}

// Ready reports whether what runs is what the config says, as far as its places are
// there.
func (s *Status) Ready() bool { return s.Looks > 0 && s.Looked.Error == "" }

// A finding is what a look has found.
type finding struct {
	Outcome
	known      bool // the rest is: the config could be read
	generation int
	places     int
	absent     []string
	changed    bool
}

// A keeper keeps a Status.
type keeper struct {
	mu      sync.Mutex
	s       Status
	looking time.Time // when a look began that goes on
	ended   time.Time // the last look
}

func (k *keeper) begin(at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looking = at
}

func (k *keeper) source(s Source) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.s.Source = s
}

// stored notes what came of keeping what was put.
func (k *keeper) stored(err error, entries, params int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.s.Entries, k.s.Params, k.s.Store = entries, params, ""
	if err != nil {
		k.s.Store = err.Error()
		k.s.StoreErrors++
	}
}

func (k *keeper) storeFailed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.s.StoreErrors++
}

func (k *keeper) auditLost() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.s.AuditLost++
}

// waits notes until when what runs may be confirmed; the zero time: it need not.
func (k *keeper) waits(until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.s.Confirm = &until
	if until.IsZero() {
		k.s.Confirm = nil
	}
}

func (k *keeper) end(f finding) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looking, k.ended = time.Time{}, f.At.Add(f.Took)
	k.s.Looks++
	k.s.Looked = f.Outcome
	if f.known {
		k.s.Generation, k.s.Places, k.s.Absent = f.generation, f.places, f.absent
	}
	if f.Error != "" {
		k.s.Errors++
	}
	if f.changed {
		k.s.Changes++
	}
	if f.changed || f.Error != "" {
		k.s.Applied = f.Outcome
	}
}

// Status returns what the agent has come to.
func (a *Agent) Status() Status {
	a.status.mu.Lock()
	defer a.status.mu.Unlock()
	return a.status.s
}

// stuck is how long a look may take: a compiler that takes longer is ended.
const stuck = 5 * time.Minute

// Alive reports whether the agent does its work: it looks when it should, and each
// look ends. What a look comes to is another matter: see [Status.Ready].
func (a *Agent) Alive() bool {
	a.status.mu.Lock()
	defer a.status.mu.Unlock()
	now := a.o.Clock.Now()
	if !a.status.looking.IsZero() {
		return now.Sub(a.status.looking) < stuck
	}
	return a.status.ended.IsZero() || now.Sub(a.status.ended) < a.o.Interval+stuck
}
