package ir

// Prune takes out of p the functions that the entry does not reach, through
// calls or callbacks. The kernel refuses a program that has one.
func (p *Program) Prune() {
	reach := map[*Func]bool{}
	var mark func(f *Func)
	mark = func(f *Func) {
		if reach[f] {
			return
		}
		reach[f] = true
		for _, b := range f.Blocks {
			for _, v := range b.Values {
				if v.Func != nil {
					mark(v.Func)
				}
			}
		}
	}
	mark(p.Funcs[0])
	var keep []*Func
	for _, f := range p.Funcs {
		if reach[f] {
			keep = append(keep, f)
		}
	}
	p.Funcs = keep
}
