package lang

import (
	"fmt"

	"weir/lang/check"
	"weir/lang/diag"
	"weir/lang/ir"
	"weir/lang/lower"
)

// maxMaps is how many maps the kernel lets one program use (MAX_USED_MAPS in
// include/linux/bpf_verifier.h, Linux 6.18).
const maxMaps = 64

// tooManyMaps is an error at the first map that is one too many for the kernel.
// Maps that no code uses do not count.
func tooManyMaps(tree *check.Program, low *lower.Result) error {
	used := map[*ir.Map]bool{}
	for _, f := range low.IR.Funcs {
		for _, b := range f.Blocks {
			for _, v := range b.Values {
				if v.Map != nil {
					used[v.Map] = true
				}
			}
		}
	}
	if len(used) <= maxMaps {
		return nil
	}
	var own []diag.Pos
	for _, m := range low.IR.Maps {
		if used[m] && low.User[m] != nil {
			own = append(own, low.User[m].Pos)
		}
	}
	others := len(used) - len(own)
	pos := low.IR.Funcs[0].Pos
	if others <= maxMaps {
		pos = own[maxMaps-others]
	}
	ds := diag.List{{
		Pos: pos, Code: "limit",
		Message: fmt.Sprintf("the chain uses %d maps, more than the limit of %d of the kernel: %d of its own, %d that weir needs", len(used), maxMaps, len(own), others),
		Hint:    "make one map of several, with a tuple as its key: table((u8, ip4), u64, size = 1024); each count(x) is a map, too",
	}}
	tree.Sources.Fill(ds)
	return ds
}
