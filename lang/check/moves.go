package check

import (
	"fmt"
	"maps"

	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
	"weir/packet"
)

// A MoveOp is what changes where the bytes of the packet lie.
type MoveOp uint8

// Moves.
const (
	Push     MoveOp = iota // N zero bytes before the frame
	Pop                    // the first N bytes away
	Trim                   // the last N bytes away
	VLANPush               // a tag of 802.1Q with ID and Prio
	VLANPop                // the outer tag away
	Encap                  // into a tunnel: Move.Tunnel
	Decap                  // out of one
)

var moveNames = [...]string{"push", "pop", "trim", "vlan_push", "vlan_pop", "encap", "decap"}

// String returns the move as chains write it.
func (m MoveOp) String() string { return moveNames[m] }

// The most bytes that one move can add or take away. A driver leaves some 200
// bytes before an XDP frame (XDP_PACKET_HEADROOM is 256, of which the kernel keeps
// some for itself), and no IP packet is longer than 65,535.
const (
	MaxPush = 128
	MaxPop  = 1024
	MaxTrim = 65535
)

var moveArgs = [...]struct {
	names    []string
	required int
	most     []uint64
}{
	Push:     {[]string{"n"}, 1, []uint64{MaxPush}},
	Pop:      {[]string{"n"}, 1, []uint64{MaxPop}},
	Trim:     {[]string{"n"}, 1, []uint64{MaxTrim}},
	VLANPush: {[]string{"id", "prio"}, 1, []uint64{4095, 7}},
	VLANPop:  {},
	Decap:    {},
}

// A moving is a move that a function makes, itself or by what it calls.
type moving struct {
	what string // what was done: push() moved
	tags bool   // it moved no more than tags
	pos  diag.Pos
}

// moveCall is pkt.push(n) and its like; done is false if name is none of them.
func (p *pass) moveCall(e *syntax.CallExpr, name string) (o operand, done bool) {
	for op, n := range moveNames {
		if n == name {
			return p.move(e, MoveOp(op)), true
		}
	}
	return operand{}, false
}

func isMove(name string) bool {
	for _, n := range moveNames {
		if n == name {
			return true
		}
	}
	return false
}

func (p *pass) move(e *syntax.CallExpr, op MoveOp) operand {
	if p.observes(at(e)) {
		p.args(tupled(e))
		return operand{}
	}
	if !p.c.b.opts.Hook.Info().Move {
		p.errorf(e, "hook", "attach the chain at "+hooksWith(func(i hookInfo) bool { return i.Move }), "pkt.%s() is not possible at %s", op, p.c.b.opts.Hook)
		p.args(tupled(e))
		return operand{}
	}
	if op == Encap {
		return p.encap(e)
	}
	form := moveArgs[op]
	args, ok := p.passArgs(e, op.String(), form.names, len(form.names), form.required)
	if !ok {
		return operand{}
	}
	m := &Move{Base: Base{value.BoolT, at(e)}, Op: op}
	for i, a := range args {
		if a.e == nil {
			m.Args = append(m.Args, intConst(0, false, at(e)))
			continue
		}
		x := p.intValue(a.e, a.o, form.names[i]+" of "+op.String()+"()")
		if x == nil {
			return operand{}
		}
		if c, isConst := x.(*Const); isConst && (c.T.Signed && int64(c.Bits) < 0 || c.Bits > form.most[i]) {
			p.errorf(a.e, "range", fmt.Sprintf("it takes 0 to %d", form.most[i]), "%s does not fit %s of %s()", constInt(c), form.names[i], op)
			return operand{}
		}
		m.Args = append(m.Args, x)
	}
	p.moved(moving{op.String() + "() moved", op == VLANPush || op == VLANPop, at(e)})
	return run(m)
}

// moved ends what was taken from the packet so far.
func (p *pass) moved(m moving) {
	p.moves++
	p.lastMove = m
	if p.s.moves.pos.Line == 0 {
		p.s.moves = m
	}
	if p.fl.dead {
		return
	}
	tags := bit(packet.VLAN) | bit(packet.VLAN2)
	if m.tags { // what stands behind them is still there
		p.fl.has &^= tags
	} else {
		p.fl.has &= bit(packet.Eth)
	}
	clear(p.fl.tests)
	for _, v := range p.s.vars {
		if fromPacket(v.typ) {
			p.fl.end(v.local, m)
		}
	}
}

// fromPacket reports whether a value of type t is a place in the packet.
func fromPacket(t value.Type) bool {
	return t.Kind == value.View || t.Kind == value.Span || t.Kind == value.Packet && t.Inner
}

// end notes that v was taken before a move.
func (f *flow) end(v *Local, m moving) {
	if _, ok := f.ended[v]; ok {
		return
	}
	if f.ended == nil {
		f.ended = map[*Local]moving{}
	}
	f.ended[v] = m
}

// bothEnded is what has ended on either of two ways.
func bothEnded(a, b map[*Local]moving) map[*Local]moving {
	if len(a) == 0 {
		return maps.Clone(b)
	}
	m := maps.Clone(a)
	for v, x := range b {
		if _, ok := m[v]; !ok {
			m[v] = x
		}
	}
	return m
}

// stillThere reports the use of a view that a move has ended.
func (p *pass) stillThere(id *syntax.Ident, v *variable) {
	if m, ok := p.fl.ended[v.local]; ok && !p.fl.dead {
		p.viewEnded(id, id.Name, v.typ, m)
	}
}

// overtaken reports an operand that was taken from the packet before what came
// with it moved the packet; moves is how many moves there were when it was taken.
func (p *pass) overtaken(n syntax.Node, o operand, moves int) {
	if p.moves == moves || o.x == nil || !fromPacket(o.x.Type()) || p.fl.dead {
		return
	}
	p.viewEnded(n, what(o.x.Type()), o.x.Type(), p.lastMove)
}

func (p *pass) viewEnded(n syntax.Node, name string, t value.Type, m moving) {
	again := "from the packet"
	switch {
	case t.Kind == value.Packet:
		again = "as pkt.inner"
	case t.Kind == value.View && t.Inner:
		again = "as pkt.inner." + t.Header.String()
	case t.Kind == value.View:
		again = "as pkt." + t.Header.String()
	}
	where := fmt.Sprintf("in line %d", m.pos.Line)
	if m.pos.File != p.s.pos().File {
		where += " of " + m.pos.File
	}
	p.errorf(n, "moved", "take it anew after that, "+again,
		"%s was taken from the packet before %s it %s", name, m.what, where)
}

// endLoop keeps what has ended at the end of a loop's turn for the next turn: it
// has ended where the loop begins. Where that is news the body is typed again.
func (p *pass) endLoop(l *loop) {
	if l.stmt != nil && p.moves > l.moves && !p.s.loopMoves[l.stmt] {
		if p.s.loopMoves == nil {
			p.s.loopMoves = map[syntax.Stmt]bool{}
		}
		p.s.loopMoves[l.stmt] = true
		p.changed = true
	}
	end := meet(p.fl, l.continues)
	if end == nil || end.dead || l.stmt == nil {
		return
	}
	known := p.s.loopEnds[l.stmt]
	for v, m := range end.ended {
		if _, ok := known[v]; ok || l.entered[v] {
			continue
		}
		if known == nil {
			known = map[*Local]moving{}
			if p.s.loopEnds == nil {
				p.s.loopEnds = map[syntax.Stmt]map[*Local]moving{}
			}
			p.s.loopEnds[l.stmt] = known
		}
		known[v] = m
		p.changed = true
	}
}

// moveIn reports whether computing x moves the packet.
func moveIn(x Expr) bool {
	found := false
	walk(x, func(e Expr) {
		switch e := e.(type) {
		case *Move:
			found = true
		case *CallObject:
			found = found || e.Func.Changes
		case *Call:
			found = found || e.Func.Moves
		}
	})
	return found
}
