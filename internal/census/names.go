package census

import (
	"strings"
	"unicode"

	"github.com/cilium/ebpf"
)

// attachNames are the names of places that weir has words for, or that are known by
// others than the library's.
var attachNames = map[ebpf.AttachType]string{
	ebpf.AttachCGroupInetIngress: "cgroup-ingress", ebpf.AttachCGroupInetEgress: "cgroup-egress",
	ebpf.AttachCGroupInet4Connect: "connect4", ebpf.AttachCGroupInet6Connect: "connect6",
	ebpf.AttachCGroupUDP4Sendmsg: "sendmsg4", ebpf.AttachCGroupUDP6Sendmsg: "sendmsg6",
	ebpf.AttachCGroupUDP4Recvmsg: "recvmsg4", ebpf.AttachCGroupUDP6Recvmsg: "recvmsg6",
	ebpf.AttachCgroupInet4GetPeername: "getpeername4", ebpf.AttachCgroupInet6GetPeername: "getpeername6",
	ebpf.AttachCgroupInet4GetSockname: "getsockname4", ebpf.AttachCgroupInet6GetSockname: "getsockname6",
	ebpf.AttachCGroupInet4Bind: "bind4", ebpf.AttachCGroupInet6Bind: "bind6",
	ebpf.AttachCGroupInet4PostBind: "post-bind4", ebpf.AttachCGroupInet6PostBind: "post-bind6",
	ebpf.AttachCGroupInetSockCreate: "sock-create", ebpf.AttachCgroupInetSockRelease: "sock-release",
	ebpf.AttachCGroupSockOps: "sock-ops", ebpf.AttachCGroupDevice: "device", ebpf.AttachCGroupSysctl: "sysctl",
	ebpf.AttachCGroupGetsockopt: "getsockopt", ebpf.AttachCGroupSetsockopt: "setsockopt",
	ebpf.AttachSkLookup: "sk-lookup", ebpf.AttachFlowDissector: "flow-dissector", ebpf.AttachLSMCgroup: "lsm",
	ebpf.AttachTraceRawTp: "tp_btf", ebpf.AttachTraceFEntry: "fentry", ebpf.AttachTraceFExit: "fexit",
	ebpf.AttachModifyReturn: "fmod_ret", ebpf.AttachLSMMac: "lsm", ebpf.AttachTraceIter: "iterator of",
	ebpf.AttachSkSKBStreamParser: "stream-parser", ebpf.AttachSkSKBStreamVerdict: "stream-verdict",
	ebpf.AttachSkSKBVerdict: "skb-verdict", ebpf.AttachSkMsgVerdict: "msg-verdict",
}

// attachName returns a name for a kind of place; that of the library with hyphens
// for those that have no other.
func attachName(at ebpf.AttachType) string {
	if s := attachNames[at]; s != "" {
		return s
	}
	var b strings.Builder
	for i, c := range at.String() {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
