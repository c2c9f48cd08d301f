package nf

// All returns the functions that ship.
func All() []Function { return nil }
