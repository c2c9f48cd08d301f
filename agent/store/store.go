// Package store is what an agent knows beside its file.
package store

import (
	"time"

	"weir/config"
)

// A Content is all that is kept. The zero value is that of an agent that begins.
type Content struct {
	History []Version // configs that were applied, the newest first: it is in force
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
}
