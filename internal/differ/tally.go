package differ

import (
	"fmt"
	"math/bits"
	"runtime"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"weir/lang"
	"weir/lang/ref"
)

// noteHists puts what the reference says of a packet into histograms.
func (k *kernel) noteHists(of map[string][]ref.Number) {
	if k.hists == nil {
		k.hists = map[string][lang.HistBuckets]uint64{}
	}
	for name, xs := range of {
		h := k.hists[name]
		for _, x := range xs {
			bucket := 1 + bits.Len64(x.Bits)
			if x.Signed && int64(x.Bits) < 0 {
				bucket = 0
			}
			h[bucket]++
		}
		k.hists[name] = h
	}
}

// compareHists compares histograms; those that were never hit are not there.
func (k *kernel) compareHists() error {
	all, err := k.state.Hists()
	if err != nil {
		return err
	}
	got := map[string][lang.HistBuckets]uint64{}
	for _, h := range all {
		if len(h.Buckets()) > 0 {
			got[h.Name] = h.N
		}
	}
	if d := cmp.Diff(k.hists, got); d != "" && len(k.hists)+len(got) > 0 {
		return fmt.Errorf("histograms (-reference +kernel):\n%s", d)
	}
	return nil
}

// oneCPU keeps the goroutine on one CPU: the reference has one, and what a chain
// keeps for each CPU must not be spread over several.
func oneCPU() (free func(), err error) {
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("stay on one CPU: %w", err)
	}
	var cpu, node uint32 // the one that it is on, so that several tests share out the machine
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), uintptr(unsafe.Pointer(&node)), 0); errno != 0 {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("stay on one CPU: %w", errno)
	}
	one.Set(int(cpu))
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("stay on one CPU: %w", err)
	}
	return func() {
		if unix.SchedSetaffinity(0, &before) == nil { // else the thread ends with the goroutine
			runtime.UnlockOSThread()
		}
	}, nil
}
