package check

import (
	"fmt"
	"strings"
)

func ruleIndent(e *syntaxError) (string, string) {
	tabs := "the indentation mixes tabs and spaces"
	tabHint := "indent with four spaces everywhere"
	mixed := strings.Contains(indentOf(e.line(e.pos.Line)), "\t") != strings.Contains(indentOf(e.above()), "\t")
	switch {
	case e.got == "indent":
		if mixed && indentOf(e.above()) != "" {
			return tabs, tabHint
		}
		if strings.HasPrefix(strings.TrimSpace(e.line(e.pos.Line)), "//") {
			return "comments begin with #", "write # …"
		}
		return "this line is indented deeper than the one above", "begin it as deep as the line above, or end that with a colon"
	case strings.Contains(e.msg, "unindent does not match"):
		e.pos.Col = len([]rune(indentOf(e.line(e.pos.Line)))) + 1
		if mixed {
			return tabs, tabHint
		}
		return "this line is indented as deep as none above", "begin it as deep as the line that it follows"
	}
	return "", ""
}

// ruleEmptyBlock is a block without a body.
func ruleEmptyBlock(e *syntaxError) (string, string) {
	header := strings.TrimSpace(e.above())
	if e.want != "indent" {
		line := strings.TrimSpace(strings.SplitN(e.line(e.pos.Line), "#", 2)[0])
		if e.got != "end of file" && e.got != "newline" || !strings.HasSuffix(line, ":") || !isBlockWord(line) {
			return "", ""
		}
		return "the block has no body", "indent the lines that belong to it by four spaces, or write pass"
	}
	if e.got == "end of file" {
		for n := e.pos.Line; n >= 1; n-- {
			if t := strings.TrimSpace(e.line(n)); t != "" && !strings.HasPrefix(t, "#") {
				e.pos.Line, e.pos.Col = n, len([]rune(indentOf(e.line(n))))+1
				header = t
				break
			}
		}
		return "the block has no body", "indent the lines that belong to it by four spaces, or write pass"
	}
	word, _, _ := strings.Cut(header, " ")
	return fmt.Sprintf("the body of the %s above is not indented", strings.TrimSuffix(word, ":")), "indent the lines that belong to it by four spaces, or write pass"
}

func isBlockWord(line string) bool {
	w, _, _ := strings.Cut(line, " ")
	switch strings.TrimSuffix(w, ":") {
	case "def", "if", "elif", "else", "for", "while":
		return true
	}
	return false
}

func indentOf(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }

// above is the line before that of the error which is not empty.
func (e *syntaxError) above() string {
	for n := e.pos.Line - 1; n >= 1; n-- {
		if t := strings.TrimSpace(e.line(n)); t != "" && !strings.HasPrefix(t, "#") {
			return e.line(n)
		}
	}
	return ""
}

func ruleColon(e *syntaxError) (string, string) {
	if e.want != "':'" {
		return "", ""
	}
	w := e.first()
	switch {
	case e.got == "newline" && isBlockWord(w):
		return "a colon is missing at the end of the line", "write " + short(e.line(e.pos.Line), w) + ":"
	case e.tok(0) == "{":
		return "a block is not put in braces", "end the line with a colon, and indent the body"
	case e.tok(0) == "then":
		return "there is no then", "end the line with a colon"
	case e.tok(0) == "," && e.tok(-2) == "{":
		return "", "" // a set
	case isBlockWord(w) && e.kind(0) == word:
		return "", ""
	case isBlockWord(w):
		return fmt.Sprintf("%s does not fit here", quoted(e.tok(0))), "a condition ends with a colon"
	}
	return "", ""
}

// short is a line as a hint can show it.
func short(line, word string) string {
	line = strings.TrimSpace(line)
	if len(line) > 50 || strings.Contains(line, "#") {
		return word + " …"
	}
	return line
}

// ruleBracket is about brackets that are not closed, or never opened.
func ruleBracket(e *syntaxError) (string, string) {
	if strings.HasPrefix(e.msg, "unexpected '") {
		return fmt.Sprintf("nothing opens this %s", e.tok(0)), "leave it out, or open it before"
	}
	line, col, open := e.unclosed()
	if open == 0 {
		return "", ""
	}
	if e.got == "end of file" || line < e.pos.Line && (e.kind(0) == word || e.tok(0) == "=" || e.tok(0) == ":") {
		e.pos.Line, e.pos.Col = line, col
		return fmt.Sprintf("this %c is never closed", open), fmt.Sprintf("close it with %c", closing[open])
	}
	return "", ""
}

var closing = map[rune]rune{'(': ')', '[': ']', '{': '}'}

// unclosed finds the innermost bracket that is open at the error.
func (e *syntaxError) unclosed() (line, col int, open rune) {
	type bracket struct {
		line, col int
		c         rune
	}
	var stack []bracket
	var long string
	for n := 1; n <= e.pos.Line && n <= len(e.lines); n++ {
		r := []rune(e.lines[n-1])
		for i := 0; i < len(r); i++ {
			if n == e.pos.Line && i+1 >= e.pos.Col && e.got != "end of file" {
				break
			}
			if long != "" {
				if strings.HasPrefix(string(r[i:min(i+3, len(r))]), long) {
					long = ""
					i += 2
				}
				continue
			}
			switch c := r[i]; c {
			case '#':
				i = len(r)
			case '"', '\'':
				if q := strings.Repeat(string(c), 3); strings.HasPrefix(string(r[i:min(i+3, len(r))]), q) {
					long = q
					i += 2
				} else {
					i = endOfString(r, i) - 1
				}
			case '(', '[', '{':
				stack = append(stack, bracket{n, i + 1, c})
			case ')', ']', '}':
				if len(stack) > 0 {
					stack = stack[:len(stack)-1]
				}
			}
		}
	}
	if len(stack) == 0 {
		return 0, 0, 0
	}
	b := stack[len(stack)-1]
	return b.line, b.col, b.c
}

func ruleName(e *syntaxError) (string, string) {
	if e.msg != "not an identifier" {
		if e.first() == "def" && e.want == "'('" {
			return "the parameters stand in brackets", "write def main(pkt):"
		}
		return "", ""
	}
	switch {
	case e.first() == "def" && e.at <= 1:
		return "the function has no name", "write def main(pkt):"
	case e.tok(0) == "/":
		return "there are no positional-only parameters", "leave out the /"
	case e.tok(-1) == "." || strings.HasSuffix(strings.TrimSpace(e.line(e.pos.Line)), "."):
		return "a name is missing after the dot", "write pkt.ip4, for example"
	}
	return "a name is missing here", "names begin with a letter or _"
}

func ruleSet(e *syntaxError) (string, string) {
	if _, _, open := e.unclosed(); open == '{' && e.want == "':'" {
		return "there are no set literals", "write set([a, b]) at the top level, or a list: x in [a, b]"
	}
	return "", ""
}

func ruleArguments(e *syntaxError) (string, string) {
	if strings.Contains(e.msg, "keyword argument must have form") {
		return "this is no name of an argument", "write f(name = value); to compare, write =="
	}
	if strings.Contains(e.msg, "unparenthesized tuple") {
		return "the comma at the end makes a tuple", "put the tuple in brackets, or leave the comma out"
	}
	return "", ""
}

// ruleInCondition finds what ended the condition of a conditional expression
// before its else: the parser only misses the else.
func ruleInCondition(e *syntaxError) (string, string) {
	if !strings.Contains(e.msg, noElse) {
		return "", ""
	}
	if0, col := e.at, e.pos.Col
	for e.at++; e.at < len(e.toks) && e.tok(0) != "else"; e.at++ {
		e.pos.Col = e.toks[e.at].col
		if e.tok(0) == "is" {
			return keywordHints["is"][0], keywordHints["is"][1]
		}
		if e.tok(0) == "=" {
			if _, _, open := e.unclosed(); open == 0 {
				return "= assigns, it does not compare", "write =="
			}
		}
		if h, ok := operatorHints[e.tok(0)]; ok && e.kind(0) == operator && !strings.HasPrefix(e.tok(0), "/") {
			return h[0], h[1]
		}
		if e.kind(-1) == number && (e.kind(0) == word || e.kind(0) == number) && e.toks[e.at-1].end == e.toks[e.at].col {
			if msg, hint := ruleNumber(e); msg != "" {
				return msg, hint
			}
		}
		if e.isOperand(0) && e.isOperand(-1) {
			return ruleJuxtaposed(e)
		}
	}
	e.at, e.pos.Col = if0, col
	return "", ""
}

// isOperand reports whether a token can be a value, and is no word that joins or
// begins expressions.
func (e *syntaxError) isOperand(i int) bool {
	switch e.kind(i) {
	case word:
		return !reserved[e.tok(i)] && e.tok(i) != "else"
	case number, text:
		return true
	}
	return false
}

const noElse = "conditional expression without else"

func ruleCondExpr(e *syntaxError) (string, string) {
	if !strings.Contains(e.msg, noElse) {
		return "", ""
	}
	if e.first() == "return" {
		return "a conditional expression needs an else", "write if x: on the line before, or return a if x else b"
	}
	return "a conditional expression needs an else", "write a if x else b"
}

func ruleLoad(e *syntaxError) (string, string) {
	hint := `write load("std/rate.weir", "token_bucket")`
	switch {
	case strings.Contains(e.msg, "at least 1 symbol"):
		return "load says which names it wants", hint
	case strings.Contains(e.msg, "first operand of load"):
		return "load begins with the name of a file, as a string", hint
	case strings.Contains(e.msg, "load operand must be"), strings.Contains(e.msg, "loaded symbol must be quoted"):
		return "load names what it wants as strings", hint + `, or name = "other_name"`
	}
	return "", ""
}

// ruleOtherLanguage knows words that begin statements elsewhere.
func ruleOtherLanguage(e *syntaxError) (string, string) {
	if e.at == 0 {
		return "", ""
	}
	w := e.first()
	say := func(msg, hint string) (string, string) {
		e.pos.Col = e.toks[0].col
		return msg, hint
	}
	switch w {
	case "let", "var", "const", "int", "u8", "u16", "u32", "u64", "bool", "auto", "static":
		return say("variables are not declared", "write x = 3")
	case "function", "func", "fn", "sub":
		return say("functions are written with def", "write def main(pkt):")
	case "foreach":
		return say("there is no foreach", "write for x in LIST:")
	case "print":
		return say("there is no print statement", "print(…) is a function, for build time")
	case "for":
		if e.want == "in" {
			return "a for loop goes over values", "write for x in LIST:, or for i in range(n):"
		}
	case "elsif", "elseif", "elsiff", "elf", "elid", "elfi":
		return say(w+" is written elif", "write elif x:")
	case "goto", "do", "repeat", "until", "loop":
		return say("there is no "+w, "write a for loop, and leave it with break")
	}
	return "", ""
}

func ruleEnd(e *syntaxError) (string, string) {
	if e.got == "end of file" || e.got == "newline" {
		return "the line ends in the middle of an expression", "finish it, or put it in brackets to go on in the next line"
	}
	return "", ""
}

// ruleJuxtaposed is about two values beside each other.
func ruleJuxtaposed(e *syntaxError) (string, string) {
	isValue := func(i int) bool {
		k := e.kind(i)
		return k == word || k == number || k == text || i < 0 && (e.tok(i) == ")" || e.tok(i) == "]")
	}
	if e.tok(-1) == "not" {
		return "", ""
	}
	if isValue(0) && isValue(-1) && e.want != "primary expression" {
		between := fmt.Sprintf("between %s and %s", e.tok(-1), e.tok(0))
		if _, _, open := e.unclosed(); open != 0 {
			return "a comma or an operator is missing " + between, "separate arguments and elements by commas"
		}
		return "an operator is missing " + between, "one statement stands on a line"
	}
	return "", ""
}

func ruleRest(e *syntaxError) (string, string) {
	what := e.tok(0)
	if what == "" {
		what = e.got
	}
	if e.tok(0) == ";" || e.tok(0) == "{" || e.tok(0) == "}" {
		return fmt.Sprintf("%s does not fit here", quoted(what)), "blocks are made by indentation, and a line ends a statement"
	}
	if c := e.tok(0); (c == "<" || c == ">" || c == "<=" || c == ">=" || c == "==" || c == "!=") && (e.tok(-1) == "and" || e.tok(-1) == "or") {
		return fmt.Sprintf("a value is missing before %s", quoted(what)), "each side of " + e.tok(-1) + " compares on its own: a < x and x < b"
	}
	if e.want == "primary expression" {
		return fmt.Sprintf("a value is missing before %s", quoted(what)), "write a name, a number or a call there"
	}
	switch e.want {
	case "":
		return firstLine(e.msg), "see the language's manual"
	case "newline":
		return fmt.Sprintf("%s does not fit here", quoted(what)), "one statement stands on a line"
	case "in":
		return fmt.Sprintf("%s does not fit here", quoted(what)), "write x in LIST, or not x"
	}
	return fmt.Sprintf("%s does not fit here", quoted(what)), e.want + " is expected"
}

func quoted(s string) string { return "“" + s + "”" }
