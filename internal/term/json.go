package term

import (
	"encoding/json"
	"io"
)

// JSON returns an encoder that writes a line for each value, with text as it
// is: a reason "<10" stays that, where encoding/json alone would write it for
// HTML.
func JSON(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}
