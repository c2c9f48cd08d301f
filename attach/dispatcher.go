package attach

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// dispatcherName is the name of libxdp's program that calls others in turn, each
// put into its place by freplace (protocol.org of xdp-tools; bpfman has the same
// form).
const dispatcherName = "xdp_dispatcher"

// The dispatcher's read-only data begin with this number since version 2 of the
// protocol. The octets that follow are the version and how many programs there
// are; version 1 has that number alone.
const dispatcherMagic = 'X' + 'D' + 'P'

// A Dispatcher is what is known of a libxdp dispatcher.
type Dispatcher struct {
	N       int      // how many programs it calls
	Members []string // their names, in the order in which they are called; empty if they cannot be seen
}

// String returns libxdp dispatcher with 2 programs: xdp_filter, xdp_pass.
func (d Dispatcher) String() string {
	s := "libxdp dispatcher with " + plural(d.N, "program")
	if len(d.Members) > 0 {
		s += ": " + strings.Join(d.Members, ", ")
	}
	return s
}

// dispatcherOf tells whether p is a dispatcher: by its name, and data of the form that
// the protocol has. It returns nil if not.
func dispatcherOf(p *ebpf.Program) *Dispatcher {
	info, err := p.Info()
	if err != nil || info.Name != dispatcherName {
		return nil
	}
	ids, _ := info.MapIDs()
	for _, id := range ids {
		n, ok := dispatcherConfig(id)
		if !ok {
			continue
		}
		d := &Dispatcher{N: n}
		if id, ok := info.ID(); ok {
			d.Members = membersOf(id)
		}
		return d
	}
	return nil
}

// dispatcherConfig reads how many programs a dispatcher calls from its read-only data.
func dispatcherConfig(id ebpf.MapID) (n int, ok bool) {
	m, err := ebpf.NewMapFromID(id)
	if err != nil {
		return 0, false
	}
	defer m.Close()
	data, err := m.LookupBytes(uint32(0))
	if err != nil || !strings.HasSuffix(mapName(m), ".rodata") || len(data) < 44 {
		return 0, false
	}
	if data[0] == dispatcherMagic {
		return int(data[2]), true
	}
	return int(data[0]), data[1]|data[2]|data[3] == 0 // the number, then padding
}

func mapName(m *ebpf.Map) string {
	info, err := m.Info()
	if err != nil {
		return ""
	}
	return info.Name
}

// membersOf returns the names of the programs that replace functions of a program,
// in the order of these functions: that in which a dispatcher calls them.
func membersOf(target ebpf.ProgramID) []string {
	members := map[uint32]string{}
	_ = EachLink(func(_ link.Link, info *link.Info) bool { // what cannot be listed has no names
		if x := info.Tracing(); info.Type == link.TracingType && x != nil && x.TargetObjectId == uint32(target) {
			members[uint32(x.TargetBtfId)] = programName(info.Program)
		}
		return true
	})
	var names []string
	for _, function := range slices.Sorted(maps.Keys(members)) {
		names = append(names, members[function])
	}
	return names
}

// programName returns a program's name: where the kernel cut it, that of its types.
func programName(id ebpf.ProgramID) string {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return ""
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return ""
	}
	return info.Name
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}
