package ref

import "encoding/binary"

// Kinds of TCP options (RFC 9293 section 3.2).
const optionEnd, optionNop, optionMSS = 0, 1, 2

// option finds the data of the first option of a kind in a whole TCP header:
// where it begins in the header, and its bytes. Padding has no data. An option
// that lies about its length is the last that is looked at, and is none.
func option(header []byte, kind uint64) (at int, data []byte, ok bool) {
	for at = 20; at < len(header); {
		switch header[at] {
		case optionEnd:
			return 0, nil, false
		case optionNop:
			at++
			continue
		}
		rest := header[at:]
		if len(rest) < 2 || rest[1] < 2 || int(rest[1]) > len(rest) {
			return 0, nil, false
		}
		if uint64(rest[0]) == kind {
			return at + 2, rest[2:rest[1]], true
		}
		at += int(rest[1])
	}
	return 0, nil, false
}

// tcpHeader is the bytes of a TCP header with its options, nil if it is not there.
func (v *view) tcpHeader() []byte {
	if !v.ok {
		return nil
	}
	b := v.p.frame[v.off:]
	return b[:int(b[12]>>4)*4]
}

// mss is where the value of the MSS option is in the header; ok is false if there
// is no such option of two bytes.
func (v *view) mss() (at int, ok bool) {
	at, data, ok := option(v.tcpHeader(), optionMSS)
	return at, ok && len(data) == 2
}

func (v *view) mssField() value {
	at, ok := v.mss()
	if !ok {
		return unsigned(0)
	}
	return unsigned(uint64(binary.BigEndian.Uint16(v.tcpHeader()[at:])))
}
