package lower

import "weir/lang/ir"

// Numbers of kernel helpers, from enum bpf_func_id of linux/bpf.h.
const (
	helperLookup             = 1
	helperUpdate             = 2
	helperDelete             = 3
	helperKtime              = 5
	helperRandom             = 7
	helperCPU                = 8
	helperStoreBytes         = 9
	helperL4Csum             = 11
	helperClone              = 13
	helperVLANPush           = 18
	helperVLANPop            = 19
	helperRedirect           = 23
	helperLoadBytes          = 26
	helperRedirectMap        = 51
	helperRedirectPeer       = 155
	helperHashRecalc         = 34
	helperChangeTail         = 38
	helperChangeHead         = 43
	helperXDPHead            = 44
	helperXDPTail            = 65
	helperFib                = 69
	helperAdjustRoom         = 50
	helperLoadRelative       = 68
	helperPush               = 87
	helperPop                = 88
	helperPeek               = 89
	helperRingOutput         = 130
	helperRingReserve        = 131
	helperRingSubmit         = 132
	helperForEach            = 164
	helperLoop               = 181
	helperPID                = 14
	helperUID                = 15
	helperCookie             = 46
	helperCgroup             = 80
	helperSkRelease          = 86
	helperSkAssign           = 124
	helperSetRetval          = 187
	helperXDPLen             = 188
	helperXDPLoad            = 189
	helperXDPStore           = 190
	helperDynptrRead         = 201
	helperTAI                = 208
	helperGenCookie4         = 204
	helperGenCookie6         = 205
	helperCheckCookie4       = 206
	helperCheckCookie6       = 207
	helperProbeRead          = 113
	flagPseudo               = 0x10 // BPF_F_PSEUDO_HDR
	flagMangled0             = 0x20 // BPF_F_MARK_MANGLED_0
	flagRecompute            = 1    // BPF_F_RECOMPUTE_CSUM
	fromNet                  = 1    // BPF_HDR_START_NET
	flagIngress              = 1    // BPF_F_INGRESS
	flagNoExist              = 1    // BPF_NOEXIST
	errExist           int64 = -17
	errTooBig          int64 = -7
)

// Fields of struct xdp_md and struct __sk_buff of linux/bpf.h.
const (
	xdpData, xdpEnd, xdpIfIndex, xdpQueue             = 0, 4, 12, 16
	skbLen, skbQueue, skbVLANPresent, skbVLANTCI      = 0, 12, 20, 24
	skbVLANProto, skbIfIndex, skbData, skbEnd     int = 28, 40, 76, 80
	skbProtocol, skbGSOSegs, skbMark, skbPriority     = 16, 164, 8, 32
	skbHash, skbGSOSize                               = 68, 176
)

// Fields of struct bpf_nf_ctx of net/netfilter.h of the kernel.
const nfState, nfSKB = 0, 8

func ctxIfIndex(l *lowerer) int {
	if l.xdp() {
		return xdpIfIndex
	}
	return skbIfIndex
}

func (l *lowerer) lookup(m *ir.Map, key *ir.Value) *ir.Value {
	return l.call(helperLookup, "map_lookup_elem", ir.Ptr, l.mapPtr(m), key)
}

// indexKey returns the address of a u32 key.
func (l *lowerer) indexKey(i *ir.Value) *ir.Value {
	s := l.slot("index", 4, 4)
	l.store(4, s, 0, i)
	return s
}

// bump adds n to entry i of a per-CPU array of u64.
func (l *lowerer) bump(m *ir.Map, i int, n *ir.Value) { l.bumpAt(m, l.konst(int64(i)), n) }

func (l *lowerer) bumpAt(m *ir.Map, i, n *ir.Value) {
	p := l.lookup(m, l.indexKey(i))
	there, done := l.block(), l.block()
	l.branch(ir.Ne, p, l.konst(0), there, done)
	l.start(there)
	l.store(8, p, 0, l.op(ir.OpAdd, l.load(8, p, 0), n))
	l.jump(done)
	l.start(done)
}

// storeBytes copies n octets from p to off of the buffer.
func (l *lowerer) storeBytes(off, p *ir.Value, n int) {
	if l.xdp() {
		l.call(helperXDPStore, "xdp_store_bytes", ir.Int, l.ctx, off, p, l.konst(int64(n)))
		return
	}
	l.call(helperStoreBytes, "skb_store_bytes", ir.Int, l.ctx, off, p, l.konst(int64(n)), l.konst(0))
	l.invalidate()
}

// invalidate notes that pointers into the packet are no longer good.
func (l *lowerer) invalidate() {
	l.st.epoch = l.newEpoch()
	l.st.data = false
}
