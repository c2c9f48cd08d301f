package traffic

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/hook"
	"weir/lab"
)

// outsideChain reads and then writes headers.
const outsideChain = `
f = array(u64, size = 12)

def main(pkt):
    if pkt.l4.dport != 4242:
        return PASS
    f[0], f[1], f[2], f[3] = pkt.len, pkt.eth.type, pkt.vlan.id, pkt.ip.proto
    f[4], f[5], f[6], f[7] = pkt.ip.ttl, pkt.l4.sport, pkt.l4.dport, pkt.payload.len
    f[8], f[9] = pkt.payload.u64(4000), pkt.u16(12)
    f[10], f[11] = pkt.tcp.window, pkt.udp.len
    pkt.ip.src, pkt.ip.dst = pkt.ip.dst, pkt.ip.src
    pkt.l4.sport = 77
    pkt.ip.ttl = 5
    pkt.ip.dscp = 46
    pkt.vlan.id = 99
    pkt.l4.dport = pkt.l4.dport + 1
    count("seen")
    return PASS
`

// TestHeadersOutside sends packets of which all but the Ethernet header lies
// outside the linear part of the buffer: fields are read and written there.
func TestHeadersOutside(t *testing.T) {
	for _, h := range []hook.Hook{hook.TCIngress, hook.TCEgress} {
		t.Run(h.String(), func(t *testing.T) {
			n := bridged(t, 9000)
			at := n.a
			if h == hook.TCIngress {
				// GRO would look at the headers, and so move them.
				at = n.m0
				if err := at.Host.SetOffload(at.Name, false, lab.GRO); err != nil {
					t.Fatal(err)
				}
			}
			linear := linearPart(t, place{at: at, hook: h})
			c := run(t, outsideChain, place{at: at, hook: h})
			in := capture(t, n.c)
			for i, f := range families {
				for _, proto := range []byte{protoUDP, protoTCP} {
					for _, tags := range [][]tag{nil, {{0x8100, 0x2005}}} {
						t.Run(fmt.Sprintf("%s/%d/%d tags", f.name, proto, len(tags)), func(t *testing.T) {
							p := probe(n.a, n.c, f, pattern(5000))
							p.proto, p.tags = proto, tags
							outside(t, c, n.a, in, p)
							if k := linear(); k >= 14+4+20 {
								t.Errorf("%d octets were in the linear part: this tests nothing", k)
							}
						})
					}
				}
				if got := c.count("seen"); got != uint64(4*(i+1)) {
					t.Errorf("seen %d, want %d", got, 4*(i+1))
				}
			}
		})
	}
}

func outside(t *testing.T, c *chain, from lab.Iface, in *lab.Capture, p packet) {
	t.Helper()
	f := p.frame(t)
	sendOutside(t, from, f)
	want := p.with(func(p *packet) {
		src, dst := p.from.Addr.Addr(), p.to.Addr.Addr()
		p.from, p.to = atPort(atAddr(p.from, dst), 77), atPort(atAddr(p.to, src), 4243)
		p.ttl, p.tos = 5, 46<<2
		if len(p.tags) > 0 {
			p.tags[0].tci = p.tags[0].tci&0xf000 | 99
		}
	})
	sameFrame(t, in, want.frame(t))
	read := []uint64{uint64(len(f)), wire(f, 12, 2), 0, uint64(p.proto), 64, 4000, 4242, 5000,
		wire(p.payload, 4000, 8), wire(f, 12, 2), 0, 0}
	if len(p.tags) > 0 {
		read[2] = uint64(p.tags[0].tci & 0xfff)
	}
	if p.proto == protoTCP {
		read[10] = 512
	} else {
		read[11] = 5008
	}
	if d := cmp.Diff(read, c.array("f")); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
}

// sendOutside sends a frame of more than a page through tc-egress, with nothing
// but its Ethernet header in the linear part: what PACKET_VNET_HDR names the
// header (packet_alloc_skb in net/packet/af_packet.c).
func sendOutside(t *testing.T, i lab.Iface, frame []byte) {
	t.Helper()
	if err := i.Host.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
			return err
		}
		// struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start,
		// csum_offset.
		hdr := []byte{0, 0, 14, 0, 0, 0, 0, 0, 0, 0}
		return unix.Sendto(fd, append(hdr, frame...), 0, &unix.SockaddrLinklayer{Ifindex: i.Index, Halen: 6})
	}); err != nil {
		t.Fatal(err)
	}
}

// linearPart puts a program at a place of tc that notes how many octets of the
// last large packet are in the linear part.
func linearPart(t *testing.T, p place) func() uint64 {
	t.Helper()
	m := must(ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}))(t)
	t.Cleanup(func() { m.Close() })
	prog := must(ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "Dual BSD/GPL", Instructions: asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), // len
		asm.JLT.Imm(asm.R2, 4096, "out"),
		asm.LoadMem(asm.R6, asm.R1, 80, asm.Word), // data_end
		asm.LoadMem(asm.R2, asm.R1, 76, asm.Word), // data
		asm.Sub.Reg(asm.R6, asm.R2),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.StoreMem(asm.R0, 0, asm.R6, asm.DWord),
		asm.Mov.Imm(asm.R0, -1).WithSymbol("out"), // TCX_NEXT
		asm.Return(),
	}}))(t)
	t.Cleanup(func() { prog.Close() })
	l := must(attach.Attach(p.where(), attach.Options{Chain: "linear", Linear: func() (*ebpf.Program, error) { return prog, nil }}))(t)
	t.Cleanup(func() { l.Detach() })
	return func() (n uint64) {
		t.Helper()
		if err := m.Lookup(uint32(0), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
}
