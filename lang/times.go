package lang

import "encoding/binary"

// A Lap is how long something took: a sum, and of how many times. It may have been
// left and come back to within one packet: see package lower.
type Lap struct{ NS, N uint64 }

// Sub returns what has come since an earlier reading.
func (l Lap) Sub(earlier Lap) Lap { return Lap{l.NS - earlier.NS, l.N - earlier.N} }

// DecodeTimes reads the value of a TimeMap. The clock is what two readings of the
// clock took that were right behind each other, once for each packet that was timed:
// as much is in each lap of Program.Times, which are in their order.
func (p *Program) DecodeTimes(b []byte) (clock Lap, laps []Lap) {
	at := func(i int) Lap {
		return Lap{binary.NativeEndian.Uint64(b[16*i:]), binary.NativeEndian.Uint64(b[16*i+8:])}
	}
	for i := range p.Times {
		laps = append(laps, at(i+1))
	}
	return at(0), laps
}

// Add returns the sum of both.
func (l Lap) Add(m Lap) Lap { return Lap{l.NS + m.NS, l.N + m.N} }
