package check

// Questions to the kernel, and what it does on the way.
type (
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
	// Clone is clone(To): it sends a copy of the packet, and gives whether that was
	// done. To is the index of an interface.
	Clone struct {
		Base
		To Expr
	}
)
