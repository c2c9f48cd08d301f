package datapath

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/hook"
	"weir/lang"
	"weir/lang/diag"
	"weir/lang/gen"
	"weir/lang/ir"
)

// license is what helpers ask for that are open to GPL programs alone.
const license = "Dual BSD/GPL"

// A unit is a program in the kernel with the maps that it uses.
type unit struct {
	prog  *lang.Program
	name  string               // of obj; empty if it was opened
	frags bool                 // for XDP frames of several fragments
	maps  map[string]*ebpf.Map // by Map.Spec.Name
	obj   *ebpf.Program
	id    ebpf.ProgramID // of obj
	tag   string         // of obj
	sum   string         // see adopt.go; empty if it is not pinned
	rows  []int          // of its exits, of each place of its bundle, while it is attached

	point   string                       // where it is attached, of a chain that is several programs
	stats   bool                         // the verifier says what it cost
	resolve func(string) (uint32, error) // gives interfaces of redirects their indexes; set by load
}

// LoadOptions are options of [Load]. The zero value loads the program as for an attachment.
type LoadOptions struct {
	// Frags is the same chain compiled for XDP frames of several fragments. It
	// shares all maps with the first.
	Frags *lang.Program

	Set map[string]string // first values of parameters, by name

	Stats bool // have the verifier say what it cost, in the program's VerifierLog

	// Interface gives the index of the interface that a redirect names. Nil:
	// that of the process's network namespace.
	Interface func(name string) (uint32, error)

	// Now is the time at which the first content of expiring maps counts as
	// written, in ns; zero: the kernel's monotonic clock.
	Now uint64
}

// At sets the time by which the maps of a state tell what has expired, in ns: for
// a state that was loaded with a [LoadOptions.Now] and whose chain is shown a
// clock that goes on from there.
func (s *State) At(now uint64) { s.now = now }

// Load loads a program that is attached nowhere, with a State of its own. It is
// run by [State.Object], and finds a receiver for to_user() at queue 0, by which the
// packets of test runs come. A rejection by the verifier is a [*VerifierError].
func Load(p *lang.Program, o LoadOptions) (*State, error) {
	s := newState()
	s.now, s.stats = o.Now, o.Stats
	if err := s.Add(p, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Add loads one more program, which shares with those before it the maps that all
// call by one name. After an error the State is good for nothing but Close.
// LoadOptions.Now is that of the first.
func (s *State) Add(p *lang.Program, o LoadOptions) error {
	_, err := s.addAll(p, false, o.Interface)
	if err == nil && o.Frags != nil {
		_, err = s.addAll(o.Frags, true, o.Interface)
	}
	if err == nil {
		err = s.receive()
	}
	if err == nil {
		err = s.set(o.Set)
	}
	return wrap(err, "load %s for %s", p.Name, p.Hook)
}

// interfaceIndex is the way to look up interfaces in the thread's namespace.
func interfaceIndex(name string) (uint32, error) {
	i, err := attach.Index(name)
	return uint32(i), err
}

// programType returns the kernel's type of a hook's programs, and the place that they
// are checked for.
func programType(h hook.Hook) (ebpf.ProgramType, ebpf.AttachType) {
	switch {
	case h == hook.XDP:
		return ebpf.XDP, ebpf.AttachNone
	case h == hook.Socket:
		return ebpf.SocketFilter, ebpf.AttachNone
	case h == hook.CgroupIngress:
		return ebpf.CGroupSKB, ebpf.AttachCGroupInetIngress
	case h == hook.CgroupEgress:
		return ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress
	case h.Netfilter():
		return ebpf.Netfilter, ebpf.AttachNetfilter
	case h == hook.SkLookup:
		return ebpf.SkLookup, ebpf.AttachSkLookup
	case h == hook.Connect:
		return ebpf.CGroupSockAddr, ebpf.AttachNone
	}
	return ebpf.SchedCLS, ebpf.AttachNone
}

// load loads the program object of u, whose maps are there.
func (u *unit) load(resolve func(string) (uint32, error)) error {
	u.resolve = resolve
	source := diag.Source{}
	for _, f := range u.prog.Sources {
		source.Add(f.Name, []byte(f.Text))
	}
	types := new(kernelTypes)
	ins, err := u.prog.Instructions(u.point, gen.AssembleOptions{
		Name: u.name, Interface: resolve, Source: source.Line, Kfunc: types.function, Field: types.field,
	})
	if err != nil {
		return u.lacking(err) // of a kernel without the hook also its functions are not there
	}
	for i := range ins {
		ref := ins[i].Reference()
		if !ins[i].IsLoadFromMap() || ref == "" {
			continue
		}
		m := u.maps[ref]
		if m == nil {
			return fmt.Errorf("program refers to a map %s that it does not list", ref)
		}
		if err := ins[i].AssociateMap(m); err != nil {
			return err
		}
	}
	if u.obj, err = u.loadObject(ins); err != nil {
		return err
	}
	return u.identify()
}

// identify asks the kernel what it calls the program.
func (u *unit) identify() error {
	info, err := u.obj.Info()
	if err != nil {
		return fmt.Errorf("query program: %w", err)
	}
	u.id, _ = info.ID()
	u.tag = info.Tag
	return nil
}

func (u *unit) loadObject(ins asm.Instructions) (*ebpf.Program, error) {
	typ, at := programType(u.prog.Hook)
	if u.point != "" {
		at = attach.Points[u.point]
	}
	spec := &ebpf.ProgramSpec{Name: u.name, Type: typ, AttachType: at, License: license, Instructions: ins}
	if u.frags {
		spec.Flags |= unix.BPF_F_XDP_HAS_FRAGS
	}
	var o ebpf.ProgramOptions
	if u.stats {
		o.LogLevel = ebpf.LogLevelStats
	}
	obj, err := ebpf.NewProgramWithOptions(spec, o)
	if err == nil {
		return obj, nil
	}
	if v := verifierError(u.prog, ins, err); v != nil {
		return nil, v
	}
	return nil, permission(u.lacking(err))
}

// lacking says so if err comes of a kernel that has no programs for the hook.
func (u *unit) lacking(err error) error {
	typ, _ := programType(u.prog.Hook)
	if errors.Is(features.HaveProgramType(typ), ebpf.ErrNotSupported) {
		return fmt.Errorf("%s programs: %w (needs %s): %w", typ, ebpf.ErrNotSupported, u.prog.Hook.Info().Needs, err)
	}
	return err
}

// permission marks errors that say that a right is missing with which one that is.
func permission(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return &attach.Denied{Needs: "CAP_BPF, CAP_NET_ADMIN", Err: err}
	}
	return err
}

var mapTypes = [...]ebpf.MapType{
	ir.Array: ebpf.Array, ir.PerCPUArray: ebpf.PerCPUArray, ir.Hash: ebpf.Hash, ir.LRUHash: ebpf.LRUHash,
	ir.LPMTrie: ebpf.LPMTrie, ir.PerCPUHash: ebpf.PerCPUHash, ir.LRUPerCPUHash: ebpf.LRUCPUHash,
	ir.PerfEventArray: ebpf.PerfEventArray, ir.CPUMap: ebpf.CPUMap, ir.XSKMap: ebpf.XSKMap, ir.SockMap: ebpf.SockMap, ir.DevMap: ebpf.DevMap,
	ir.RingBuf: ebpf.RingBuf, ir.Queue: ebpf.Queue, ir.Stack: ebpf.Stack, ir.BloomFilter: ebpf.BloomFilter,
}

// mapSpec returns how the kernel is to make m.
func mapSpec(m *lang.Map) *ebpf.MapSpec {
	spec := &ebpf.MapSpec{
		Name: m.Spec.Name, Type: mapTypes[m.Spec.Kind], KeySize: uint32(m.Spec.KeySize),
		ValueSize: uint32(m.Spec.ValueSize), MaxEntries: m.Spec.MaxEntries,
	}
	if m.Spec.NoPrealloc || m.Spec.Kind == ir.LPMTrie { // tries are made no other way
		spec.Flags |= unix.BPF_F_NO_PREALLOC
	}
	if m.System == lang.ConstMap || m.System == lang.ListMap {
		spec.Flags |= unix.BPF_F_RDONLY_PROG
	}
	if m.System == lang.CountMap || m.System == lang.HistMap {
		spec.MaxEntries *= 2 // behind the chain's slots those of carrycount.go
	}
	if m.Spec.Kind == ir.RingBuf {
		spec.MaxEntries = ringSize(spec.MaxEntries)
	}
	if m.System == lang.ParamMap || m.System == lang.TraceMap || m.System == lang.ClockMap || m.System == lang.LimitMap || m.System == lang.LineMap || m.System == lang.StepMap {
		spec.Flags |= unix.BPF_F_MMAPABLE // read and written without system calls
	}
	return spec
}

// ringSize returns the size that the kernel takes for a ring of n octets at least:
// a power of two, and whole pages (ringbuf_map_alloc).
func ringSize(n uint32) uint32 {
	size := uint32(os.Getpagesize())
	for size < n {
		size *= 2
	}
	return size
}

// createMap makes a map of the kernel; that of a chain gets its first content if
// first is set.
func createMap(p *lang.Program, m *lang.Map, now uint64, first bool) (*ebpf.Map, error) {
	spec := mapSpec(m)
	if m.System == lang.CPUMap {
		n, err := ebpf.PossibleCPU()
		if err != nil {
			return nil, fmt.Errorf("create map %s: %w", m.Spec.Name, err)
		}
		spec.MaxEntries = uint32(n)
	}
	obj, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, wrap(explainMap(m, err), "create map %s (%s of %d entries)", m.Spec.Name, mapTypes[m.Spec.Kind], m.Spec.MaxEntries)
	}
	switch {
	case m.System == lang.ParamMap:
		err = storeDefaults(obj, p.Params)
	case m.System == lang.CPUMap:
		err = fillCPUs(obj)
	case m.System == lang.ConstMap || m.System == lang.ListMap:
		err = fillOnce(obj, m.Init)
	case m.System == lang.User && first && len(m.Init) > 0:
		err = newMap(m, obj, now).init()
	}
	if err != nil {
		return nil, errors.Join(wrap(err, "fill map %s", m.Spec.Name), obj.Close())
	}
	return obj, nil
}

// cpuQueue is how many packets may wait for a CPU that they were redirected to
// (the size that the kernel's own sample takes); more are dropped.
const cpuQueue = 2048

// fillCPUs makes a queue for each CPU.
func fillCPUs(m *ebpf.Map) error {
	for cpu := range m.MaxEntries() {
		if err := m.Put(cpu, uint32(cpuQueue)); err != nil {
			return fmt.Errorf("cpu %d: %w", cpu, err)
		}
	}
	return nil
}

// fillOnce fills a map that nothing writes to afterwards. What the verifier knows
// not to change it takes for constants.
func fillOnce(obj *ebpf.Map, content []lang.Entry) error {
	for _, e := range content {
		if err := obj.Put(e.Key, e.Value); err != nil {
			return err
		}
	}
	return wrap(obj.Freeze(), "freeze")
}

func explainMap(m *lang.Map, err error) error {
	switch {
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("out of memory: %w", err)
	case errors.Is(err, unix.E2BIG):
		return fmt.Errorf("larger than the kernel allows: %w", err)
	case errors.Is(features.HaveMapType(mapTypes[m.Spec.Kind]), ebpf.ErrNotSupported):
		return fmt.Errorf("map type not supported by this kernel: %w", err)
	}
	return permission(err)
}
