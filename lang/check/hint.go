package check

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"weir/internal/spell"
)

// A hintError is an error of a builtin at build time that knows what to do.
type hintError struct {
	code, msg, hint string
	arg             string   // the argument of the call that it is about, if one is
	names           []string // of the call's positional arguments
	within          int      // the character of that argument, a string, that it is about; 1 is the first
}

func (e *hintError) Error() string { return e.msg }

// fault returns an error with a hint.
func fault(code, hint, format string, args ...any) error {
	return &hintError{code: code, msg: fmt.Sprintf(format, args...), hint: hint}
}

// onArg says which argument of the call an error is about.
func onArg(arg string, names []string, err error) error {
	if h, ok := err.(*hintError); ok && h.arg == "" {
		h.arg, h.names = arg, names
	}
	return err
}

// hintOf returns the code and the hint that err carries, if any.
func hintOf(err error) (code, hint string) {
	var h *hintError
	if errors.As(err, &h) {
		return h.code, h.hint
	}
	return "build", ""
}

// nearest returns the candidate that name is most likely a misspelling of, or "".
func nearest(name string, candidates []string) string {
	if a, ok := otherNames[name]; ok {
		for _, c := range candidates {
			if c == a {
				return c
			}
		}
	}
	sorted := append([]string(nil), candidates...)
	sort.Strings(sorted)
	best, bestDist := "", 3
	if len(name) <= 3 {
		bestDist = 2
	}
	for _, c := range sorted {
		if strings.EqualFold(c, name) {
			return c
		}
		// Of equals that one is nearer whose letters are as large: drp is drop.
		d := spell.Distance(strings.ToLower(name), strings.ToLower(c), bestDist+1)
		if d < max(len(c), len(name)) && (d < bestDist || d == bestDist && best != "" && spell.Distance(name, c, d+1) == d && spell.Distance(name, best, d+1) > d) {
			best, bestDist = c, d
		}
	}
	return best
}

// otherNames are what other tools and languages call things.
var otherNames = map[string]string{
	"src_port": "sport", "dst_port": "dport", "srcport": "sport", "dstport": "dport", "source_port": "sport",
	"source": "src", "destination": "dst", "saddr": "src", "daddr": "dst", "protocol": "proto", "length": "len",
	"vid": "id", "pcp": "prio", "ethertype": "type", "hlim": "hop_limit", "hops": "hop_limit", "flow_label": "flow",
	"next_header": "next", "nexthdr": "next", "tos": "dscp", "seqno": "seq", "ackno": "ack", "win": "window",
	"ethernet": "eth", "ipv4": "ip4", "ipv6": "ip6", "icmp": "icmp4", "icmpv6": "icmp6", "size": "len", "data": "payload",
	"iface": "ifindex", "time": "now", "timestamp": "now", "hashmap": "table", "hash": "table", "dict": "table",
	"set_add": "add", "insert": "add", "remove": "discard", "delete": "discard", "increment": "incr", "lookup": "get",
	"Pass": "PASS", "Drop": "DROP", "XDP_DROP": "DROP", "XDP_PASS": "PASS", "XDP_TX": "TX", "TC_ACT_SHOT": "DROP",
	"TC_ACT_OK": "ACCEPT", "ntohs": "", "htons": "", "true": "True", "false": "False", "null": "None", "nil": "None", "none": "None",
}

// didYouMean is a hint that offers the nearest name, or else the list of all.
func didYouMean(name, prefix string, candidates []string) string {
	if n := nearest(name, candidates); n != "" {
		return "did you mean " + prefix + n + "?"
	}
	if len(candidates) == 0 {
		return ""
	}
	return "there are " + list(candidates)
}

// list joins words as people do: a, b and c.
func list(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
