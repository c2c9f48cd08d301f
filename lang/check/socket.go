package check

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
)

const socketHint = `write to_socket("tcp:127.0.0.1:8080"), to_socket("udp:[::1]:53"), to_socket("tcp:*:8080"), or a name of your own`

// socketName is what a socket is called that has no address in its name.
var socketName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// buildToSocket is to_socket("tcp:127.0.0.1:8080") or to_socket("web").
func buildToSocket(_ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	a, err := bindArgs(name, []string{"name"}, 1, args, kwargs)
	if err != nil {
		return nil, err
	}
	s, ok := starlark.AsString(a["name"])
	if !ok {
		return nil, fault("type", socketHint, "to_socket() takes the name of a socket")
	}
	proto, addr, found := strings.Cut(s, ":")
	if !found && socketName.MatchString(s) {
		return verdictVal{Verdict{Action: ToSocket}, s}, nil
	}
	_, err = netip.ParseAddrPort(strings.Replace(addr, "*:", "0.0.0.0:", 1))
	if proto != "tcp" && proto != "udp" || err != nil {
		return nil, fault("value", socketHint, "%q is no name of a socket", s)
	}
	return verdictVal{Verdict{Action: ToSocket}, s}, nil
}

// toSocket is to_socket("web") at packet time.
func (p *pass) toSocket(e *syntax.CallExpr) operand {
	if !p.mayRedirect(e, "to_socket") {
		p.args(e)
		return operand{}
	}
	args, ok := p.passArgs(e, "to_socket", []string{"name"}, 1, 1)
	if !ok || args[0].o.bad() {
		return operand{}
	}
	if args[0].o.v == nil {
		p.errorf(args[0].e, "type", "choose among verdicts: to_socket(\"a\") if … else to_socket(\"b\")", "the name of a socket is known at build time")
		return operand{}
	}
	v, err := buildToSocket(nil, "to_socket", starlark.Tuple{args[0].o.v}, nil)
	if err != nil {
		p.fail(e, err)
		return operand{}
	}
	return known(v)
}

// freeSockets refuses a map that weir maps could not tell from the sockets.
func (p *Program) freeSockets() (list diag.List) {
	for _, m := range p.Maps {
		if m.Name == "sockets" && len(p.Sockets) > 0 {
			list = append(list, diag.Diagnostic{
				Pos: m.Pos, Code: "name", Hint: "choose another name",
				Message: fmt.Sprintf("weir maps calls the sockets of to_socket() sockets, and so is this %s called", m.Kind),
			})
		}
	}
	return list
}
