package config

import (
	"fmt"
	"net/netip"
	"path"
	"strings"
)

// A Selector says which interfaces are meant. As text:
//
//	eth0                    the interface of that name
//	eth*                    those whose names match (path.Match)
//	driver=mlx5_core        those of a driver
//	address=192.0.2.0/24    those with an address in the prefix
//	route=default           those that a default route goes out by
type Selector struct {
	text   string
	by     string // "", "glob" or a word before the =
	prefix netip.Prefix
}

// An Iface is what is to be known of an interface for a Selector.
type Iface struct {
	Name    string
	Driver  string
	Addrs   []netip.Addr
	Default bool // a default route goes out by it
}

// String returns what UnmarshalText reads.
func (s Selector) String() string { return s.text }

// Exact reports whether s is a name.
func (s Selector) Exact() bool { return s.by == "" }

// UnmarshalText reads a selector.
func (s *Selector) UnmarshalText(text []byte) error {
	x := Selector{text: string(text)}
	by, is, ok := strings.Cut(x.text, "=")
	switch {
	case x.text == "":
		return fmt.Errorf("no interface has an empty name")
	case !ok && strings.ContainsAny(x.text, `*?[\`):
		x.by = "glob"
		if _, err := path.Match(x.text, ""); err != nil {
			return fmt.Errorf("%q is no pattern: %w", x.text, err)
		}
	case !ok && strings.ContainsAny(x.text, "/ \t"):
		return fmt.Errorf("no interface can be called %q", x.text)
	case !ok:
	case by == "driver" && is != "", by == "route" && is == "default":
		x.by = by
	case by == "address":
		p, err := netip.ParsePrefix(is)
		if err != nil {
			return fmt.Errorf("%q is no prefix, as 192.0.2.0/24", is)
		}
		x.by, x.prefix = by, p.Masked()
	default:
		return fmt.Errorf("no selector is %q (there are driver=NAME, address=PREFIX, route=default)", x.text)
	}
	*s = x
	return nil
}

// Matches reports whether s means i.
func (s Selector) Matches(i Iface) bool {
	switch s.by {
	case "glob":
		ok, _ := path.Match(s.text, i.Name) // the pattern was tried
		return ok
	case "driver":
		return i.Driver == strings.TrimPrefix(s.text, "driver=")
	case "address":
		for _, a := range i.Addrs {
			if s.prefix.Contains(a.Unmap()) {
				return true
			}
		}
		return false
	case "route":
		return i.Default
	}
	return i.Name == s.text
}
