package attach

import (
	"strings"

	"github.com/cilium/ebpf"
)

// Points are the kernel's places that the programs of a chain at connect are
// attached to, by their names there.
var Points = map[string]ebpf.AttachType{
	"connect4": ebpf.AttachCGroupInet4Connect, "connect6": ebpf.AttachCGroupInet6Connect,
	"sendmsg4": ebpf.AttachCGroupUDP4Sendmsg, "sendmsg6": ebpf.AttachCGroupUDP6Sendmsg,
	"recvmsg4": ebpf.AttachCGroupUDP4Recvmsg, "recvmsg6": ebpf.AttachCGroupUDP6Recvmsg,
	"getpeername4": ebpf.AttachCgroupInet4GetPeername, "getpeername6": ebpf.AttachCgroupInet6GetPeername,
}

// WayBack reports whether programs at a point tell processes of another peer than
// the true one, since those at other points have sent them there. They are to be
// attached before those, and detached after them: no answer comes from a stranger
// meanwhile.
func WayBack(point string) bool {
	return strings.HasPrefix(point, "recvmsg") || strings.HasPrefix(point, "getpeername")
}
