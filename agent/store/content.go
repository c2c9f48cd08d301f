package store

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"weir/config"
)

// A Content is all that is kept. The zero value is that of an agent that begins.
type Content struct {
	History []Version // configs that were applied, the newest first: it is in force
	Entries map[Key]Dynamic
	Params  map[string]Dynamic
}

// A Version is a config that was applied.
type Version struct {
	Who    string         `json:"who"` // gave it
	Since  time.Time      `json:"since"`
	Bundle *config.Bundle `json:"-"`
	Digest string         `json:"digest"` // of Bundle

	// File is the digest of the agent's own file when somebody gave this config; empty:
	// it is that file.
	File string `json:"file,omitempty"`

	sums map[string][sha256.Size]byte // of the files; nil: not computed yet
}

// A Key names an entry of a map.
type Key struct {
	Map string `json:"map"`
	Key string `json:"key"`
}

// A Dynamic is what somebody has set beside the config. Its times are in UTC, without a
// monotonic clock, so that two can be compared.
type Dynamic struct {
	Value   string    `json:"value,omitempty"`
	Expires time.Time `json:"expires,omitzero"` // the zero time: never
	Who     string    `json:"who"`
	Since   time.Time `json:"since"`
}

// Over reports whether its time is over.
func (d *Dynamic) Over(now time.Time) bool {
	return !d.Expires.IsZero() && !d.Expires.After(now.Round(0))
}

// What is kept of configs: so many, and so many octets of files, but always the one in
// force and the one before.
const (
	maxHistory = 10
	maxOctets  = 64 << 20
)

// Push notes that v is in force. Files that it has in common with others are kept once.
func (c *Content) Push(v Version) {
	for name, text := range v.Bundle.Files {
		for i := range c.History {
			if had := c.History[i].Bundle.Files[name]; len(had) > 0 && bytes.Equal(had, text) {
				v.Bundle.Files[name] = had
				break
			}
		}
	}
	h := slices.DeleteFunc(slices.Clone(c.History), func(x Version) bool { return x.Digest == v.Digest })
	h = slices.Insert(h, 0, v)
	seen, size := map[*byte]bool{}, 0
	for i := range h {
		for _, text := range h[i].Bundle.Files {
			if len(text) > 0 && !seen[&text[0]] {
				seen[&text[0]] = true
				size += len(text)
			}
		}
		if i >= maxHistory || i >= 2 && size > maxOctets {
			h = h[:i]
			break
		}
	}
	c.History = h
}
