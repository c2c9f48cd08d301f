package datapath

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// pin pins maps and programs and, last, the manifest.
func (t *transaction) pin() error {
	m := &manifest{Format: manifestFormat, Name: t.g.Name, Number: t.g.Number, Time: t.g.Time}
	files := map[*ebpf.Map]string{}
	for i, a := range t.g.Attachments {
		ma := manifestAttachment{Record: a.Record, Program: t.program(m, i), Tag: a.Tag(), Maps: map[string]string{}}
		for name, obj := range a.unit.maps {
			if files[obj] == "" {
				files[obj] = fmt.Sprintf("%s:%d", escape(name, ""), i)
				if err := obj.Pin(t.path("map", files[obj])); err != nil {
					return wrap(err, "pin map %s", name)
				}
			}
			ma.Maps[name] = files[obj]
		}
		if err := a.unit.obj.Pin(t.path("prog", pinName(a.Where))); err != nil {
			return wrap(err, "pin program")
		}
		m.Attachments = append(m.Attachments, ma)
	}
	return m.pin(t.path())
}

// program returns the index in m.Programs of attachment i's program.
func (t *transaction) program(m *manifest, i int) int {
	for j, a := range t.g.Attachments[:i] {
		if a.Program == t.g.Attachments[i].Program {
			return m.Attachments[j].Program
		}
	}
	m.Programs = append(m.Programs, inert(t.g.Attachments[i].Program))
	return len(m.Programs) - 1
}
