package census

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"weir/attach"
)

// cgroupTypes are the places of a cgroup that can be asked for.
var cgroupTypes = []ebpf.AttachType{
	ebpf.AttachCGroupInetIngress, ebpf.AttachCGroupInetEgress, ebpf.AttachCGroupInetSockCreate, ebpf.AttachCgroupInetSockRelease,
	ebpf.AttachCGroupSockOps, ebpf.AttachCGroupDevice, ebpf.AttachCGroupSysctl, ebpf.AttachCGroupGetsockopt, ebpf.AttachCGroupSetsockopt,
	ebpf.AttachCGroupInet4Bind, ebpf.AttachCGroupInet6Bind, ebpf.AttachCGroupInet4PostBind, ebpf.AttachCGroupInet6PostBind,
	ebpf.AttachCGroupInet4Connect, ebpf.AttachCGroupInet6Connect, ebpf.AttachCgroupUnixConnect,
	ebpf.AttachCGroupUDP4Sendmsg, ebpf.AttachCGroupUDP6Sendmsg, ebpf.AttachCgroupUnixSendmsg,
	ebpf.AttachCGroupUDP4Recvmsg, ebpf.AttachCGroupUDP6Recvmsg, ebpf.AttachCgroupUnixRecvmsg,
	ebpf.AttachCgroupInet4GetPeername, ebpf.AttachCgroupInet6GetPeername, ebpf.AttachCgroupUnixGetpeername,
	ebpf.AttachCgroupInet4GetSockname, ebpf.AttachCgroupInet6GetSockname, ebpf.AttachCgroupUnixGetsockname,
	ebpf.AttachLSMCgroup,
}

// cgroups asks all cgroups of version 2; those of version 1 have no programs.
func (t *taker) cgroups() {
	root, err := attach.CgroupRoot()
	if err != nil {
		return // not mounted: there are none
	}
	asked := t.cgroupTypes(root)
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			t.cgroup(path, filepath.Join("/", strings.TrimPrefix(path, root)), asked)
		}
		return nil // one that is gone meanwhile, or may not be read
	})
}

// cgroupTypes returns what this kernel can be asked for.
func (t *taker) cgroupTypes(root string) []ebpf.AttachType {
	f, err := os.Open(root)
	if err != nil {
		t.note(fmt.Errorf("cgroups: %w", err))
		return nil
	}
	defer f.Close()
	var out []ebpf.AttachType
	for _, at := range cgroupTypes {
		_, err := link.QueryPrograms(link.QueryOptions{Target: int(f.Fd()), Attach: at})
		if errors.Is(err, unix.EINVAL) {
			continue // this kernel has no such place: bpf_prog_query
		}
		if err != nil {
			t.note(fmt.Errorf("cgroups: %w", err))
			return nil
		}
		out = append(out, at)
	}
	return out
}

// cgroup asks the cgroup of a folder; path is from the root of the hierarchy.
func (t *taker) cgroup(dir, path string, types []ebpf.AttachType) {
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer f.Close()
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return
	}
	for _, at := range types {
		r, err := link.QueryPrograms(link.QueryOptions{Target: int(f.Fd()), Attach: at})
		if err != nil {
			continue // gone meanwhile
		}
		for i, p := range r.Programs {
			id, ok := p.LinkID()
			if !ok { // the number of a cgroup is that of its folder: cgroup_id
				id = t.linkOf(p.ID, func(x *link.Info) bool {
					c := x.Cgroup()
					return c != nil && c.CgroupId == st.Ino && ebpf.AttachType(c.AttachType) == at
				})
			}
			t.add(p.ID, Attachment{Where: "@" + attachName(at) + "=" + path, Link: id, Position: i + 1, Of: len(r.Programs)})
		}
	}
}
