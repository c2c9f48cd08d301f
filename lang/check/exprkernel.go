package check

import "weir/lang/pcap"

// Sums of octets, questions to the kernel, and what it does on the way.
type (
	// OffsetOf is X.offset of a View or a Span: where it begins in the frame, 0 if it
	// is not there.
	OffsetOf struct {
		Base
		X Expr
	}
	// Sum is SPAN.sum(Off, N, Start), of the frame if Span is nil: the ones'
	// complement sum of 16-bit words and of Start, folded to 16 bits, not turned. It
	// is 0 if not all N octets are there, or they are more than MaxSum.
	Sum struct {
		Base
		Span, Off, N, Start Expr
	}
	// Fib asks the kernel's routing and neighbour tables: a Record of type RouteT.
	// Where There, a bool, does not hold they are not asked; nil is true.
	Fib struct {
		Base
		There               Expr
		Dst, Src            Expr // IP
		Proto, Sport, Dport Expr // Int
		Class               Expr // Int: six bits of DSCP, two of zeros, 20 of the flow label
		Len                 Expr // Int: octets from the IP header on; 0: of no matter
	}
	// Mask is mask(X, Bits, bits6 = Bits6) of an address: all but its first bits are
	// zero. Bits is of IPv4, Bits6 of IPv6; more than it has are all.
	Mask struct {
		Base
		X, Bits, Bits6 Expr
	}
	// BitLength is bit_length(X): how many bits it takes to write its 64 bits down
	// without zeros before them, 0 of 0.
	BitLength struct {
		Base
		X Expr
	}
	// TAI is tai(): nanoseconds of CLOCK_TAI.
	TAI struct{ Base }
	// SynCookie is syncookie(pkt), a tuple of type CookieT, both 0 where there is no
	// TCP header or the kernel makes no cookies. With Check it is syncookie_ok(pkt), a
	// bool: whether the number that is acknowledged is a cookie and one more.
	SynCookie struct {
		Base
		IP, TCP Expr // Views
		Check   bool
	}
	// Clone is clone(To): it sends a copy of the packet, and gives whether that was
	// done. To is the index of an interface.
	Clone struct {
		Base
		To Expr
	}
	// Matches is f(pkt), f of pcap_filter: a bool.
	Matches struct {
		Base
		Filter *pcap.Filter
	}
)
