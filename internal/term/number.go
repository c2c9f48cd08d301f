package term

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Number returns a rate or amount with three digits: 0, 7.3, 512, 1.23 k,
// 45.6 M.
func Number(x float64) string {
	if x < 0 {
		return "-" + Number(-x)
	}
	for _, unit := range []string{"", " k", " M", " G", " T", " P"} {
		if x < 999.5 {
			return digits(x, unit == "") + unit
		}
		x /= 1000
	}
	return strconv.FormatFloat(x, 'g', 3, 64) + " E"
}

// digits writes three digits of x < 1000; whole numbers without a point if
// there is no unit behind.
func digits(x float64, whole bool) string {
	switch {
	case whole && x == math.Trunc(x), x >= 99.95:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

// Count returns n with a comma before each three digits: 1,234,567.
func Count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Bits returns octets a second as bits a second: 1.23 Gbit/s.
func Bits(octetsPerSecond float64) string {
	n := Number(8 * octetsPerSecond)
	if !strings.Contains(n, " ") {
		n += " "
	}
	return n + "bit/s"
}

// eighths are the blocks that fill a column from the left.
var eighths = []rune(" ▏▎▍▌▋▊▉█")

// Bar returns a bar of so many columns, filled to a fraction of 0 to 1.
func Bar(fraction float64, columns int) string {
	fill := int(math.Round(min(max(fraction, 0), 1) * float64(columns) * 8))
	if fraction > 0 {
		fill = max(fill, 1)
	}
	s := strings.Repeat("█", fill/8)
	if fill%8 > 0 {
		s += string(eighths[fill%8])
	}
	return s + strings.Repeat(" ", columns-len([]rune(s)))
}

// Duration returns d as people write it: 1h, 1m30s, 250ms.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Plural returns "1 packet", "2 packets".
func Plural(n uint64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%s %ss", Count(n), one)
}
