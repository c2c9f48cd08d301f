package lang

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"weir/lang/lower"
	"weir/lang/value"
)

// A Step is a kind of thing that a packet meets on its way through a program that was
// compiled with Options.Steps.
type Step struct {
	Kind  StepKind
	At    Line         // in the source
	Name  string       // of a local or a map
	Types []value.Type // of the values that it tells
}

// A StepKind says what a Step is.
type StepKind uint8

// Kinds of steps.
const (
	// StepReached is a statement that was reached.
	StepReached = StepKind(lower.StepReached)
	// StepBranch is the condition of an if or while; the flag says whether it holds.
	StepBranch = StepKind(lower.StepBranch)
	// StepAssigned is a local that was assigned; the flag says whether a header view, a
	// reference or bytes are there.
	StepAssigned = StepKind(lower.StepAssigned)
	// StepCompared are the two sides of a comparison.
	StepCompared = StepKind(lower.StepCompared)
	// StepLooked is a key that was looked up, and its value if the flag says that it
	// was found and it can be shown.
	StepLooked = StepKind(lower.StepLooked)
	// StepStored is a key that was put into a map, and its value if it has one that can
	// be shown.
	StepStored = StepKind(lower.StepStored)
	// StepBecame is the value of the entry that was looked up before.
	StepBecame = StepKind(lower.StepBecame)
)

// A Met is a step of a packet.
type Met struct {
	Step
	Flag   bool
	Values [][]byte // of Types, as package value stores them
}

// StepsSize returns how many octets of the value of a StepMap hold steps, of the first
// word of it, and how many octets were left out for want of room.
func StepsSize(first uint64) (size int, lost uint64) {
	if first <= lower.StepRoom {
		return int(first), 0
	}
	// The last that had room may reach over its end.
	return lower.StepRoom, first - lower.StepRoom
}

// DecodeSteps reads the steps of a packet, in the order in which it met them: what
// follows the first word of the value of a StepMap, as far as it is filled. A step that
// is cut off at the end is left out.
func (p *Program) DecodeSteps(b []byte) ([]Met, error) {
	const head = 16
	var out []Met
	for len(b) >= head {
		id, size := binary.NativeEndian.Uint32(b), int(binary.NativeEndian.Uint32(b[4:]))
		if int(id) >= len(p.Steps) || size < head {
			return out, errors.New("decode steps: what is there is no step")
		}
		if size > len(b) {
			return out, nil
		}
		m := Met{Step: p.Steps[id], Flag: binary.NativeEndian.Uint64(b[8:]) != 0}
		at := head
		for _, t := range m.Types {
			m.Values = append(m.Values, append([]byte(nil), b[at:at+t.Size()]...))
			at += (t.Size() + 7) &^ 7
		}
		out = append(out, m)
		b = b[size:]
	}
	return out, nil
}

// A Told is a packet that Options.Match held for.
type Told struct {
	Time    time.Duration // of CLOCK_MONOTONIC, when it came
	Length  int           // octets of the frame then
	Frame   []byte        // its first, then
	Outcome Outcome
	Met     []Met
	Lost    uint64 // octets of notes for which there was no room
}

// DecodeTold reads what a program has put into its StepRing.
func (p *Program) DecodeTold(b []byte) (Told, error) {
	if len(b) < lower.RecordNotes+8 {
		return Told{}, fmt.Errorf("decode what is told of a packet: %d octets", len(b))
	}
	word := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	t := Told{Time: time.Duration(word(0)), Length: int(word(lower.RecordLength))}
	t.Frame = bytes.Clone(b[lower.RecordFrame:][:min(t.Length, lower.RecordSnap)])
	size := word(lower.RecordNotes)
	notes := b[lower.RecordNotes+8:]
	if size > uint64(len(notes)) {
		t.Lost = size - uint64(len(notes))
	} else {
		notes = notes[:size] // a ring rounds up
	}
	var err error
	if t.Outcome, err = DecodeOutcome(b[lower.RecordOutcome:][:OutcomeSize]); err == nil {
		t.Met, err = p.DecodeSteps(notes)
	}
	return t, err
}
