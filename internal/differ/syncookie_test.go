package differ

import (
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"weir/hook"
)

const corpusOfCookies = "../../lang/testdata/cookies"

// cookieMaker loads a program that hands two headers, one behind the other, to a
// helper of the kernel, and puts what it says over them.
func cookieMaker(t testing.TB, ip int32, helper asm.BuiltinFunc) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Dual BSD/GPL", Instructions: asm.Instructions{
		asm.LoadMem(asm.R7, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, ip+60),
		asm.JGT.Reg(asm.R2, asm.R3, "out"),
		asm.LoadMem(asm.R3, asm.R7, int16(ip)+12, asm.Byte), // the length of the TCP header
		asm.And.Imm(asm.R3, 0xf0),
		asm.RSh.Imm(asm.R3, 2),
		asm.JLT.Imm(asm.R3, 20, "out"), // Linux 6.1 takes no length that may be 0
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, ip),
		helper.Call(),
		asm.StoreMem(asm.R7, 0, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 2).WithSymbol("out"),
		asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// ask gives what a program of cookieMaker says to two headers.
func ask(t testing.TB, p *ebpf.Program, ip, tcp []byte) uint64 {
	in := make([]byte, len(ip)+60)
	copy(in[copy(in, ip):], tcp)
	_, out, err := p.Test(in)
	if err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(out)
}

// withCookies has the reference told of the cookies that the kernel makes of headers
// alone.
func withCookies(t testing.TB, cs []Case) []Case {
	of := map[int][2]*ebpf.Program{ // by the length of the IP header
		20: {cookieMaker(t, 20, asm.FnTcpRawGenSyncookieIpv4), cookieMaker(t, 20, asm.FnTcpRawCheckSyncookieIpv4)},
		40: {cookieMaker(t, 40, asm.FnTcpRawGenSyncookieIpv6), cookieMaker(t, 40, asm.FnTcpRawCheckSyncookieIpv6)},
	}
	for i := range cs {
		cs[i].cookie = func(ip, tcp []byte) (uint32, uint16) {
			x := int64(ask(t, of[len(ip)][0], ip, tcp))
			if x < 0 {
				return 0, 0
			}
			return uint32(x), uint16(x >> 32)
		}
		cs[i].cookieOK = func(ip, tcp []byte) bool { return ask(t, of[len(ip)][1], ip, tcp) == 0 }
	}
	return cs
}

// TestCookies compares the cookies of chains with those that the kernel makes.
func TestCookies(t *testing.T) {
	for n, c := range withCookies(t, casesOf(t, corpusOfCookies)) {
		for _, v := range variants {
			if v.hook != hook.XDP && v.hook != hook.TCIngress && v.hook != hook.TCEgress {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(c.File), ".weir")+"/"+c.Func+" at "+v.name, func(t *testing.T) {
				err := c.Run(v.hook, v.frags, some(stock(), n))
				if err != nil { // a minute has passed: there are others now
					err = c.Run(v.hook, v.frags, some(stock(), n))
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}
