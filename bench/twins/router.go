package twins

import (
	"bytes"
	"fmt"

	"github.com/cilium/ebpf"
)

// Router returns the source of a router that marks, made of modules of the standard
// library: chains/forward.weir.
func Router() ([]byte, error) { return files.ReadFile("chains/forward.weir") }

// RouterInC loads the same router, written in C: places/forward.c.
func RouterInC() (*ebpf.Collection, error) {
	b, err := files.ReadFile("objects/forward.xdp.v3.o")
	if err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("read the router in C: %w", err)
	}
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load the router in C: %w", err)
	}
	return c, nil
}
