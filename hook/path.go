package hook

// A Way is a way that packets go through a machine.
type Way uint8

// Ways.
const (
	In      Way = iota // to a socket of this host
	Through            // to another host, for which this one is a router
	Out                // from a socket of this host
)

var paths = [...][]Hook{
	In:      {XDP, Socket, TCIngress, NetfilterPrerouting, NetfilterInput, CgroupIngress},
	Through: {XDP, Socket, TCIngress, NetfilterPrerouting, NetfilterForward, NetfilterPostrouting, TCEgress, Socket},
	Out:     {NetfilterOutput, NetfilterPostrouting, CgroupEgress, TCEgress, Socket},
}

// Ways returns all ways.
func Ways() []Way { return []Way{In, Through, Out} }

// String returns in, through or out.
func (w Way) String() string { return [...]string{"in", "through", "out"}[w] }

// Path returns the hooks on a way, in the order in which a packet meets them. On the
// way through a packet socket sees a packet twice. Hooks of connections are on no way:
// connect comes before a packet is made, sk-lookup between netfilter-input and
// cgroup-ingress.
func Path(w Way) []Hook { return append([]Hook(nil), paths[w]...) }

// Positions returns the places of h among the hooks of a way, from 1; none if it is
// not on it.
func (h Hook) Positions(w Way) []int {
	var at []int
	for i, x := range paths[w] {
		if x == h {
			at = append(at, i+1)
		}
	}
	return at
}
