package lower

import (
	"strings"

	"weir/lang/check"
	"weir/lang/diag"
	"weir/lang/ir"
	"weir/lang/value"
)

// A Step is a kind of thing that a program notes in the step map on its way: which
// place of the source, and of what type what it tells.
type Step struct {
	Kind StepKind
	Pos  diag.Pos
	Name string       // of a local or a map
	Type []value.Type // of what follows the flag, one behind the other, each padded to 8 octets
}

// A StepKind says what a step is.
type StepKind uint8

// Steps. The flag says whether a condition holds, what is assigned is there, a key was
// found.
const (
	StepReached  StepKind = iota // a statement
	StepBranch                   // the condition of an if or while
	StepAssigned                 // a local
	StepCompared                 // the two sides of a comparison
	StepLooked                   // up in a map: key, value if it is found
	StepStored                   // in a map: key, value
	StepBecame                   // what the entry that was looked up holds now
)

// The step map is one value: how many octets the program has written, then the steps,
// each the index of its Step and its size in octets, 4 each, the flag in 8, and values.
// What has no room is left out, and counted in the first word all the same.
const (
	StepMap  = ".steps"
	StepRoom = 1 << 20

	stepHead  = 16
	maxNoted  = 64 // octets of one value
	stepExtra = 4 * maxNoted
)

// noted returns the types of values that are shown whole.
func noted(ts ...value.Type) (out []value.Type, ok bool) {
	for _, t := range ts {
		if t.Kind == value.None {
			continue
		}
		if !t.Stored() || t.Size() > maxNoted {
			return nil, false
		}
		out = append(out, t)
	}
	return out, true
}

// note writes a step. flag and values write what they tell.
func (l *lowerer) note(s Step, flag *ir.Value, write func(p *ir.Value)) {
	if !l.opts.Steps || l.cur == nil || l.match.busy {
		return
	}
	size := stepHead
	for _, t := range s.Type {
		size += (t.Size() + 7) &^ 7
	}
	id := len(l.res.Steps)
	l.res.Steps = append(l.res.Steps, s)
	if flag == nil {
		flag = l.konst(1)
	}
	done := l.block()
	n := l.notebook(done)
	at := l.fetchAdd(n.place(0), int64(size))
	room := l.block()
	l.branch(ir.ULe, at, l.konst(n.room), room, done)
	l.start(room)
	p := l.op(ir.OpAdd, n.place(8), at)
	p.Type = ir.Ptr
	l.store(4, p, 0, l.konst(int64(id)))
	l.store(4, p, 4, l.konst(int64(size)))
	l.store(8, p, 8, flag)
	if write != nil {
		write(p)
	}
	l.jump(done)
	l.start(done)
}

// A notebook is where notes are taken: how many octets there are of them, then these.
type notebook struct {
	place func(off int) *ir.Value
	room  int64
}

// notebook returns that of this packet, or goes to none if it has none.
func (l *lowerer) notebook(none *ir.Block) notebook {
	if l.p.Match != nil {
		told := l.block()
		l.branch(ir.Ne, l.get(l.match.slot), l.konst(0), told, none)
		l.start(told)
		return notebook{func(off int) *ir.Value { return l.slotAt(slotRecord + RecordNotes + off) }, RecordRoom}
	}
	m := l.maps[StepMap]
	if m == nil {
		m = l.addMap(&ir.Map{Name: StepMap, Kind: ir.Array, KeySize: 4, ValueSize: 8 + StepRoom + stepExtra, MaxEntries: 1})
	}
	return notebook{func(off int) *ir.Value { return l.mapValue(m, off) }, StepRoom}
}

// reached notes a statement.
func (l *lowerer) reached(pos diag.Pos) { l.note(Step{Kind: StepReached, Pos: pos}, nil, nil) }

// branched notes whether a condition holds, on the way that it leads to.
func (l *lowerer) branched(pos diag.Pos, holds bool) {
	flag := int64(0)
	if holds {
		flag = 1
	}
	if l.opts.Steps && l.cur != nil {
		l.note(Step{Kind: StepBranch, Pos: pos}, l.konst(flag), nil)
	}
}

// assigned notes what a local has become: its value, or only whether it is there.
func (l *lowerer) assigned(x *check.Local, p parts) {
	if !l.opts.Steps || l.cur == nil || strings.HasPrefix(x.Name, "$") {
		return
	}
	s := Step{Kind: StepAssigned, Pos: l.pos, Name: x.Name}
	flag := l.konst(1)
	switch x.Type.Kind {
	case value.Packet, value.Static, value.Verdict, value.None:
		return
	case value.Record, value.View, value.Span, value.Octets:
		flag = l.choose1(func(then, els *ir.Block) { l.there(x.Type, p, then, els) },
			func() *ir.Value { return l.konst(1) }, func() *ir.Value { return l.konst(0) })
	}
	var ok bool
	if s.Type, ok = noted(x.Type); ok {
		l.note(s, flag, func(m *ir.Value) { l.storeParts(m, stepHead, x.Type, p) })
	} else {
		s.Type = nil
		l.note(s, flag, nil)
	}
}

// compared notes the two sides of a comparison.
func (l *lowerer) compared(e *check.Compare, x, y parts) {
	if !l.opts.Steps {
		return
	}
	a, b := e.X.Type(), e.Y.Type()
	types, ok := noted(a, b)
	if !ok || a.Kind == value.Record || b.Kind == value.Record {
		return
	}
	l.note(Step{Kind: StepCompared, Pos: l.pos, Name: e.Op.String(), Type: types}, nil, func(m *ir.Value) {
		l.storeParts(m, stepHead, a, x)
		l.storeParts(m, stepHead+(a.Size()+7)&^7, b, y)
	})
}

// nameOf is what a map is called: that of count(x) as datapath.State.Maps does.
func nameOf(m *check.Map) string {
	if m.Tally != "" {
		return "count(" + m.Name + ")"
	}
	return m.Name
}

// looked notes a lookup, of a key that has been computed as k.
func (l *lowerer) looked(m *check.Map, t value.Type, k parts, entry *ir.Value) {
	if !l.opts.Steps || l.cur == nil {
		return
	}
	kt, ok := noted(t)
	if !ok {
		return
	}
	size := (t.Size() + 7) &^ 7
	there, gone, done := l.block(), l.block(), l.block()
	l.branch(ir.Ne, entry, l.konst(0), there, gone)
	l.start(there)
	all, ok := noted(t, m.Value)
	if !ok || m.PerCPU && m.Value.Kind == value.Record {
		all = kt
	}
	l.note(Step{Kind: StepLooked, Pos: l.pos, Name: nameOf(m), Type: all}, l.konst(1), func(p *ir.Value) {
		l.storeParts(p, stepHead, t, k)
		if len(all) > len(kt) {
			l.storeParts(p, stepHead+size, m.Value, l.loadParts(entry, 0, m.Value))
		}
	})
	l.jump(done)
	l.start(gone)
	l.note(Step{Kind: StepLooked, Pos: l.pos, Name: nameOf(m), Type: kt}, l.konst(0), func(p *ir.Value) { l.storeParts(p, stepHead, t, k) })
	l.jump(done)
	l.start(done)
}

// stored notes what was put into a map.
func (l *lowerer) stored(m *check.Map, t value.Type, k, x parts) {
	types, ok := noted(t, m.Value)
	if !ok || !l.opts.Steps || m.Value.Kind == value.Record {
		return
	}
	size := (t.Size() + 7) &^ 7
	l.note(Step{Kind: StepStored, Pos: l.pos, Name: nameOf(m), Type: types}, nil, func(p *ir.Value) {
		l.storeParts(p, stepHead, t, k)
		if len(types) > 1 {
			l.storeParts(p, stepHead+size, m.Value, x)
		}
	})
}

// became notes what the entry that was looked up last holds now.
func (l *lowerer) became(m *check.Map, x parts) {
	types, ok := noted(m.Value)
	if !ok || m.Value.Kind == value.Record {
		return
	}
	l.note(Step{Kind: StepBecame, Pos: l.pos, Name: nameOf(m), Type: types}, nil, func(p *ir.Value) { l.storeParts(p, stepHead, m.Value, x) })
}

// written notes what a field of a header is to hold.
func (l *lowerer) written(s *check.SetHeader, x parts) {
	types, ok := noted(s.X.Type())
	if !ok {
		return
	}
	name := "pkt." + s.View.Type().Header.String() + "." + s.Field.Name
	l.note(Step{Kind: StepAssigned, Pos: l.pos, Name: name, Type: types}, nil, func(p *ir.Value) { l.storeParts(p, stepHead, s.X.Type(), x) })
}
