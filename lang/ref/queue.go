package ref

// push is m.push(v): false if there is no room.
func (m *mapVal) push(v value) bool {
	kept, err := m.val.store(v)
	check(err)
	if uint64(len(m.line)) >= m.size {
		m.lost++
		return false
	}
	m.line = append(m.line, kept)
	return true
}

// next is m.pop(): what came first into a queue, last into a stack; or zero.
func (m *mapVal) next() value {
	n := len(m.line)
	if n == 0 {
		return m.val.zero()
	}
	at := 0
	if m.kind == "stack" {
		at = n - 1
	}
	v := m.line[at]
	m.line = append(append([]value{}, m.line[:at]...), m.line[at+1:]...)
	return v
}

// emit is r.emit(a = 1) or r.emit(v). A ring is never full here: it is read after
// each packet.
func (m *mapVal) emit(args []value, named map[string]value) {
	var v value
	rec, isRecord := m.val.(*recordType)
	switch {
	case len(args) == 1 && len(named) == 0:
		v = args[0]
	case isRecord && len(args) == 0:
		r, err := rec.build(nil, named)
		check(err)
		v = r
	default:
		refuse("emit: want one value, or fields by name")
	}
	kept, err := m.val.store(v)
	check(err)
	m.line = append(m.line, kept)
}
