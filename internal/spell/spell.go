// Package spell finds what somebody meant who misspelt a name.
//
// The model: names are as near as the letters that have to be changed to make one of
// the other, a swap of neighbours being one change.
package spell

import "strings"

// Nearest returns the candidate nearest to name, the first of several, or "" if none
// is near: up to two letters off, one in names of up to three.
func Nearest(name string, candidates []string) string {
	best, limit := "", 3
	if len(name) <= 3 {
		limit = 2
	}
	for _, c := range candidates {
		if d := Distance(strings.ToLower(name), strings.ToLower(c), limit); d < limit && d < len(c) {
			best, limit = c, d
		}
	}
	return best
}

// Distance is the edit distance of a and b (a swap of neighbours counts one), or
// limit if it is at least that.
func Distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 64 {
		return limit
	}
	var old, prev []int
	cur := make([]int, len(b)+1)
	for j := range cur {
		cur[j] = j
	}
	for i := 1; i <= len(a); i++ {
		old, prev, cur = prev, cur, make([]int, len(b)+1)
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], old[j-2]+1)
			}
		}
	}
	return min(cur[len(b)], limit)
}
