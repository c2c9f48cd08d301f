package lang

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"

	"weir/lang/check"
	"weir/lang/gen"
	"weir/lang/lower"
	"weir/object"
)

// link notes how the C objects of a program are linked, and adds them to its
// sources.
func (c *compiler) link(p *Program, t *check.Program, low *lower.Result) {
	for _, o := range t.Objects {
		l := object.Link{File: o.File, Prefix: object.Prefix(check.Name(o.File)), Funcs: o.Funcs}
		names, maps := o.Maps()
		for i, m := range maps {
			for k, user := range low.User {
				if user == m {
					l.Maps = append(l.Maps, object.Rename{From: names[i], To: k.Name})
				}
			}
		}
		for _, v := range o.Variables() {
			if i := slices.Index(t.Params, v.Param); i >= 0 {
				l.Params = append(l.Params, object.Slot{Section: v.Section, Offset: v.Offset, Size: v.Size, Map: lower.ParamMap, At: 8 * i})
			}
		}
		p.Objects = append(p.Objects, l)
		p.Sources = append(p.Sources, Source{Name: o.File, Text: string(o.Octets)})
	}
}

// Instructions returns the instructions of what is attached at a point (of a
// program that is one, of the program), with the functions of C objects behind
// those of the chain.
func (p *Program) Instructions(point string, opts gen.AssembleOptions) (asm.Instructions, error) {
	insns, err := p.CodeAt(point).Assemble(opts)
	if err != nil {
		return nil, err
	}
	more, err := p.Foreign(point)
	return append(insns, more...), err
}

// Foreign returns the functions of C objects that the code at a point calls.
func (p *Program) Foreign(point string) (insns asm.Instructions, err error) {
	code := p.CodeAt(point)
	for _, l := range p.Objects {
		l.Funcs = slices.DeleteFunc(slices.Clone(l.Funcs), func(f string) bool { return !code.Calls(l.Symbol(f)) })
		at := slices.IndexFunc(p.Sources, func(s Source) bool { return s.Name == l.File })
		if at < 0 {
			return nil, fmt.Errorf("link %s: it is not among the sources", l.File)
		}
		more, err := l.Instructions([]byte(p.Sources[at].Text))
		if err != nil {
			return nil, err
		}
		insns = append(insns, more...)
	}
	return insns, nil
}
