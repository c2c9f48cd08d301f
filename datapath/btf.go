package datapath

import (
	"fmt"
	"math"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// kernelTypes answers what a program leaves open about the running kernel, from
// the BTF of the kernel, which is read when it is first asked.
type kernelTypes struct{ spec *btf.Spec }

func (t *kernelTypes) load() (err error) {
	if t.spec == nil {
		t.spec, err = btf.LoadKernelSpec() // which keeps it for the next one
	}
	return wrap(err, "read types of the kernel")
}

// function returns the number of a function that programs may call.
func (t *kernelTypes) function(name string) (int32, error) {
	if err := t.load(); err != nil {
		return 0, err
	}
	var f *btf.Func
	if err := t.spec.TypeByName(name, &f); err != nil {
		return 0, err
	}
	id, err := t.spec.TypeID(f)
	return int32(id), err
}

// field returns where a field lies: STRUCT.FIELD, of the struct itself or of what
// has no name in it.
func (t *kernelTypes) field(name string) (int16, error) {
	if err := t.load(); err != nil {
		return 0, err
	}
	of, field, _ := strings.Cut(name, ".")
	var s *btf.Struct
	if err := t.spec.TypeByName(of, &s); err != nil {
		return 0, err
	}
	at, ok := member(s.Members, field)
	if !ok || at > math.MaxInt16 {
		return 0, fmt.Errorf("struct %s has no such field in reach", of)
	}
	return int16(at), nil
}

// member finds a field among members and those of members without a name. It
// returns its octet.
func member(members []btf.Member, name string) (uint32, bool) {
	for _, m := range members {
		if m.Name == name && m.BitfieldSize == 0 {
			return m.Offset.Bytes(), true
		}
		if m.Name != "" {
			continue
		}
		var inner []btf.Member
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			inner = t.Members
		case *btf.Union:
			inner = t.Members
		}
		if at, ok := member(inner, name); ok {
			return m.Offset.Bytes() + at, true
		}
	}
	return 0, false
}
