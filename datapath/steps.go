package datapath

import (
	"encoding/binary"
	"fmt"

	"weir/lang"
)

// ForgetSteps begins a new way: what a program notes of the next packet follows
// nothing. It does nothing to a program without a StepMap.
func (s *State) ForgetSteps(p *lang.Program) error {
	m := s.SystemMap(p, lang.StepMap)
	if m == nil {
		return nil
	}
	mem, err := m.Memory()
	if err == nil {
		_, err = mem.WriteAt(make([]byte, 8), 0)
	}
	return wrap(err, "forget steps")
}

// Steps returns what a program has noted since ForgetSteps, and how many octets of it
// had no room.
func (s *State) Steps(p *lang.Program) (met []lang.Met, lost uint64, err error) {
	m := s.SystemMap(p, lang.StepMap)
	if m == nil {
		return nil, 0, nil
	}
	mem, err := m.Memory()
	if err != nil {
		return nil, 0, fmt.Errorf("read steps: %w", err)
	}
	var first [8]byte
	if _, err := mem.ReadAt(first[:], 0); err != nil {
		return nil, 0, fmt.Errorf("read steps: %w", err)
	}
	size, lost := lang.StepsSize(binary.NativeEndian.Uint64(first[:]))
	b := make([]byte, size)
	if _, err := mem.ReadAt(b, 8); err != nil {
		return nil, 0, fmt.Errorf("read steps: %w", err)
	}
	met, err = p.DecodeSteps(b)
	return met, lost, wrap(err, "read steps")
}
