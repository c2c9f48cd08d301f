package value

import (
	"encoding/json"
	"strconv"
)

// JSON returns the JSON form of the stored value b: a number, a bool, an object
// for a record with its fields in order, a list for a tuple, and for all others
// the text of [Type.Format].
func (t Type) JSON(b []byte) json.RawMessage {
	switch t.Kind {
	case Int:
		return json.RawMessage(t.Format(b))
	case Bool:
		return json.RawMessage(strconv.FormatBool(b[0] != 0))
	case Tuple, Record:
		opening, closing := byte('['), byte(']')
		if t.Kind == Record {
			opening, closing = '{', '}'
		}
		out := json.RawMessage{opening}
		for i, e := range t.Elems {
			if i > 0 {
				out = append(out, ',')
			}
			if t.Kind == Record {
				out = append(append(out, strconv.Quote(t.Names[i])...), ':') // a name of ASCII
			}
			out = append(out, e.JSON(b[t.Offset(i):][:e.Size()])...)
		}
		return append(out, closing)
	}
	out, _ := json.Marshal(t.Format(b)) // of a string: it cannot fail
	return out
}
