package check

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// MaxGroup is how many interfaces a redirect([…]) names at most: at traffic control each
// is some instructions.
const MaxGroup = 256

const groupHint = `write redirect(["eth1", "eth2"])`

// groupText is a group as a chain writes it.
func groupText(names string) string {
	list := strings.Split(names, ",")
	for i, name := range list {
		list[i] = fmt.Sprintf("%q", name)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// buildGroup is redirect(["eth1", "eth2"]).
func buildGroup(name string, list starlark.Indexable) (starlark.Value, error) {
	switch {
	case name != "redirect":
		return nil, fault("type", "write "+name+"(\"eth1\")", "%s() sends to one interface", name)
	case list.Len() == 0:
		return nil, fault("value", groupHint+", or return DROP", "the list has no interface in it")
	case list.Len() > MaxGroup:
		return nil, fault("limit", "leave some out", "a list of %d interfaces is longer than %d", list.Len(), MaxGroup)
	}
	var names []string
	for i := range list.Len() {
		s, err := memberName(list.Index(i))
		if err != nil {
			return nil, err
		}
		if slices.Contains(names, s) {
			return nil, fault("value", "leave one out: each interface gets the packet once", "%q is in the list twice", s)
		}
		names = append(names, s)
	}
	return verdictVal{Verdict{Action: ToGroup}, strings.Join(names, ",")}, nil
}

// memberName is an interface of a group. Commas stand between those.
func memberName(v starlark.Value) (string, error) {
	if i, ok := v.(ifaceVal); ok {
		return i.name, nil
	}
	s, ok := starlark.AsString(v)
	if !ok {
		return "", fault("type", groupHint, "the interfaces of a list are names, not %s", describe(v))
	}
	if strings.Contains(s, ",") {
		return "", fault("value", groupHint, "%q cannot stand in a list of interfaces: there is a comma in it", s)
	}
	return s, interfaceName(s)
}

// written returns the elements of the one argument of a call that is a list or a tuple
// written out, or nil.
func written(e *syntax.CallExpr) []syntax.Expr {
	if len(e.Args) != 1 {
		return nil
	}
	switch x := unparen(e.Args[0]).(type) {
	case *syntax.ListExpr:
		return x.List
	case *syntax.TupleExpr:
		return x.List
	}
	return nil
}

// groupOf is a redirect to interfaces that are written out.
func (p *pass) groupOf(e *syntax.CallExpr, list []syntax.Expr) operand {
	var names starlark.Tuple
	for _, x := range list {
		o := p.expr(x)
		if o.bad() {
			return operand{}
		}
		if _, param := o.v.(*paramVal); o.v == nil || param {
			p.errorf(x, "type", `choose among verdicts: redirect(["eth1", "eth2"]) if … else redirect("eth3")`,
				"the interfaces of a list are names that are known before packets come")
			return operand{}
		}
		names = append(names, o.v)
	}
	v, err := buildGroup("redirect", names)
	if err != nil {
		p.fail(e.Args[0], err)
		return operand{}
	}
	return known(v)
}
