package attach

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"weir/hook"
)

// A Where is a place that a program can be attached at.
type Where struct {
	Netns     string // a name in NetnsDir or a path; empty for the process's own
	Interface string // of hooks of interfaces
	Cgroup    string // of hooks of cgroups: its path, from the root of the hierarchy
	Hook      hook.Hook

	// Point is which of a hook's programs is there, of a chain that is several: one
	// of [Points].
	Point string
}

// forms are how places are written.
const forms = "want [NETNS/]INTERFACE[:HOOK], [NETNS/]@HOOK or @HOOK=CGROUP"

// ParseWhere reads a place: [NETNS/]INTERFACE[:HOOK], hook xdp where none is given;
// [NETNS/]@HOOK for what a network namespace has, @netfilter-input; or @HOOK=CGROUP,
// @cgroup-ingress=/system.slice. NETNS is a name or, if it has a slash, a path.
func ParseWhere(s string) (Where, error) {
	before, name, ok := strings.Cut(s, "@")
	var w Where
	var err error
	if ok && (before == "" || strings.HasSuffix(before, "/")) {
		w, err = parseAt(before, name)
	} else {
		w, err = parseInterface(s)
	}
	if err != nil {
		return Where{}, fmt.Errorf("place %q: %w", s, err)
	}
	return w, nil
}

// parseAt reads what stands before an @ and after it.
func parseAt(before, rest string) (Where, error) {
	w := Where{Netns: netnsName(strings.TrimSuffix(before, "/"))}
	name, cgroup, hasPath := strings.Cut(rest, "=")
	var err error
	if w.Hook, err = hook.Parse(name); err != nil {
		return w, err
	}
	switch w.Hook.Info().Place {
	case hook.Interface:
		return w, fmt.Errorf("%s is a hook of interfaces: write INTERFACE:%s", name, name)
	case hook.Netns:
		if hasPath {
			return w, fmt.Errorf("%s is a hook of a network namespace, which stands before it: NETNS/@%s", name, name)
		}
		if before != "" && w.Netns == "" {
			return w, fmt.Errorf("no network namespace before the slash (%s)", forms)
		}
	case hook.Cgroup:
		if before != "" {
			return w, fmt.Errorf("a cgroup is of no network namespace: write @%s", rest)
		}
		if cgroup == "" {
			return w, fmt.Errorf("of which cgroup? write @%s=PATH, / for the root", name)
		}
		w.Cgroup = filepath.Clean("/" + cgroup)
	}
	return w, nil
}

func parseInterface(s string) (Where, error) {
	var w Where
	rest := s
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		h, err := hook.Parse(rest[i+1:])
		if err != nil {
			return w, err
		}
		if h.Info().Place != hook.Interface {
			path := ""
			if h.Info().Place == hook.Cgroup {
				path = "=PATH"
			}
			return w, fmt.Errorf("%s is no hook of interfaces: write @%s%s", h, h, path)
		}
		w.Hook, rest = h, rest[:i]
	}
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		if w.Netns, rest = netnsName(rest[:i]), rest[i+1:]; w.Netns == "" {
			return w, fmt.Errorf("no network namespace before the slash (%s)", forms)
		}
	}
	// What the kernel takes as a name: dev_valid_name in net/core/dev.c.
	if rest == "" || rest == "." || rest == ".." || strings.ContainsAny(rest, ": \t\n\v\f\r") {
		return w, fmt.Errorf("%q is no interface name (%s)", rest, forms)
	}
	if len(rest) >= unix.IFNAMSIZ {
		return w, fmt.Errorf("interface name %q is longer than %d octets", rest, unix.IFNAMSIZ-1)
	}
	w.Interface = rest
	return w, nil
}

// String returns the place with its hook, as ParseWhere reads it: blue/eth0:tc-ingress.
func (w Where) String() string {
	switch w.Hook.Info().Place {
	case hook.Netns:
		return w.inNetns("@" + w.Hook.String())
	case hook.Cgroup:
		return "@" + w.Hook.String() + "=" + w.Cgroup
	}
	return w.inNetns(w.Interface + ":" + w.Hook.String())
}

// On returns the place for listings that name the hook beside it: String without the
// hook of an interface.
func (w Where) On() string {
	if w.Interface != "" {
		return w.inNetns(w.Interface)
	}
	return w.String()
}

// place says what the hook is of.
func (w Where) place() string {
	switch w.Hook.Info().Place {
	case hook.Netns:
		if w.Netns == "" {
			return "this network namespace"
		}
		return "network namespace " + w.Netns
	case hook.Cgroup:
		return "cgroup " + w.Cgroup
	}
	return w.inNetns(w.Interface)
}

func (w Where) inNetns(s string) string {
	if w.Netns == "" {
		return s
	}
	return w.Netns + "/" + s
}
