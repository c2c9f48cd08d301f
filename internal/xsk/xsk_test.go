package xsk

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"weir/internal/nstest"
)

// openIn opens a socket in a namespace.
func openIn(n *nstest.Net, name string, queue uint32, o Options) (s *Socket, ifindex int, err error) {
	n.Do(func() error {
		i, lookup := net.InterfaceByName(name)
		if lookup != nil {
			return lookup
		}
		ifindex = i.Index
		s, err = Open(i.Index, queue, o)
		return nil
	})
	return s, ifindex, err
}

// TestRefused: the error says why there is no socket.
func TestRefused(t *testing.T) {
	n := nstest.New(t)
	n.Veth("a", "b", 1500)
	first, _, err := openIn(n, "a", 0, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		queue uint32
		want  error
	}{{"a", 0, ErrBusy}, {"b", 99, ErrNoQueue}} {
		if _, _, err := openIn(n, c.name, c.queue, Options{}); !errors.Is(err, c.want) {
			t.Errorf("queue %d of %s: %v, want %v", c.queue, c.name, err, c.want)
		}
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	again, _, err := openIn(n, "a", 0, Options{})
	if err != nil {
		t.Fatalf("once the first is closed: %v", err)
	}
	n.Delete("a")
	if err := again.Err(); !errors.Is(err, ErrDown) {
		t.Errorf("the interface is gone: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestRing sends more packets than there are chunks, many times around: what there is no
// room for is counted, what comes is in order, and a reader that stops misses nothing.
func TestRing(t *testing.T) {
	n := nstest.New(t)
	n.Veth("a", "b", 1500)
	const chunks = 8
	s, ifindex, err := openIn(n, "b", 0, Options{Chunks: chunks})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := handAll(t, s)
	n.Do(func() error {
		l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: ifindex, Flags: link.XDPDriverMode})
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	})
	w, err := NewWaiter(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	stop := errors.New("stop")
	for round := range byte(50) {
		var got []byte
		frame := bytes.Repeat([]byte{0xff}, 60)
		for i := range byte(chunks - 1) {
			frame[20] = round + i
			n.Send("a", frame)
		}
		for len(got) < chunks-1 {
			if err := w.Wait([]*Socket{s}, time.Minute); err != nil {
				t.Fatal(err)
			}
			_, err := s.Receive(func(p []byte) error {
				got = append(got, p[20])
				return stop
			})
			if err != stop {
				t.Fatalf("round %d, after %d packets: %v", round, len(got), err)
			}
		}
		for i, b := range got {
			if b != round+byte(i) {
				t.Fatalf("round %d: got %v", round, got)
			}
		}
	}
	before, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * chunks {
		n.Send("a", bytes.Repeat([]byte{0xff}, 60))
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		after, err := s.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if after.Lost()-before.Lost() == 2*chunks {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d lost, want %d", after.Lost()-before.Lost(), 2*chunks)
		}
	}
	if n, err := s.Receive(func([]byte) error { return nil }); n != chunks || err != nil {
		t.Errorf("%d packets were kept, %v, want %d", n, err, chunks)
	}
}

// handAll is a program that hands the frames of the test to a socket.
func handAll(t *testing.T, s *Socket) *ebpf.Program {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if err := m.Put(uint32(0), uint32(s.FD())); err != nil {
		t.Fatal(err)
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), // xdp_md.data
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), // xdp_md.data_end
		asm.Mov.Imm(asm.R0, 1),                   // XDP_DROP
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 14),
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R4, asm.R2, 12, asm.Half),
		asm.JNE.Imm(asm.R4, 0xffff, "out"), // none of the test's
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Imm(asm.R3, 1),
		asm.FnRedirectMap.Call(),
		asm.Return().WithSymbol("out"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}
