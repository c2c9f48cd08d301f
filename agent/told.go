package agent

import (
	"errors"
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
	store  string // why it cannot be written
	audit  string // likewise
	out    string // what was put, and is left out
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

// stored logs that the store cannot be written, when that is news, and that it can again.
func (t *told) stored(err error) {
	news(&t.store, err, func() {
		t.log.Error("what shall survive a reboot is not kept: it is tried again at each look", "error", err)
	}, func() { t.log.Info("what shall survive a reboot is kept again") })
}

// audited does so of the audit log.
func (t *told) audited(err error) {
	news(&t.audit, err, func() { t.log.Error("changes are made that are not in the audit log", "error", err) },
		func() { t.log.Info("changes are in the audit log again") })
}

// left logs what was put and has no place.
func (t *told) left(all []error) {
	err := errors.Join(all...)
	news(&t.out, err, func() {
		t.log.Warn("of what was put beside the config some is left out", "count", len(all), "first", all[0])
	}, func() { t.log.Info("nothing that was put is left out any more") })
}

// news calls begins when err is another than before, and over when it is nil again.
func news(before *string, err error, begins, over func()) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch was := *before; {
	case text == was:
	case text != "":
		begins()
	default:
		over()
	}
	*before = text
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
