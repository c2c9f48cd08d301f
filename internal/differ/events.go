package differ

import (
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"

	"weir/datapath"
	"weir/lang/ref"
)

// compareEvents compares what a packet put into rings and the log.
func (k *kernel) compareEvents(want ref.Result) error {
	rings, logs := map[string][]string{}, []string(nil)
	err := k.events.Drain(func(e datapath.Event) error {
		if e.Ring == "" {
			logs = append(logs, e.Text)
		} else {
			rings[e.Ring] = append(rings[e.Ring], e.Text)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if d := cmp.Diff(want.Logs, logs); d != "" {
		return fmt.Errorf("log (-reference +kernel):\n%s", d)
	}
	if d := cmp.Diff(want.Rings, rings); d != "" && len(want.Rings)+len(rings) > 0 {
		return fmt.Errorf("rings (-reference +kernel):\n%s", d)
	}
	return nil
}

// contentOf returns what a map holds, as texts, or nil where that cannot be said.
// A queue or stack is emptied by it; its values have their place from the oldest
// on as keys, as in the reference.
func contentOf(m *datapath.Map) (map[string]string, error) {
	content := map[string]string{}
	switch m.Kind {
	case "ring", "bloom":
		return nil, nil
	case "queue", "stack":
		var all []string
		for {
			v, ok, err := m.Pop()
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			all = append(all, m.Value.Format(v))
		}
		if m.Kind == "stack" {
			slices.Reverse(all)
		}
		for i, text := range all {
			content[fmt.Sprint(i)] = text
		}
		return content, nil
	}
	err := m.Each(func(key, val []byte) error {
		content[m.Key.Format(key)] = m.Value.Format(val)
		return nil
	})
	return content, err
}
