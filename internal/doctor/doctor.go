// Package doctor finds what works on this machine, by trying it: it loads
// programs, makes maps, and attaches chains in a network namespace of its own.
//
// The model: a [Check] is one thing that was tried, with what it is needed for
// and, where it is missing, what to do. [Examine] makes them all, in order, and
// each stands alone: one that cannot be tried, for lack of rights, is Unknown.
// A [Report] is the checks with what else a bug report should say; [Report.Write]
// makes the text, in which interfaces and network namespaces have numbers for
// names, and no address or content of a map is.
//
// Nothing is decided by the version of the kernel, and nothing is left behind.
package doctor

import (
	"cmp"
	"errors"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
)

// A Status is the result of a check.
type Status string

// What checks result in.
const (
	OK      Status = "ok"
	Missing Status = "missing"
	Unknown Status = "unknown" // it could not be tried
)

// A Check is one thing that was tried.
type Check struct {
	Area   string `json:"area"` // machine, rights, program, helper, map, attach
	Name   string `json:"name"`
	Status Status `json:"status"`
	For    string `json:"needed_for"`
	Do     string `json:"do,omitempty"`     // what to do where it is missing
	Detail string `json:"detail,omitempty"` // what the kernel said, or a fact
	Must   bool   `json:"required"`         // without it weir runs no chain

	// Of area attach.
	Hook string      `json:"hook,omitempty"`
	Mode attach.Mode `json:"mode,omitempty"`
}

// Examine tries everything. k is where attachments live.
func Examine(k datapath.Kernel) []Check {
	var out []Check
	for _, f := range []func() []Check{
		rights, func() []Check { return machine(k) }, programs, helpers, mapKinds,
		func() []Check { return Attaching(hook.All()...) },
	} {
		out = append(out, f()...)
	}
	return out
}

// Healthy reports whether nothing is missing that weir cannot do without.
func Healthy(all []Check) bool {
	return !slices.ContainsFunc(all, func(c Check) bool { return c.Must && c.Status == Missing })
}

// result fills in what an attempt came to.
func (c Check) result(err error, do string) Check {
	switch {
	case err == nil:
		c.Status = OK
		return c
	case errors.Is(err, os.ErrPermission) && !Has(unix.CAP_BPF) && !Has(unix.CAP_SYS_ADMIN),
		errors.Is(err, os.ErrPermission) && !Has(unix.CAP_NET_ADMIN):
		c.Status, c.Do = Unknown, "run weir doctor as root to find out"
	case errors.Is(err, ebpf.ErrNotSupported):
		c.Status, c.Do = Missing, do
	default:
		c.Status, c.Do = Missing, cmp.Or(do, "report this with weir doctor --report FILE")
		c.Detail = err.Error()
	}
	return c
}

// Has reports whether this process has a capability (see capabilities(7)), or
// that this cannot be found out.
func Has(capability int) bool {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&h, &data[0]) != nil {
		return true
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}

// rights looks at what this process may do.
func rights() []Check {
	var out []Check
	for _, x := range []struct {
		name string
		caps []int // one of them
		of   string
		must bool
	}{
		{"CAP_BPF", []int{unix.CAP_BPF, unix.CAP_SYS_ADMIN}, "loading chains and reading what they count", true},
		{"CAP_NET_ADMIN", []int{unix.CAP_NET_ADMIN}, "attaching chains to interfaces", true},
		{"CAP_PERFMON", []int{unix.CAP_PERFMON, unix.CAP_SYS_ADMIN}, "reading packets in place; -w, which keeps what is dropped", true},
		{"CAP_SYS_ADMIN", []int{unix.CAP_SYS_ADMIN}, "places in other network namespaces; mounting the BPF file system", false},
	} {
		c := Check{Area: "rights", Name: x.name, For: x.of, Status: OK, Must: x.must}
		if !slices.ContainsFunc(x.caps, Has) {
			c.Status, c.Do = Missing, "run weir as root, or give it this capability"
		}
		out = append(out, c)
	}
	return out
}
