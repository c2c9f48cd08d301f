package datapath

import (
	"fmt"

	"github.com/cilium/ebpf"

	"weir/lang"
)

// pin pins maps and programs and, last, the manifest.
func (t *transaction) pin() error {
	m := &manifest{Format: manifestFormat, Name: t.g.Name, Number: t.g.Number, Time: t.g.Time}
	p := &pinning{t: t, m: m, units: map[*unit]int{}, programs: map[*lang.Program]int{}, files: map[*ebpf.Map]string{}}
	for _, a := range t.g.Attachments {
		i, err := p.unit(a)
		if err != nil {
			return err
		}
		m.Attachments = append(m.Attachments, manifestAttachment{Record: a.Record, Unit: i, Row: a.row})
	}
	return m.pin(t.path())
}

// A pinning fills in a manifest.
type pinning struct {
	t        *transaction
	m        *manifest
	units    map[*unit]int         // index in manifest.Units
	programs map[*lang.Program]int // index in manifest.Programs
	files    map[*ebpf.Map]string
}

// unit pins the program of an attachment, under the name of the first place that it is at,
// and returns its index in the manifest.
func (p *pinning) unit(a *Attachment) (int, error) {
	u := a.unit
	if i, ok := p.units[u]; ok {
		return i, nil
	}
	mu := manifestUnit{Program: p.program(u.prog), Point: u.point, Frags: u.frags, File: pinName(a.Where), Tag: u.tag, Sum: u.sum, Maps: map[string]string{}}
	i := len(p.m.Units)
	for name, obj := range u.maps {
		if p.files[obj] == "" {
			p.files[obj] = fmt.Sprintf("%s:%d", escape(name, ""), i)
			if err := obj.Pin(p.t.path("map", p.files[obj])); err != nil {
				return 0, wrap(err, "pin map %s", name)
			}
		}
		mu.Maps[name] = p.files[obj]
	}
	if err := u.obj.Pin(p.t.path("prog", mu.File)); err != nil {
		return 0, wrap(err, "pin program")
	}
	p.units[u] = i
	p.m.Units = append(p.m.Units, mu)
	return i, nil
}

// program returns the index of a program in the manifest.
func (p *pinning) program(prog *lang.Program) int {
	i, ok := p.programs[prog]
	if !ok {
		i = len(p.m.Programs)
		p.programs[prog] = i
		p.m.Programs = append(p.m.Programs, inert(prog))
	}
	return i
}
