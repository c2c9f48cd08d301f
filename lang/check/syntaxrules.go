package check

import (
	"fmt"
	"regexp"
	"strings"
)

// A syntaxRule knows one kind of syntax error. It returns no message if the error
// is of another kind.
type syntaxRule func(e *syntaxError) (msg, hint string)

// syntaxRules are tried in order; the last one fits always.
var syntaxRules = []syntaxRule{
	ruleString, ruleChars, ruleIndent, ruleInCondition, ruleKeyword, ruleAddress, ruleNumber, rulePrefixedString, ruleChained, ruleOperators,
	ruleAnnotation, ruleAssignInCondition, ruleLoad, ruleEmptyBlock, ruleColon, ruleBracket, ruleName, ruleSet,
	ruleArguments, ruleCondExpr, ruleOtherLanguage, ruleEnd, ruleJuxtaposed, ruleRest,
}

func ruleString(e *syntaxError) (string, string) {
	switch {
	case strings.Contains(e.msg, "newline in string"):
		return "the string is not closed on its line", `close it with the quote that it begins with; """ holds several lines`
	case strings.Contains(e.msg, "EOF in string"):
		return "the string is not closed before the file ends", "close it with the quotes that it begins with"
	case strings.Contains(e.msg, "invalid escape sequence"):
		_, seq, _ := strings.Cut(e.msg, "sequence ")
		return "the string has the unknown escape " + seq, `a backslash is written \\, and r"…" takes all as it is`
	}
	return "", ""
}

// charHints are characters that no token begins with.
var charHints = map[rune][2]string{
	'!':  {"! is not an operator", "write not x, and x != y to compare"},
	'?':  {"there is no ?:", "write a if cond else b"},
	'$':  {"$ is not part of any name", "write the name alone"},
	'@':  {"there are no decorators and no @ operator", "call the function that decorates: f = wrap(f)"},
	'`':  {"` is no quote", `write "…"`},
	0xa0: {"there is a space here that is no plain space", "type it anew: it may have been copied from a web page"},
	'“':  {"“ is no quote of a string", `write "…" with plain quotes`},
	'”':  {"” is no quote of a string", `write "…" with plain quotes`},
	'‘':  {"‘ is no quote of a string", `write '…' with plain quotes`},
	'’':  {"’ is no quote of a string", `write '…' with plain quotes`},
}

func ruleChars(e *syntaxError) (string, string) {
	if strings.Contains(e.msg, "stray backslash") {
		return `the backslash joins no lines here`, "it is the last character of the line that goes on; inside brackets none is needed"
	}
	if !strings.Contains(e.msg, "unexpected input character") {
		return "", ""
	}
	line := []rune(e.line(e.pos.Line))
	if i := e.pos.Col - 1; i < len(line) {
		if h, ok := charHints[line[i]]; ok {
			return h[0], h[1]
		}
		return fmt.Sprintf("the character %q means nothing here", line[i]), "names have letters, digits and _; other characters stand in strings"
	}
	return e.msg, "names have letters, digits and _"
}

// keywordHints are words of Python that the language has not.
var keywordHints = map[string][2]string{
	"class":    {"there are no classes", "declare a record(a = u32) for data, and make a struct(f = f) of functions"},
	"try":      {"there are no exceptions", "nothing is thrown, so leave it out: a read of what is absent gives 0"},
	"except":   {"there are no exceptions", "nothing is thrown, so leave it out: a read of what is absent gives 0"},
	"finally":  {"there are no exceptions", "nothing is thrown, so leave it out: a read of what is absent gives 0"},
	"raise":    {"there are no exceptions", `return drop("reason") for a packet; fail("…") stops the compile`},
	"import":   {"there is no import", `addresses, time and chance are built in; modules are loaded: load("std/rate.weir", "token_bucket")`},
	"from":     {"there is no import", `addresses, time and chance are built in; modules are loaded: load("std/rate.weir", "token_bucket")`},
	"global":   {"there is no global statement", "packet-time code cannot change globals: keep what changes in a map"},
	"nonlocal": {"there is no nonlocal statement", "packet-time code cannot change the variables around it: keep what changes in a map"},
	"with":     {"there is no with statement", "there is nothing to close: leave it out"},
	"assert":   {"there is no assert statement", `at packet time write if not x: return drop("reason"); at the top level fail("…")`},
	"del":      {"there is no del statement", "write m.pop(k), or m.discard(k) for a set"},
	"yield":    {"there is no yield", "return a list at build time"},
	"async":    {"there are no coroutines", "a chain runs once for each packet: leave it out"},
	"await":    {"there are no coroutines", "a chain runs once for each packet: leave it out"},
	"is":       {"there is no is", "compare with ==; whether a header or an entry is there: if ip:"},
	"match":    {"there is no match statement", "write if and elif, or look up in a dict"},
	"switch":   {"there is no switch statement", "write if and elif, or look up in a dict"},
	"unless":   {"there is no unless", "write if not x:"},
}

// statementWords are those of keywordHints that begin a statement, but may be
// names elsewhere.
var statementWords = map[string]bool{"match": true, "switch": true, "unless": true, "assert": true}

func ruleKeyword(e *syntaxError) (string, string) {
	if e.tok(0) == "if" && e.tok(-1) == "else" {
		e.move(-1)
		return "else if is written elif", "write elif x:"
	}
	t := e.tok(0)
	h, ok := keywordHints[t]
	if ok && !statementWords[t] && (e.kind(0) == word) {
		if next := e.tok(1); next == "=" || next == "," || next == ")" || e.tok(-1) == "." || e.tok(-1) == "def" {
			return t + " is a word that is reserved", "use another name: " + t + "_"
		}
		return h[0], h[1]
	}
	if h, ok := keywordHints[e.first()]; ok && statementWords[e.first()] && e.at >= 1 && e.at <= 2 {
		e.pos.Col = e.toks[0].col
		return h[0], h[1]
	}
	if (t == "else" || t == "elif") && e.want == "primary expression" && e.at == 0 {
		if t == "else" && e.afterLoop() {
			return "a loop has no else", "note what was found in a local: found = True, and test it behind the loop"
		}
		return t + " without an if above it", "it stands as deep as its if, and directly after its body"
	}
	if (t == "else" || t == "elif") && e.want == "newline" {
		return t + " begins a line of its own", "put the body and " + t + " on lines of their own"
	}
	if reserved[t] && e.kind(0) == word && e.tok(-1) != "," && (e.want == "primary expression" || e.msg == "not an identifier") {
		return t + " is a word of the language, not a name", "use another name: " + t + "_"
	}
	return "", ""
}

var reserved = map[string]bool{
	"and": true, "as": true, "break": true, "continue": true, "def": true, "for": true, "if": true, "in": true, "lambda": true,
	"load": true, "not": true, "or": true, "pass": true, "return": true, "while": true,
}

var (
	numberText  = regexp.MustCompile(`^(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+)$`)
	addressText = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`)
	macText     = regexp.MustCompile(`(?i)\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b`)
	ip6Text     = regexp.MustCompile(`(?i)\b[0-9a-f]{1,4}:[0-9a-f:]*:[0-9a-f]*(/\d+)?`)
)

func ruleAddress(e *syntaxError) (string, string) {
	line := e.line(e.pos.Line)
	for i := -1; i <= 1; i++ {
		if t := e.tok(i); e.kind(i) == number && addressText.MatchString(t) {
			if e.tok(i+1) == "/" && e.kind(i+2) == number {
				return "a prefix stands in quotes", fmt.Sprintf("write prefix4(%q)", t+"/"+e.tok(i+2))
			}
			e.move(i)
			return "an address stands in quotes", fmt.Sprintf("write ip4(%q)", t)
		}
	}
	if e.kind(0) != number && e.kind(-1) != number && e.tok(0) != ":" {
		return "", ""
	}
	if m := macText.FindString(line); m != "" && !strings.Contains(line, `"`+m) {
		return "a MAC address stands in quotes", fmt.Sprintf("write mac(%q)", m)
	}
	if m := ip6Text.FindString(line); m != "" && !strings.Contains(line, `"`) {
		return "an address stands in quotes", fmt.Sprintf("write ip6(%q)", m)
	}
	return "", ""
}

func ruleNumber(e *syntaxError) (string, string) {
	switch {
	case strings.Contains(e.msg, "obsolete form of octal"):
		digits := strings.TrimLeft(e.tok(0), "0")
		return "a number does not begin with 0", fmt.Sprintf("write %s, or 0o%s for octal", digits, digits)
	case strings.Contains(e.msg, "invalid hex"), strings.Contains(e.msg, "invalid octal"), strings.Contains(e.msg, "invalid binary"),
		strings.Contains(e.msg, "invalid int"), strings.Contains(e.msg, "invalid float"):
		return "this is no number", "numbers look like 1500, 0x1f, 0o17 and 0b101"
	case e.kind(-1) == number && e.kind(0) == word && e.toks[e.at-1].end == e.toks[e.at].col:
		n := e.tok(-1) + e.tok(0)
		e.move(-1)
		if plain := strings.ReplaceAll(n, "_", ""); plain != n && numberText.MatchString(plain) {
			return "the digits of a number are not grouped with _", "write " + plain
		}
		return n + " is neither a number nor a name", `a name does not begin with a digit; times are strings: expiring = "10s"`
	case e.kind(-1) == number && e.kind(0) == number && strings.HasPrefix(e.tok(-1), "0b"):
		return "this is no number", "numbers look like 1500, 0x1f, 0o17 and 0b101"
	case strings.Contains(e.tok(0), ".") && e.kind(0) == number, strings.Contains(e.tok(-1), ".") && e.kind(-1) == number:
		return "this is no number", "there are no fractions at packet time: compute with integers"
	}
	return "", ""
}

func rulePrefixedString(e *syntaxError) (string, string) {
	i := 0
	if e.kind(0) == word {
		i = 1
	}
	if e.kind(i) != text || e.kind(i-1) != word {
		return "", ""
	}
	switch p := strings.ToLower(e.tok(i - 1)); p {
	case "f", "fr", "rf":
		e.move(i - 1)
		return "there are no f-strings", `write "…{}".format(x), or "…%d" % x, at build time`
	case "u":
		e.move(i - 1)
		return "strings have no prefix u", "leave it out"
	case "print", "assert":
		e.move(i - 1)
		return "there is no " + p + " statement", p + "(…) is a function, for build time"
	}
	return "", ""
}

func ruleChained(e *syntaxError) (string, string) {
	if !strings.Contains(e.msg, "does not associate") {
		return "", ""
	}
	return "comparisons cannot be chained", "write a < b and b < c"
}

// ruleOperators knows operators of other languages.
func ruleOperators(e *syntaxError) (string, string) {
	for i := -1; i <= 0; i++ {
		t := e.tok(i)
		if e.kind(i) != operator {
			continue
		}
		h, ok := operatorHints[t]
		if !ok || t == "//" && e.at+i != 0 || t == "/" && e.at+i != 0 {
			continue
		}
		e.move(i)
		return h[0], h[1]
	}
	switch {
	case e.tok(0) == "*" && e.tok(-1) == "*", e.tok(0) == "*" && e.tok(1) == "*":
		return operatorHints["**"][0], operatorHints["**"][1]
	case e.tok(0) == "=" && e.tok(-1) == ":":
		return operatorHints[":="][0], operatorHints[":="][1]
	case e.tok(0) == "&", e.tok(0) == "*":
		return "there are no pointers", "a header, a record and a map are references already: leave it out"
	}
	return "", ""
}

var operatorHints = map[string][2]string{
	"&&": {"&& is written and", "write a and b; a & b combines bits"},
	"||": {"|| is written or", "write a or b; a | b combines bits"},
	"++": {"there is no ++", "write x += 1"},
	"--": {"there is no --", "write x -= 1"},
	"**": {"there is no **", "write 1 << n for a power of two, or multiply"},
	":=": {"there is no :=", "assign on a line of its own, before the condition"},
	"<>": {"<> is written !=", "write a != b"},
	"->": {"there are no annotations and no ->", "leave it out; fields are reached with a dot"},
	"::": {"there is no ::", "fields are reached with a dot"},
	"/*": {"comments begin with #", "write # …"},
	"//": {"comments begin with #", "write # …"},
	"/":  {"comments begin with #", "write # …"},
}

func ruleAnnotation(e *syntaxError) (string, string) {
	hint := "leave it out: types come from headers, maps and constructors"
	if e.tok(0) != ":" {
		return "", ""
	}
	switch e.first() {
	case "if", "elif", "while", "for", "else", "return":
		return "", ""
	case "def":
		if e.want == "')'" || e.want == "','" {
			return "there are no annotations", hint
		}
		return "", ""
	}
	if e.at == 1 && e.kind(-1) == word && (e.kind(1) == word) {
		return "there are no annotations", hint
	}
	return "", ""
}

func ruleAssignInCondition(e *syntaxError) (string, string) {
	if e.tok(0) != "=" {
		return "", ""
	}
	switch e.first() {
	case "if", "elif", "while", "return":
		return "= assigns, it does not compare", "write =="
	case "for":
		return "a for loop goes over values", "write for i in range(n):"
	}
	for i := 1; i <= e.at && e.want == "newline"; i++ {
		if e.kind(-i) == operator && assignments[e.tok(-i)] {
			return "assignments cannot be chained", "assign on a line for each name"
		}
	}
	return "", ""
}

var assignments = map[string]bool{
	"=": true, "+=": true, "-=": true, "*=": true, "//=": true, "%=": true, "&=": true, "|=": true, "^=": true, "<<=": true, ">>=": true,
}
