package check

import (
	"maps"
	"path"
	"slices"
	"strings"

	"weir/lang/diag"
)

// A Part is a chain of a composition: several chains on one hook, where PASS goes
// on to the next and every other verdict ends. Each is checked as if it were
// alone; what they share is build time, in which a file is loaded once.
type Part struct {
	File   string
	Func   string // "" is main
	Source []byte

	// Observe has verdicts counted, and lets everything pass: the chain's counters are
	// then called CHAIN.observed VERDICT. It may not change packets.
	Observe bool
}

// A root is a Part after build time.
type root struct {
	*module
	fn     string // the attached function
	name   string // of the chain
	prefix string // of its counters' names: "" where there is one chain

	observe bool

	program *Part // of an object, for which the module stands in
}

// Name returns what a chain of a file is called: the file's base name without the
// ending.
func Name(file string) string {
	base := path.Base(strings.ReplaceAll(file, `\`, "/"))
	return strings.TrimSuffix(strings.TrimSuffix(base, ".weir"), ".o")
}

// roots runs the build time of each part. It returns nil if there was an error in
// one of them.
func (b *builder) roots(parts []Part) []root {
	for i := range parts {
		if parts[i].Func == "" {
			parts[i].Func = "main"
			if isObject(parts[i].File) {
				parts[i].Func = onlyProgram(parts[i])
			}
		}
	}
	if !b.distinct(parts) {
		return nil
	}
	var out []root
	for _, p := range parts {
		r := root{fn: p.Func, name: Name(p.File), observe: p.Observe}
		if isObject(p.File) {
			if p.Observe {
				b.errorf(diag.Pos{File: p.File}, "observe", "let it take effect: what it does to packets is not known", "a program of a C object cannot be observed")
				continue
			}
			r.module, r.fn, r.program = b.standIn(p), "main", &p
		} else {
			r.module = b.root(p.File, p.Source)
		}
		if r.module == nil {
			continue
		}
		if slices.ContainsFunc(parts, func(q Part) bool { return sameFile(p, q) && q.Func != p.Func }) {
			r.name += ":" + p.Func
		}
		if len(parts) > 1 || len(b.opts.Among) > 0 {
			r.prefix = r.name + "."
		}
		out = append(out, r)
	}
	if len(out) < len(parts) {
		return nil
	}
	return out
}

// among runs the build time of files that names are given among. What is wrong with
// one is told with each: it runs once for all, those of the program and what they load.
func (b *builder) among(parts []Part) (out []*module) {
	for _, p := range parts {
		if isObject(p.File) {
			continue
		}
		if m := b.root(p.File, p.Source); m != nil && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

func sameFile(p, q Part) bool { return path.Clean(p.File) == path.Clean(q.File) }

// distinct refuses a chain that is given twice, and two that could not be told
// apart.
func (b *builder) distinct(parts []Part) bool {
	for i, p := range parts {
		for _, q := range parts[:i] {
			pos := diag.Pos{File: p.File}
			switch same := sameFile(p, q); {
			case same && p.Func == q.Func:
				b.errorf(pos, "chain", "leave one out, or name another function of the file", "%s of %s is given twice", p.Func, p.File)
				return false
			case !same && Name(p.File) == Name(q.File):
				b.errorf(pos, "chain", "rename one of the files: a chain, its maps and its counts are called after it",
					"two chains are called %s: %s and %s", Name(p.File), q.File, p.File)
				return false
			}
		}
	}
	return true
}

func (b *builder) newProgram() *Program {
	p := &Program{Sources: b.sources, Files: b.files}
	for a := Pass; a <= Redirect; a++ {
		p.Verdicts = append(p.Verdicts, Verdict{Action: a})
	}
	return p
}

// program types the attached functions of the roots, and gathers what they use. Names
// are given among the roots, or the files that were given for that.
func (b *builder) program(roots []root, among []*module) (*Program, diag.List) {
	p := b.newProgram()
	var modules []*module
	for _, r := range roots {
		if !slices.Contains(modules, r.module) {
			modules = append(modules, r.module)
		}
	}
	var reached map[*Map]bool
	if len(among) > 0 {
		nameAll(b, among, true)
		reached, _ = reaches(b, modules)
	} else {
		reached = nameAll(b, modules, len(modules) > 1)
	}
	params := map[*Param]bool{}
	list := b.clashes()
	uses := func(c *checker) {
		maps.Copy(reached, c.used)
		maps.Copy(params, c.params)
		p.addObjects(c.objects)
	}
	for _, r := range roots {
		c := newChecker(b, p, r)
		c.run()
		uses(c)
		for _, d := range c.diags {
			if !slices.Contains(list, d) { // of a module's function that several chains call
				list = append(list, d)
			}
		}
	}
	if b.opts.Match != "" {
		if c := b.match(p, roots[0].module); c != nil {
			uses(c)
			list = append(list, c.diags...)
		}
	}
	var tallies []*Map
	tallies, p.Maps = p.Maps, nil
	for _, m := range b.maps {
		if reached[m] {
			p.Maps = append(p.Maps, m)
		}
	}
	sortBy(p.Maps, func(m *Map) string { return m.Name })
	p.Maps = append(p.Maps, tallies...)
	for _, x := range b.params {
		if params[x] || slices.ContainsFunc(modules, func(m *module) bool { return m.name == x.Pos.File }) {
			p.Params = append(p.Params, x)
		}
	}
	sortBy(p.Params, func(x *Param) string { return x.Name })
	sortBy(p.Objects, func(x *Object) string { return x.File })
	return p, append(list, p.freeSockets()...)
}
