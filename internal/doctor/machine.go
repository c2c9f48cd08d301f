package doctor

import (
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"weir/datapath"
)

// machine looks at the kernel's settings and at mounts.
func machine(k datapath.Kernel) []Check {
	return []Check{jit(), kernelBTF(), programBTF(), bpffs(k), cgroup2(), netnsFolder()}
}

func jit() Check {
	const file = "/proc/sys/net/core/bpf_jit_enable"
	c := Check{Area: "machine", Name: "JIT", For: "speed: chains as machine code"}
	b, err := os.ReadFile(file)
	if err != nil {
		c.Status, c.Detail = Unknown, err.Error()
		return c
	}
	if c.Status = OK; strings.TrimSpace(string(b)) == "0" {
		c.Status, c.Do = Missing, "sysctl net.core.bpf_jit_enable=1"
	}
	return c
}

func kernelBTF() Check {
	c := Check{Area: "machine", Name: "BTF of the kernel", For: "chains at the hooks of netfilter"}
	_, err := btf.LoadKernelSpec()
	return c.result(err, "take a kernel that is built with CONFIG_DEBUG_INFO_BTF")
}

// programBTF loads type information, which line numbers and calls between
// functions need.
func programBTF() Check {
	c := Check{Area: "machine", Name: "BTF of programs", For: "functions of chains, source lines in errors and in bpftool", Must: true}
	b, err := btf.NewBuilder([]btf.Type{&btf.Int{Name: "u32", Size: 4}}, nil)
	if err == nil {
		var h *btf.Handle
		if h, err = btf.NewHandle(b); err == nil {
			err = h.Close()
		}
	}
	return c.result(err, "take Linux 5.0 or newer")
}

func bpffs(k datapath.Kernel) Check {
	c := Check{Area: "machine", Name: "BPF file system", For: "weir attach, which outlives the command", Status: OK}
	if k.Mounted() {
		c.Detail = "mounted"
		return c
	}
	c.Detail = "not mounted: weir attach does it"
	if fs, err := os.ReadFile("/proc/filesystems"); err == nil && !strings.Contains(string(fs), "\tbpf\n") {
		c.Status, c.Detail, c.Do = Missing, "", "take a kernel that is built with CONFIG_BPF_SYSCALL"
	} else if !Has(unix.CAP_SYS_ADMIN) {
		c.Status, c.Do = Unknown, "mount it as root: mount -t bpf bpf /sys/fs/bpf"
	} else if k.Mountable() != nil {
		c.Status, c.Detail = Missing, "not mounted, and this process is in a mount namespace of its own, in which pins would be lost"
		c.Do = "mount it on the machine: mount -t bpf bpf /sys/fs/bpf"
	}
	return c
}

func cgroup2() Check {
	c := Check{Area: "machine", Name: "cgroup v2", For: "chains at the hooks of cgroups"}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		c.Status, c.Detail = Unknown, err.Error()
		return c
	}
	for _, l := range strings.Split(string(mounts), "\n") {
		if f := strings.Fields(l); len(f) > 2 && f[2] == "cgroup2" {
			c.Status, c.Detail = OK, "mounted at "+f[1]
			return c
		}
	}
	c.Status, c.Do = Missing, "mount it: mount -t cgroup2 none /sys/fs/cgroup"
	return c
}

func netnsFolder() Check {
	c := Check{Area: "machine", Name: "named network namespaces", For: "--on NETNS/INTERFACE by name", Status: OK}
	if e, err := os.ReadDir("/run/netns"); err != nil {
		c.Detail = "none yet"
	} else {
		c.Detail = fmt.Sprintf("%d there", len(e))
	}
	return c
}
