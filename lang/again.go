package lang

import "fmt"

// Again compiles the sources of p once more, as they are kept in it, for the same hook.
// Of o what says how counts, and not what: File, Func, Line, Then, Among, Hook and
// Load are those of p.
func (p *Program) Again(o Options) (*Program, error) {
	text := map[string]string{}
	for _, s := range p.Sources {
		text[s.Name] = s.Text
	}
	parts := p.Parts()
	o.File, o.Func, o.Then, o.Hook, o.Observe = parts[0].File, parts[0].Func, parts[1:], p.Hook, parts[0].Observe
	o.Among = nil
	for _, file := range p.Among {
		o.Among = append(o.Among, Part{File: file, Source: []byte(text[file])})
	}
	o.Line = p.Chains[0].Name == LineName && Name(o.File) != LineName
	o.Load = func(path string) ([]byte, error) {
		if s, ok := text[path]; ok {
			return []byte(s), nil
		}
		return nil, fmt.Errorf("%s was not compiled with it", path)
	}
	return Compile(parts[0].Source, o)
}
