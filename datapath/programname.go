package datapath

import (
	"strings"

	"golang.org/x/sys/unix"

	"weir/attach"
)

// programPrefix begins the kernel's names of weir's programs.
const programPrefix = "weir_"

// ProgramName returns the name that the kernel has for the programs of a NAME:
// weir_NAME, in which what the kernel refuses is an underscore, cut to the 15
// octets that it keeps (bpf_obj_name_cpy).
func ProgramName(name string) string {
	s := strings.Map(func(c rune) rune {
		if c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '_'
	}, programPrefix+name)
	return s[:min(len(s), unix.BPF_OBJ_NAME_LEN-1)]
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
