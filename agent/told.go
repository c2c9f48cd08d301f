package agent

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"weir/agent/store"
	"weir/datapath"
	"weir/lang/diag"
	"weir/state"
)

// again is how often what stays wrong is logged.
const again = 10 * time.Minute

// told is the log, and what stands in it already.
type told struct {
	log   *slog.Logger
	clock Clock

	wrong  string // the error that was told
	at     time.Time
	silent int    // times that it came again since
	kept   string // the digest of what is kept in the place of what is wrong
	warned string
	gone   []string
}

// outcome logs an error when it is new, and from time to time; and that it is over.
func (t *told) outcome(err error) {
	if err == nil {
		t.kept = ""
		if t.wrong != "" {
			t.log.Info("what was wrong is right again")
			t.wrong = ""
		}
		return
	}
	if text := err.Error(); text == t.wrong && t.clock.Now().Sub(t.at) < again {
		t.silent++
		return
	} else if text != t.wrong {
		t.silent = 0
		t.wrong = text
	}
	t.at = t.clock.Now()
	l := t.log
	if t.silent > 0 {
		l = l.With("times", t.silent+1)
	}
	t.silent = 0
	ds := diagnostics(err)
	if ds == nil {
		l.Error("cannot make what runs what the config says: it stays as it was", "error", err)
		return
	}
	l.Error("the config or a chain is wrong: what runs stays", "errors", len(ds))
	tell(l.Error, ds)
}

// manyDiags is how many diagnostics are logged.
const manyDiags = 20

func tell(log func(string, ...any), ds diag.List) {
	for i, d := range ds {
		if i == manyDiags {
			log("there are more", "count", len(ds)-i)
			return
		}
		args := []any{"at", d.Pos.String()}
		if d.Hint != "" {
			args = append(args, "hint", d.Hint)
		}
		log(d.Message, args...)
	}
}

// instead logs that the agent keeps to what was applied last, when that is news.
func (t *told) instead(v *store.Version) {
	if t.kept != v.Digest {
		t.kept = v.Digest
		t.log.Warn("what was applied last is kept instead", "given by", v.Who, "since", v.Since)
	}
}

// warnings logs those of chains, when they are others.
func (t *told) warnings(ds diag.List) {
	if text := ds.Error(); text != t.warned {
		t.warned = text
		tell(t.log.Warn, ds)
	}
}

// absent logs which places are missing, and which no longer are.
func (t *told) absent(now []string) {
	for _, s := range now {
		if !slices.Contains(t.gone, s) {
			t.log.Warn("a place is not there", "where", s)
		}
	}
	t.gone = now
}

// manyPlaces is how many changes of places are logged, each.
const manyPlaces = 50

// plan logs what was done.
func (t *told) plan(p *state.Plan, why string) {
	for i, x := range p.Places {
		if i == manyPlaces {
			t.log.Info("and more places", "count", len(p.Places)-i)
			break
		}
		args := []any{"op", x.Op, "where", x.Where, "chains", strings.Join(x.Chains, ",")}
		if x.Why != "" {
			args = append(args, "differs", x.Why)
		}
		t.log.Info("place", args...)
	}
	for _, x := range p.Params {
		t.log.Info("param", "name", x.Name, "from", x.From, "to", x.To)
	}
	for _, x := range p.Maps {
		t.log.Info("map", "name", x.Name, "added", x.Add, "changed", x.Change, "removed", x.Remove)
	}
	t.log.Info("applied", "why", why, "changes", len(p.Places)+len(p.Params)+len(p.Maps), "same", p.Same)
}

// ended logs programs of others that were in the way.
func (t *told) ended(g *datapath.Generation) {
	for _, at := range g.Places() {
		if at.Ended != "" {
			t.log.Warn(fmt.Sprintf("%s made way, and cannot be put back", at.Ended), "where", at.Where.String())
		}
	}
}
