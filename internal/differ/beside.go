package differ

import "encoding/binary"

// Fields of struct __sk_buff of linux/bpf.h, in octets: what the kernel keeps
// beside a packet, and its size since Linux 5.16.
const (
	skbMark, skbPriority, skbSegments = 8, 32, 164
	skbSize                           = 192
)

// context is the socket buffer that a test run begins with.
func (c Case) context() []byte {
	b := make([]byte, skbSize)
	binary.NativeEndian.PutUint32(b[skbMark:], c.Mark)
	binary.NativeEndian.PutUint32(b[skbPriority:], c.Priority)
	binary.NativeEndian.PutUint32(b[skbSegments:], c.Segments)
	return b
}

// left returns mark and priority of a socket buffer after a test run.
func left(skb [skbSize]byte) (mark, priority uint32) {
	return binary.NativeEndian.Uint32(skb[skbMark:]), binary.NativeEndian.Uint32(skb[skbPriority:])
}
