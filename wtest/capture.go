package wtest

import (
	"bytes"
	"fmt"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"weir/lang/check"
	"weir/trace"
)

// capture returns the packets of a capture file, with their times.
func (s *suite) capture(name string) (frames []starlark.Value, times []time.Time, err error) {
	text, err := s.load(s.relative(name))
	if err != nil {
		return nil, nil, err
	}
	err = trace.Packets(bytes.NewReader(text), func(b []byte, at time.Time) error {
		frames, times = append(frames, frame{bytes.Clone(b)}), append(times, at)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return frames, times, nil
}

// expect is expect("out.pcap"): the packets of a capture, to compare with those that a
// replay let through.
func (s *suite) expect(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &name); err != nil {
		return nil, err
	}
	frames, _, err := s.capture(name)
	if err != nil {
		return nil, fmt.Errorf("expect: %w", err)
	}
	return starlark.NewList(frames), nil
}

// replay is replay(chain, "in.pcap", hook = ""): time goes on as in the capture.
func (s *suite) replay(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var fn starlark.Value
	var name, at string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "chain", &fn, "capture", &name, "hook?", &at); err != nil {
		return nil, err
	}
	c, h, err := s.chainAt(b.Name(), fn, at)
	if err != nil {
		return nil, err
	}
	frames, times, err := s.capture(name)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	var sum totals
	for i, f := range frames {
		if i > 0 && times[i].After(times[i-1]) {
			s.goOn(s.now.Add(times[i].Sub(times[i-1])))
		}
		r, err := s.give(c, h, f.(frame).b)
		if err != nil {
			return nil, fmt.Errorf("replay: packet %d: %w", i+1, err)
		}
		if err := sum.add(r); err != nil {
			return nil, fmt.Errorf("replay: %w", err)
		}
	}
	return sum.value(), nil
}

// totals are what became of the packets of a capture.
type totals struct {
	results, packets, verdicts []starlark.Value
	counts                     map[string]starlark.Value
}

func (t *totals) add(r *result) error {
	verdict, err := r.Attr("verdict")
	if err != nil {
		return err
	}
	t.results, t.verdicts = append(t.results, r), append(t.verdicts, verdict)
	p, err := r.Attr("packet")
	if err != nil {
		return err
	}
	drop, _ := check.VerdictOf(check.Outcome{Verdict: "DROP"}) // which there is
	if dropped, err := starlark.Equal(verdict, drop); err != nil {
		return err
	} else if !dropped {
		t.packets = append(t.packets, p)
	}
	hit, err := r.Attr("counts")
	if err != nil {
		return err
	}
	if t.counts == nil {
		t.counts = map[string]starlark.Value{}
	}
	for _, kv := range hit.(*starlark.Dict).Items() {
		name, n := string(kv[0].(starlark.String)), kv[1].(starlark.Int)
		if old, ok := t.counts[name].(starlark.Int); ok {
			n = n.Add(old)
		}
		t.counts[name] = n
	}
	return nil
}

// value is what replay() gives: the results one by one, their verdicts, the packets
// that were not dropped, and all counters that were hit.
func (t *totals) value() starlark.Value {
	hit := starlark.NewDict(len(t.counts))
	for _, name := range sorted(t.counts) {
		hit.SetKey(starlark.String(name), t.counts[name]) // a string hashes
	}
	return starlarkstruct.FromStringDict(starlark.String("replay"), starlark.StringDict{
		"results": starlark.NewList(t.results), "verdicts": starlark.NewList(t.verdicts),
		"packets": starlark.NewList(t.packets), "counts": hit,
	})
}
