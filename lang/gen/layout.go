package gen

import (
	"encoding/binary"
	"fmt"
	"slices"

	"weir/lang/ir"
)

// A segment is the code of a block, or an island of jumps for those that do not
// reach far enough.
type segment struct {
	b    *mblock
	code []output
}

// maxReach keeps jumps, whose offset has 16 bits, clear of what is still to be
// put in between.
const maxReach = 32000

// maxRounds bounds how often islands are put in: each round may push others out
// of reach, and the largest programs that the kernel takes need some hundreds.
const maxRounds = 2000

// arrange puts the blocks one after another: jumps to blocks that only jump go
// to the end of the chain, jumps to what comes next are dropped, conditions are
// turned round where that saves a jump, jumps to a return become the return.
func (fn *function) arrange() ([]output, error) {
	segs := fn.segments()
	fn.fallThrough(segs)
	segs = prune(segs)
	for range maxRounds {
		far, err := islands(&segs)
		if err != nil {
			return nil, err
		}
		if !far {
			return link(segs), nil
		}
	}
	return nil, fmt.Errorf("jumps over more than %d instructions", maxReach)
}

// segments drops empty blocks and aims jumps at what stands behind them.
func (fn *function) segments() []segment {
	code := fn.out.code
	final := func(b *mblock) *mblock {
		for n := 0; n < len(fn.blocks) && len(code[b.id]) == 1 && code[b.id][0].Op == jumpOp; n++ {
			b = code[b.id][0].target
		}
		return b
	}
	used := make([]bool, len(fn.blocks))
	used[0] = true
	for _, list := range code {
		for i := range list {
			if list[i].target != nil {
				list[i].target = final(list[i].target)
			}
		}
	}
	work := []*mblock{fn.blocks[0]}
	for len(work) > 0 {
		b := work[len(work)-1]
		work = work[:len(work)-1]
		for _, o := range code[b.id] {
			if o.target != nil && !used[o.target.id] {
				used[o.target.id] = true
				work = append(work, o.target)
			}
		}
	}
	var segs []segment
	for i, b := range fn.blocks {
		if used[i] {
			segs = append(segs, segment{b, code[i]})
		}
	}
	length := 0
	for i := range segs {
		length += len(segs[i].code)
	}
	if length > maxReach/2 { // one for all would be out of reach of many
		return segs
	}
	return merge(segs)
}

// merge makes one of blocks that hold the same code and go on at the same place:
// most are moves on the edges that lead to one block. Of equals the last stays,
// which often stands right before what follows; one of the cold ones does not if
// there is another.
func merge(segs []segment) []segment {
	for {
		stay := map[string]*mblock{}
		for _, s := range segs[1:] {
			k := key(s.code)
			if old := stay[k]; old == nil || !s.b.cold || old.cold {
				stay[k] = s.b
			}
		}
		to := map[*mblock]*mblock{}
		keep := segs[:1]
		for _, s := range segs[1:] {
			if b := stay[key(s.code)]; b != s.b {
				to[s.b] = b
				continue
			}
			keep = append(keep, s)
		}
		if len(to) == 0 {
			return keep
		}
		segs = keep
		for _, s := range segs {
			for i := range s.code {
				if b := to[s.code[i].target]; b != nil {
					s.code[i].target = b
				}
			}
		}
	}
}

// key is equal for code that does the same.
func key(code []output) string {
	k := make([]byte, 0, 24*len(code))
	for i := range code {
		o := &code[i]
		k = append(k, o.Op, o.Dst, o.Src, byte(o.Off), byte(o.Off>>8), byte(o.kind))
		k = binary.LittleEndian.AppendUint64(k, uint64(o.Imm))
		k = binary.LittleEndian.AppendUint32(k, uint32(o.off))
		to := -1
		if o.target != nil {
			to = o.target.id
		}
		k = binary.LittleEndian.AppendUint32(k, uint32(to))
		k = append(append(k, o.name...), 0)
	}
	return string(k)
}

// fallThrough makes use of the order of the segments.
func (fn *function) fallThrough(segs []segment) {
	for i := range segs {
		var next *mblock
		if i+1 < len(segs) {
			next = segs[i+1].b
		}
		c := segs[i].code
		n := len(c)
		if n == 0 || c[n-1].Op != jumpOp {
			continue
		}
		if n > 1 && c[n-2].target != nil && c[n-2].target == next && c[n-1].target != next {
			if op, ok := inverse(c[n-2].Op); ok {
				c[n-2].Op, c[n-2].target, c[n-1].target = op, c[n-1].target, next
			}
		}
		if n > 1 && c[n-2].target != nil && c[n-2].target == c[n-1].target {
			c[n-2] = c[n-1]
			c = c[:n-1]
			n--
		}
		switch to := c[n-1].target; {
		case to == next:
			c = c[:n-1]
		default:
			if t := fn.out.code[to.id]; len(t) <= 2 && t[len(t)-1].Op == exitOp {
				c = append(slices.Clip(c[:n-1]), t...)
			}
		}
		segs[i].code = c
	}
}

// inverse returns the conditional jump that is taken when op is not.
func inverse(op uint8) (uint8, bool) {
	for c := ir.Eq; c < ir.Test; c++ {
		if jumpBits[c] == op&0xf0 {
			n, _ := c.Negate()
			return op&0x0f | jumpBits[n], true
		}
	}
	return 0, false
}

func width(o *output) int {
	if o.Op == ldImm64 {
		return 2
	}
	return 1
}

// patched is how many instructions o may become in the kernel, which puts code
// in the place of some and must still reach over it ("insn N cannot be patched
// due to 16-bit range"): lookups (percpu_array_map_gen_lookup), bpf_loop
// (inline_bpf_loop), divisions by zero, loads from the context
// (bpf_convert_ctx_access, do_misc_fixups).
func patched(o *output) int {
	switch class := o.Op & 7; {
	case o.Op == callOp:
		return 16
	case o.Op&0xf0 == 0x30 || o.Op&0xf0 == 0x90:
		if class == 4 || class == 7 {
			return 6 // division, modulo
		}
	case class == 1 && o.Op&0x18 != 0x18:
		return 2 // a load, which may be from the context
	}
	return width(o)
}

// starts returns the position of each segment, and the end of all.
func starts(segs []segment, width func(*output) int) ([]int, map[*mblock]int) {
	at := make([]int, len(segs)+1)
	byBlock := make(map[*mblock]int, len(segs))
	for i := range segs {
		n := at[i]
		byBlock[segs[i].b] = n
		for k := range segs[i].code {
			n += width(&segs[i].code[k])
		}
		at[i+1] = n
	}
	return at, byBlock
}

// islands puts a jump between segments for each jump that is too long, as far
// on the way as it reaches. It reports whether there was one.
func islands(segs *[]segment) (bool, error) {
	at, byBlock := starts(*segs, patched)
	if at[len(at)-1] < maxReach {
		return false, nil
	}
	type isle struct {
		b  *mblock
		at int
	}
	isles := map[*mblock][]isle{} // by where they lead to
	added := map[int][]segment{}  // by the segment that they stand before
	for i, s := range *segs {
		pos := at[i]
		for k := range s.code {
			o := &s.code[k]
			pos += patched(o)
			if o.target == nil || abs(byBlock[o.target]-pos) < maxReach {
				continue
			}
			to := o.target
			k := slices.IndexFunc(isles[to], func(x isle) bool { return onTheWay(pos, x.at, byBlock[to]) })
			if k < 0 {
				n := border(at, pos, byBlock[to])
				if n < 0 {
					return false, fmt.Errorf("a block of more than %d instructions", maxReach)
				}
				k = len(isles[to])
				isles[to] = append(isles[to], isle{&mblock{id: -1}, at[n]})
				jump := output{Insn: Insn{Op: jumpOp}, target: to, pos: o.pos}
				added[n] = append(added[n], segment{isles[to][k].b, []output{jump}})
			}
			o.target = isles[to][k].b
		}
	}
	*segs = insert(*segs, added)
	return len(added) > 0, nil
}

func abs(n int) int { return max(n, -n) }

// insert puts added segments in place, and a jump past them where code would
// run into them.
func insert(segs []segment, added map[int][]segment) []segment {
	if len(added) == 0 {
		return segs
	}
	out := make([]segment, 0, len(segs)+len(added))
	for i, s := range segs {
		if list := added[i]; len(list) > 0 {
			if before := &out[len(out)-1]; before.runsOn() {
				past := output{Insn: Insn{Op: jumpOp}, target: s.b}
				if n := len(before.code); n > 0 { // a block of which nothing is left has none
					past.pos = before.code[n-1].pos
				}
				before.code = append(slices.Clip(before.code), past)
			}
			out = append(out, list...)
		}
		out = append(out, s)
	}
	return out
}

// runsOn reports whether control goes from the end of s to what follows it.
func (s *segment) runsOn() bool {
	n := len(s.code)
	return n == 0 || s.code[n-1].Op != jumpOp && s.code[n-1].Op != exitOp
}

// prune drops segments that nothing leads to any more.
func prune(segs []segment) []segment {
	index := map[*mblock]int{}
	for i, s := range segs {
		index[s.b] = i
	}
	used := make([]bool, len(segs))
	work := []int{0}
	for len(work) > 0 {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		if used[i] {
			continue
		}
		used[i] = true
		for _, o := range segs[i].code {
			if o.target != nil {
				work = append(work, index[o.target])
			}
		}
		if segs[i].runsOn() {
			work = append(work, i+1)
		}
	}
	var out []segment
	for i, s := range segs {
		if used[i] {
			out = append(out, s)
		}
	}
	return out
}

// link sets the offsets of jumps and returns the instructions in one piece.
func link(segs []segment) []output {
	at, byBlock := starts(segs, width)
	out := make([]output, 0, at[len(at)-1])
	for i, s := range segs {
		pos := at[i]
		for _, o := range s.code {
			pos += width(&o)
			if o.target != nil {
				o.Off = int16(byBlock[o.target] - pos)
			}
			out = append(out, o)
		}
	}
	return out
}

// onTheWay reports whether a jump at pos to to reaches at, and comes nearer by
// it. What is still to be put in between has a thousand instructions of room.
func onTheWay(pos, at, to int) bool {
	d := at - pos
	return abs(d) < maxReach-1000 && (to > pos && d > 0 && at < to || to < pos && d < 0 && at > to)
}

// border returns the segment farthest from pos towards to that a jump reaches,
// or -1.
func border(at []int, pos, to int) int {
	inner := at[1 : len(at)-1]
	if to > pos {
		n, _ := slices.BinarySearch(inner, pos+maxReach-1000) // the first beyond
		if n > 0 && inner[n-1] > pos {
			return n
		}
		return -1
	}
	n, _ := slices.BinarySearch(inner, pos-maxReach+1001)
	if n < len(inner) && inner[n] < pos {
		return n + 1
	}
	return -1
}
