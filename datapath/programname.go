package datapath

import (
	"strings"

	"weir/attach"
)

// programPrefix begins the kernel's names of weir's programs.
const programPrefix = "weir_"

// ProgramName returns the name of the programs of a NAME: weir_NAME, in which what
// the kernel refuses in names of functions is an underscore. The kernel keeps 15
// octets of it (bpf_obj_name_cpy). Whoever finds that many there takes the name of
// the first function from the program's types, as bpftool does: it is this one.
func ProgramName(name string) string {
	return strings.Map(func(c rune) rune {
		if c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '_'
	}, programPrefix+name)
}

// anchor fills in the programs of a NAME that a stands for.
func (k Kernel) anchor(a *attach.Anchor) error {
	if a.Chain == "" {
		return nil
	}
	g, err := k.open(a.Chain)
	if err != nil {
		return k.instead(err)
	}
	for _, at := range g.Attachments {
		a.IDs = append(a.IDs, at.ProgramID())
	}
	return g.Close()
}

// NamedByWeir reports whether a program's name is one that weir gives. Others may
// give it, too: what is pinned is known by its manifest.
func NamedByWeir(name string) bool { return strings.HasPrefix(name, programPrefix) }
