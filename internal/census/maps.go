package census

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"weir/internal/cost"
)

// maps notes programs that a map calls: by a tail call, for what it redirects, or
// for its sockets.
func (t *taker) maps() {
	var id ebpf.MapID
	for {
		next, err := ebpf.MapGetNextID(id)
		if err != nil {
			if !errors.Is(err, os.ErrNotExist) {
				t.note(fmt.Errorf("list maps: %w", err))
			}
			return
		}
		id = next
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			continue // gone meanwhile
		}
		t.ofMap(id, m)
		m.Close()
	}
}

func (t *taker) ofMap(id ebpf.MapID, m *ebpf.Map) {
	name := ""
	if info, err := m.Info(); err == nil {
		name = info.Name
	}
	called := func(how, program any, at uint32) {
		t.add(cost.Program(at), Attachment{Where: fmt.Sprintf("%s map %d %q", how, id, name), How: fmt.Sprint(program)})
	}
	switch m.Type() {
	case ebpf.ProgramArray:
		slots := map[uint32][]string{}
		var slot, program uint32
		for it := m.Iterate(); it.Next(&slot, &program); {
			slots[program] = append(slots[program], fmt.Sprint(slot))
		}
		for program, at := range slots {
			called("tail call of", "slot "+strings.Join(at, ", "), program)
		}
	case ebpf.DevMap, ebpf.DevMapHash, ebpf.CPUMap:
		if m.ValueSize() != 8 {
			return // an old form, without programs
		}
		var key uint32
		var value [2]uint32 // bpf_devmap_val, bpf_cpumap_val: the second is the program
		for it := m.Iterate(); it.Next(&key, &value); {
			if value[1] != 0 {
				called("entry of", fmt.Sprintf("key %d", key), value[1])
			}
		}
	case ebpf.SockMap, ebpf.SockHash:
		for _, at := range []ebpf.AttachType{ebpf.AttachSkSKBStreamParser, ebpf.AttachSkSKBStreamVerdict, ebpf.AttachSkSKBVerdict, ebpf.AttachSkMsgVerdict} {
			r, err := link.QueryPrograms(link.QueryOptions{Target: m.FD(), Attach: at})
			if err != nil {
				continue // before Linux 5.17
			}
			for _, p := range r.Programs {
				called("sockets of", attachName(at), uint32(p.ID))
			}
		}
	}
}

// structOps returns the programs of a struct_ops map: its value has their numbers
// where the struct has its functions (bpf_struct_ops_map_sys_lookup_elem).
func (t *taker) structOps(id string) []cost.Program {
	m := mapByID(id)
	if m == nil {
		return nil
	}
	defer m.Close()
	value, err := m.LookupBytes(uint32(0))
	if err != nil {
		return nil
	}
	var out []cost.Program
	for ; len(value) >= 8; value = value[8:] {
		word := binary.NativeEndian.Uint64(value)
		p := t.programs[cost.Program(word)]
		if word>>32 == 0 && p != nil && p.Type == typeName(ebpf.StructOps) && !slices.Contains(out, p.ID) {
			out = append(out, p.ID)
		}
	}
	return out
}

func mapByID(id string) *ebpf.Map {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return nil
	}
	m, err := ebpf.NewMapFromID(ebpf.MapID(n))
	if err != nil {
		return nil
	}
	return m
}

func mapName(id string) string {
	m := mapByID(id)
	if m == nil {
		return "map " + id
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		return "map " + id
	}
	return info.Name
}
