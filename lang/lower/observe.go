package lower

import (
	"slices"
	"strings"

	"weir/lang/check"
	"weir/lang/diag"
	"weir/lang/ir"
)

// A chain that is observed ends no packet: each verdict but PASS is counted by a named
// counter, CHAIN.observed DROP "reason", and the packet goes on as after a PASS.

// observed counts a verdict that does not take effect.
func (l *lowerer) observed(verdict int) {
	l.bump(l.maps[CountMap], l.observedCounter(verdict), l.konst(1))
}

// observedCounter returns the counter of a verdict of the chain. There is one for each
// that the chain is found to give.
func (l *lowerer) observedCounter(verdict int) int {
	v := l.p.Verdicts[verdict]
	name := l.p.Chains[l.chain].Name + ".observed " + v.Action.String()
	if v.Reason != "" {
		name += " " + strings.TrimSpace(v.Reason)
	}
	i := slices.Index(l.p.Counters, name)
	if i < 0 {
		i = len(l.p.Counters)
		l.p.Counters = append(l.p.Counters, name)
	}
	if m := l.maps[CountMap]; m == nil {
		l.system(CountMap, ir.PerCPUArray, 8, len(l.p.Counters))
	} else {
		m.MaxEntries = uint32(len(l.p.Counters))
	}
	return i
}

// observe counts a verdict that only the packet decides.
func (e *exitBlock) observe(l *lowerer, v parts, pos diag.Pos) {
	if v[0].Op == ir.OpConst {
		e.constant(l, int(v[0].Imm>>8), pos)
		return
	}
	which, done := l.opi(ir.OpShr, v[0], 8), l.block()
	for i, x := range l.p.Verdicts {
		if x.Action == check.Pass {
			continue
		}
		hit, miss := l.block(), l.block()
		l.branch(ir.Eq, which, l.konst(int64(i)), hit, miss)
		l.start(hit)
		l.observed(i)
		l.jump(done)
		l.start(miss)
	}
	l.jump(done)
	l.start(done)
	e.constant(l, l.verdictIndex(check.Pass), pos)
}
