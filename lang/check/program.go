package check

import (
	"fmt"
	"path"
	"strings"

	"weir/hook"
	"weir/lang/diag"
	"weir/object"
)

// Programs of objects: functions that the kernel could attach as they are. They give
// verdicts, and can stand in a hook's order as chains do.

// A Code is what a number that a program gives says: a verdict, by its index in
// Program.Verdicts.
type Code struct {
	Number  int32
	Verdict int
}

// Aborted is the reason of a DROP that a program has not asked for with a number of
// its own: XDP_ABORTED, and what the kernel does not know.
const Aborted = "aborted"

// programCodes returns what the numbers of a program say at the hook. PASS goes on
// to the next chain, as it does for the kernel to the next program: XDP_PASS,
// TC_ACT_UNSPEC and TC_ACT_PIPE; TC_ACT_OK ends with ACCEPT.
func (p *pass) programCodes() (codes []Code, other int) {
	h := p.c.b.opts.Hook
	drop := func(reason string) int { return p.c.verdict(Verdict{Action: Drop, Reason: reason}) }
	is := func(n int32, a Action) { codes = append(codes, Code{n, p.c.verdict(Verdict{Action: a})}) }
	switch {
	case h == hook.XDP: // enum xdp_action of linux/bpf.h
		is(2, Pass)
		is(1, Drop)
		is(3, TX)
		is(4, Sent)
		return codes, drop(Aborted)
	case h == hook.TCIngress || h == hook.TCEgress: // TC_ACT_ of linux/pkt_cls.h
		is(-1, Pass)
		is(0, Accept)
		is(2, Drop)
		is(3, Pass)
		is(7, Sent)
		is(4, Drop)                          // STOLEN
		return codes, p.c.verdict(Verdict{}) // the kernel takes it for UNSPEC
	case h == hook.Socket:
		return nil, p.c.verdict(Verdict{}) // a chain there observes
	}
	is(0, Drop)
	return codes, p.c.verdict(Verdict{})
}

// onlyProgram is the program of an object that has one, or "main".
func onlyProgram(p Part) string {
	name := "main"
	o, err := object.Read(p.Source)
	if err != nil {
		return name // which is told by who loads it
	}
	n := 0
	for _, f := range o.Funcs {
		if f.Program {
			name, n = f.Name, n+1
		}
	}
	if n != 1 {
		return "main"
	}
	return name
}

// standIn is the module of a chain that calls a program of an object and nothing else.
func (b *builder) standIn(p Part) *module {
	pos := diag.Pos{File: p.File}
	m := b.modules[path.Clean(p.File)]
	if m == nil {
		var err error
		if m, err = b.object(path.Clean(p.File), p.Source); err != nil {
			code, hint := hintOf(err)
			b.errorf(pos, code, hint, "%s", err)
			return nil
		}
		m.object.pos = pos
	}
	var names []string
	for _, f := range m.object.object.Funcs {
		if f.Program {
			names = append(names, f.Name)
		}
	}
	if f := m.object.object.Func(p.Func); f == nil || !f.Program {
		hint := "a program is a function in a section of its own: SEC(\"xdp\") int f(struct xdp_md *ctx)"
		if len(names) > 0 {
			hint = fmt.Sprintf("name one on the command line, as %s:%s; there are %s", p.File, names[0], list(names))
		}
		b.errorf(pos, "name", hint, "%s has no program %s", p.File, p.Func)
		return nil
	}
	source := fmt.Sprintf("load(%q, program = %q)\n\ndef main(%s):\n    return program(%[3]s)\n",
		"./"+path.Base(p.File), p.Func, map[bool]string{true: "conn", false: "pkt"}[b.opts.Hook.Info().Conn])
	return b.root(strings.Join([]string{p.File, p.Func, "weir"}, "."), []byte(source))
}
