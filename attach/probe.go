package attach

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
)

// Everything here runs after a failure, to say why it failed.

// unsupported reports whether err says that the kernel lacks a feature; the
// library has probed for it by then.
func unsupported(err error) bool { return errors.Is(err, ebpf.ErrNotSupported) }

// A reason is a cause in our words; the kernel's or the library's are kept.
type reason struct {
	text string
	err  error
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.err }

func because(err error, format string, args ...any) error {
	return &reason{fmt.Sprintf(format, args...), err}
}

// A Denied is an error of what this process has no right to. Who shows it says what
// that needs.
type Denied struct {
	Needs string // capabilities: CAP_BPF, CAP_NET_ADMIN
	Err   error
}

// Error returns what was denied.
func (d *Denied) Error() string { return d.Err.Error() }

// Unwrap returns the cause.
func (d *Denied) Unwrap() error { return d.Err }

// short returns what the kernel said, without what the library says around it.
func short(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// explainXDP says what stands against one way of attaching.
func explainXDP(dev netlink.Link, try xdpTry, err error) error {
	name := string(try.mode) + " XDP"
	if try.frags {
		name += " with fragments"
	}
	if why := explainKernel(ebpf.XDP, hook.XDP, err); why != "" {
		return because(err, "%s: %s", name, why)
	}
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return because(err, "%s: not supported by driver %s", name, driver(dev))
	case errors.Is(err, unix.ERANGE), errors.Is(err, unix.EINVAL):
		if mtu := dev.Attrs().MTU; try.mode == Native && !try.frags && mtu > ethernetMTU {
			return because(err, "%s: driver %s wants programs for fragmented frames at MTU %d (%s)", name, driver(dev), mtu, short(err))
		}
	}
	return because(err, "%s: refused by driver %s: %s", name, driver(dev), short(err))
}

// explainTC does so for tc.
func explainTC(m Mode, err error) error {
	if errors.Is(err, ErrNoInterface) || errors.Is(err, ErrInUse) || errors.As(err, new(*orderError)) {
		return err
	}
	if m == TCX && unsupported(err) {
		return because(err, "tcx: not supported (needs Linux 6.6)")
	}
	if why := explainKernel(ebpf.SchedCLS, hook.TCIngress, err); why != "" {
		return because(err, "%s: %s", m, why)
	}
	return because(err, "%s: %s", m, short(err))
}

// explainKernel probes for what every mode needs. It returns "" if the kernel
// has that.
func explainKernel(t ebpf.ProgramType, h hook.Hook, err error) string {
	if errors.Is(err, unix.EPERM) {
		return short(err) + " (needs root, or CAP_BPF and CAP_NET_ADMIN)"
	}
	if unsupported(features.HaveProgramType(t)) {
		return fmt.Sprintf("%s programs: not supported (needs %s)", t, h.Info().Needs)
	}
	return ""
}

// driver returns the name of dev's driver: veth, virtio_net, dummy.
func driver(dev netlink.Link) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		if info, err := unix.IoctlGetEthtoolDrvinfo(fd, dev.Attrs().Name); err == nil {
			return unix.ByteSliceToString(info.Driver[:])
		}
	}
	return dev.Type()
}
