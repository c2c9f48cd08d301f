package pcap

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// A kind is what a token is.
type kind uint8

const (
	atEnd  kind = iota
	word        // a word of the language, or an operator: by its text
	name        // any other word
	number      // value holds it
	addr4       // 1.2.3.4, or the first parts of one
	addr6
	addrMAC
)

// A token is a piece of an expression.
type token struct {
	kind  kind
	text  string
	value uint32
	pos   int // where it begins: octets from the start
}

func (t token) is(text string) bool { return t.kind == word && t.text == text }

// An Error says what is wrong with an expression, in one sentence, and what to do.
type Error struct {
	Pos     int // where, in octets from the start of the expression
	Message string
	Hint    string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

var (
	spaces    = " \t\r\n"
	operators = []string{">=", "<=", "!=", "==", "<<", ">>", "&&", "||", "%", "&", "|", "^", "!", "<", ">", "(", ")", "[", "]", "+", "-", "*", "/", ":", "="}
	spelt     = map[string]string{"==": "=", "&&": "and", "||": "or", "!": "not"}

	wordForm    = regexp.MustCompile(`^[A-Za-z0-9]([-_.A-Za-z0-9]*[.A-Za-z0-9])?`)
	numberForm  = regexp.MustCompile(`^([0-9]+|0[xX][0-9A-Fa-f]+)$`)
	dottedForm  = regexp.MustCompile(`^(([0-9]+|0[xX][0-9A-Fa-f]+)\.){1,3}([0-9]+|0[xX][0-9A-Fa-f]+)$`)
	colonForm   = regexp.MustCompile(`^[0-9A-Fa-f:][0-9A-Fa-f:.]*`)
	macForms    = regexp.MustCompile(`^([0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}|[0-9A-Fa-f]{1,2}(-[0-9A-Fa-f]{1,2}){5}|[0-9A-Fa-f]{1,2}(\.[0-9A-Fa-f]{1,2}){5}|[0-9A-Fa-f]{4}(\.[0-9A-Fa-f]{4}){2}|[0-9A-Fa-f]{12})$`)
	escapedForm = regexp.MustCompile(`^\\[^ !()\t\r\n]+`)
)

// scan splits an expression into tokens; the last is atEnd.
func scan(text string) ([]token, *Error) {
	var out []token
	for i := 0; ; {
		for i < len(text) && strings.IndexByte(spaces, text[i]) >= 0 {
			i++
		}
		if i == len(text) {
			return append(out, token{kind: atEnd, pos: i}), nil
		}
		t, n, err := next(text[i:])
		if err != nil {
			err.Pos += i
			return nil, err
		}
		if len(out) == maxTokens {
			return nil, &Error{i, "the filter has more than " + strconv.Itoa(maxTokens) + " words", "make several filters of it, or compare with sets: lpm(), table()"}
		}
		t.pos = i
		out = append(out, t)
		i += n
	}
}

// next scans the token at the start of s, which is not empty: the longest that
// there can be.
func next(s string) (token, int, *Error) {
	if t, n := colons(s); n > 0 {
		return t, n, nil
	}
	if w := wordForm.FindString(s); w != "" {
		t, err := classify(w)
		return t, len(w), err
	}
	if w := escapedForm.FindString(s); w != "" {
		return token{kind: name, text: w[1:]}, len(w), nil
	}
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			text := op
			if o := spelt[op]; o != "" {
				text = o
			}
			return token{kind: word, text: text}, len(op), nil
		}
	}
	r := []rune(s)[0]
	return token{}, 0, &Error{0, strconv.QuoteRune(r) + " is no part of a filter", "see pcap-filter(7) for the words and operators"}
}

// colons scans an address with colons, where that is longer than a word.
func colons(s string) (token, int) {
	w := colonForm.FindString(s)
	if strings.Count(w, ":") < 2 || len(wordForm.FindString(s)) > len(w) {
		return token{}, 0
	}
	if macForms.MatchString(w) {
		return token{kind: addrMAC, text: w}, len(w)
	}
	if a, err := netip.ParseAddr(w); err == nil && a.Is6() {
		return token{kind: addr6, text: w}, len(w)
	}
	return token{}, 0
}

// classify tells what a run of letters, digits, dots and dashes is.
func classify(w string) (token, *Error) {
	switch {
	case macForms.MatchString(w):
		return token{kind: addrMAC, text: w}, nil
	case numberForm.MatchString(w):
		n, err := numeral(w)
		return token{kind: number, text: w, value: n}, err
	case dottedForm.MatchString(w):
		return token{kind: addr4, text: w}, nil
	}
	if n, ok := constants[w]; ok {
		return token{kind: number, text: w, value: n}, nil
	}
	if o, ok := synonyms[w]; ok {
		return token{kind: word, text: o}, nil
	}
	if words[w] {
		return token{kind: word, text: w}, nil
	}
	return token{kind: name, text: w}, nil
}

// numeral reads a number as C writes it: 0x is hexadecimal, 0 octal.
func numeral(w string) (uint32, *Error) {
	n, err := strconv.ParseUint(w, 0, 32)
	if err != nil {
		return 0, &Error{0, w + " is no number of 32 bits", "numbers are decimal, 0x… hexadecimal, 0… octal"}
	}
	return uint32(n), nil
}
