package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// facts are variables that hold what parsing has found. They are worked out at
// the first mention on each way; state says where they hold.
type facts struct {
	data, end variable // linear part of the buffer
	length    variable // octets of the buffer
	now       variable
	zero      variable // see opaque
	meta      variable // 1 if the outer tag stands beside the buffer

	eth variable // pointer to a copy or 0

	layer       // of the packet, or of the one inside: see deep
	other layer // of the one that is not looked at

	fresh map[*ir.Value]int // pointers into the packet and their epochs
}

// A layer is what is known of the headers of a packet.
type layer struct {
	ip4, ip6, arp variable // pointer or 0; one of them at most is there
	l3            variable // place of it
	walk          variable // result of walk, or 0 where it has not been asked
	srh, srhPlace variable // pointer or 0, and place

	l4      map[packet.Header]variable // pointer or 0
	l4Place variable
	proto   variable // the L4 protocol, for IPv6
	frag    variable // 1 if a fragment, for IPv6
	payload variable // start of the payload in the buffer, or 0

	start, stop variable // of the payload, as a value of the language
}

func (f *facts) init(l *lowerer) {
	for _, v := range []*variable{&f.data, &f.end, &f.length, &f.now, &f.zero, &f.meta, &f.eth} {
		*v = l.newVar()
	}
	f.layer.init(l)
	if l.needs.tunnel {
		f.other.init(l)
	}
	f.fresh = map[*ir.Value]int{}
}

func (f *layer) init(l *lowerer) {
	for _, v := range []*variable{&f.ip4, &f.ip6, &f.arp, &f.l3, &f.walk, &f.srh, &f.srhPlace, &f.l4Place, &f.proto, &f.frag,
		&f.payload, &f.start, &f.stop} {
		*v = l.newVar()
	}
	f.l4 = map[packet.Header]variable{}
	for _, k := range l4Kinds {
		f.l4[k.h] = l.newVar()
		l.pointers[f.l4[k.h]] = true
	}
	for _, v := range []variable{f.ip4, f.ip6, f.arp, f.srh} {
		l.pointers[v] = true
	}
}

// reparse forgets where the headers are.
func (st *state) reparse() {
	st.found = found{}
	st.forgetInside()
}

// forgetInside forgets what is known of the packet inside: any write may have changed it.
func (st *state) forgetInside() { st.asked, st.deep = false, found{} }
