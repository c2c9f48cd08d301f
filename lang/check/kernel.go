package check

import (
	"go.starlark.net/syntax"

	"weir/hook"
	"weir/lang/value"
)

// packetFields are the integers of the packet itself.
var packetFields = map[string]value.Type{
	"len": value.U32, "ifindex": value.U32, "queue": value.U32, "now": value.U64, "segments": value.U32,
	"mark": value.U32, "priority": value.U32, "hash": value.U32,
}

// kernelFields are those that the kernel keeps beside the packet, where it has
// them.
var kernelFields = map[string]func(hookInfo) hook.Access{
	"mark":     func(i hookInfo) hook.Access { return i.Mark },
	"priority": func(i hookInfo) hook.Access { return i.Mark },
	"hash":     func(i hookInfo) hook.Access { return i.Hash },
}

// packetField is pkt.NAME of packetFields.
func (p *pass) packetField(e *syntax.DotExpr, inner bool) operand {
	name := e.Name.Name
	if access, ok := kernelFields[name]; ok && access(p.c.b.opts.Hook.Info()) == hook.NoAccess {
		has := hooksWith(func(i hookInfo) bool { return access(i) != hook.NoAccess })
		p.errorAt(posOf(e.Name.NamePos), "hook", "attach the chain at "+has, "pkt.%s is not there at %s", name, p.c.b.opts.Hook)
		return operand{}
	}
	return run(&PacketField{Base{packetFields[name], at(e)}, name, inner && name == "len"})
}

// setPacket is pkt.NAME = rhs, of what the kernel keeps beside the packet.
func (p *pass) setPacket(l *syntax.DotExpr, pkt Expr, rhs syntax.Expr, o operand) {
	if p.conn() {
		p.setConn(l, rhs, o)
		return
	}
	if p.pktAttr(l, pkt).bad() || p.isInside(l, pkt.Type()) {
		return
	}
	name, pos := l.Name.Name, posOf(l.Name.NamePos)
	access, ok := kernelFields[name]
	may := func(i hookInfo) bool { return ok && access(i) == hook.ReadWrite }
	switch has := hooksWith(may); {
	case name == "len":
		p.errorAt(pos, "type", "change the frame: pkt.trim(n), pkt.push(n) or pkt.pop(n)", "pkt.len cannot be assigned to")
	case has == "":
		p.errorAt(pos, "type", "a header is changed by its fields: pkt.ip4.ttl = 64", "pkt.%s cannot be assigned to", name)
	case !may(p.c.b.opts.Hook.Info()):
		p.errorAt(pos, "hook", "attach the chain at "+has, "pkt.%s can only be read at %s", name, p.c.b.opts.Hook)
	default:
		if x := p.store(rhs, p.value(rhs, o), packetFields[name], "pkt."+name); x != nil {
			p.emit(&SetPacket{Pos: at(l), Name: name, X: x})
		}
	}
}
