package hook

// An Ability is something that chains see or may do at some hooks.
type Ability struct {
	Name string // in words of the language
	Word string // for short; empty for what is about reading only

	// Mixed says that reading is possible where writing is not.
	Mixed bool

	at func(Hook, Info) Access
}

// At returns what a chain may do at h: NoAccess where it has not the ability, Read
// where it is about reading, ReadWrite where it changes something.
func (a Ability) At(h Hook) Access { return a.at(h, h.Info()) }

var abilities = []Ability{
	{"pkt.eth, pkt.vlan", "", false, reads(func(i Info) bool { return i.Ethernet })},
	{"IP and all that it carries", "", false, reads(func(i Info) bool { return !i.Conn })},
	{"conn: addresses, ports, protocol", "", false, reads(func(i Info) bool { return i.Conn })},
	{"conn: process and socket", "", false, reads(func(i Info) bool { return i.Conn && !i.Choose })},
	{"pkt.hash", "", false, func(_ Hook, i Info) Access { return i.Hash }},
	{"DROP", "drop", false, func(h Hook, _ Info) Access {
		drop, _ := h.Code("DROP")
		pass, _ := h.Code("PASS")
		return does(drop != pass)
	}},
	{"writing fields and payload", "write", false, changes(func(i Info) bool { return i.Write })},
	{"writing where a connection goes", "rewrite", false, changes(func(i Info) bool { return i.Conn && !i.Choose })},
	{"to_socket", "choose", false, changes(func(i Info) bool { return i.Choose })},
	{"push, pop, trim, tags", "move", false, changes(func(i Info) bool { return i.Move })},
	{"TX, redirect", "send", false, changes(func(i Info) bool { return i.Redirect })},
	{"reject", "reject", false, func(h Hook, _ Info) Access {
		_, ok := h.Code("REJECT")
		return does(ok)
	}},
	{"redirect_cpu", "cpu", false, changes(func(i Info) bool { return i.RedirectCPU })},
	{"to_user", "user", false, changes(func(i Info) bool { return i.ToUser })},
	{"redirect_peer", "peer", false, changes(func(i Info) bool { return i.RedirectPeer })},
	{"clone", "clone", false, changes(func(i Info) bool { return i.Clone })},
	{"pkt.mark, pkt.priority", "mark", true, func(_ Hook, i Info) Access { return i.Mark }},
}

// Abilities returns all abilities, those of seeing first.
func Abilities() []Ability { return append([]Ability(nil), abilities...) }

func reads(can func(Info) bool) func(Hook, Info) Access {
	return func(_ Hook, i Info) Access {
		if can(i) {
			return Read
		}
		return NoAccess
	}
}

func changes(can func(Info) bool) func(Hook, Info) Access {
	return func(_ Hook, i Info) Access { return does(can(i)) }
}

func does(can bool) Access {
	if can {
		return ReadWrite
	}
	return NoAccess
}
