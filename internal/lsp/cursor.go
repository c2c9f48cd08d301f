package lsp

import "strings"

// inCode reports whether an offset lies in code, not in a comment or a string.
func inCode(text string, offset int) bool {
	quote := ""
	for i := 0; i < offset; i++ {
		switch c := text[i]; {
		case quote == "#":
			if c == '\n' {
				quote = ""
			}
		case quote != "":
			switch {
			case c == '\\':
				i++
			case strings.HasPrefix(text[i:], quote):
				i += len(quote) - 1
				quote = ""
			case c == '\n' && len(quote) == 1:
				quote = "" // half typed
			}
		case c == '#':
			quote = "#"
		case c == '"' || c == '\'':
			quote = string(c)
			if triple := strings.Repeat(quote, 3); strings.HasPrefix(text[i:], triple) {
				quote = triple
				i += 2
			}
		}
	}
	return quote == ""
}

func nameByte(c byte) bool { return nameRune(rune(c)) }

// wordAt returns where the name around an offset begins and ends.
func wordAt(text string, offset int) (start, end int) {
	start, end = offset, offset
	for start > 0 && nameByte(text[start-1]) {
		start--
	}
	for end < len(text) && nameByte(text[end]) {
		end++
	}
	return start, end
}

// receiver returns the expression whose dot stands before start; ok is false if
// there is no dot.
func receiver(text string, start int) (expr string, ok bool) {
	i := start
	if i == 0 || text[i-1] != '.' {
		return "", false
	}
	i--
	end := i
	for i > 0 {
		switch c := text[i-1]; {
		case nameByte(c) || c == '.':
			i--
		case c == ')' || c == ']':
			j := opening(text, i-1)
			if j < 0 {
				return "", true
			}
			i = j
		default:
			return text[i:end], true
		}
	}
	return text[i:end], true
}

// opening returns where the bracket that ends at an offset begins, or -1.
func opening(text string, closing int) int {
	depth := 0
	for i := closing; i >= 0; i-- {
		switch text[i] {
		case ')', ']', '}':
			depth++
		case '(', '[', '{':
			if depth--; depth == 0 {
				return i
			}
		case '\n':
			return -1
		}
	}
	return -1
}

// maxCall is how far back the beginning of a call is looked for, in octets.
const maxCall = 4096

// enclosing returns what is called by the parentheses around an offset, or "".
func enclosing(text string, offset int) string {
	depth := 0
	for i := offset - 1; i >= max(0, offset-maxCall); i-- {
		switch text[i] {
		case ')', ']', '}':
			depth++
		case '[', '{':
			depth--
		case '(':
			if depth--; depth < 0 {
				start, _ := wordAt(text, i)
				if r, ok := receiver(text, start); ok {
					return r + "." + text[start:i]
				}
				return text[start:i]
			}
		}
	}
	return ""
}
