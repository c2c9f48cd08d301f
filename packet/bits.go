package packet

import "encoding/binary"

// Get returns the number that a field of a header holds, as chains see it: frag_off
// in octets. The header begins at h[0]. Fields that are longer than 8 octets, or
// virtual, have none; nor have fields that h is too short for. Those are 0.
func (f Field) Get(h []byte) uint64 {
	if f.Virtual || f.Bytes > 8 || len(h) < f.Off+f.Bytes {
		return 0
	}
	return unit(h[f.Off:], f.Bytes) >> f.Shift & f.mask() * uint64(f.Scale)
}

// Put stores a number that is at most Max. It leaves the other bits of the storage
// unit as they are, and does nothing where Get gives 0 for want of a place.
func (f Field) Put(h []byte, n uint64) {
	if f.Virtual || f.Bytes > 8 || len(h) < f.Off+f.Bytes {
		return
	}
	all := unit(h[f.Off:], f.Bytes)&^(f.mask()<<f.Shift) | n/uint64(f.Scale)&f.mask()<<f.Shift
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], all)
	copy(h[f.Off:f.Off+f.Bytes], b[8-f.Bytes:])
}

func (f Field) mask() uint64 {
	if f.Bits == 0 { // an address
		return 1<<(8*uint(f.Bytes)) - 1
	}
	return 1<<uint(f.Bits) - 1
}

// unit reads n octets, big-endian.
func unit(b []byte, n int) uint64 {
	var x uint64
	for _, c := range b[:n] {
		x = x<<8 | uint64(c)
	}
	return x
}
