// Package modules holds C modules to read, build and load, and chains that load
// them: a scorer of flows, a fingerprint of TLS clients, a bloom filter, and two
// programs in the shape of the kernel's samples, as they stand in a hook's order.
// Each source has its object beside it, which scripts/objects.sh builds.
package modules

import (
	"embed"
	"fmt"
	"path"
)

//go:generate ../../scripts/objects.sh c

//go:embed c/*.o c/bpf.h *.weir
var files embed.FS

// Load reads a module, a chain or the header bpf.h by its name, as lang.Options.Load does.
func Load(name string) ([]byte, error) {
	b, err := files.ReadFile(path.Clean(name))
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	return b, nil
}
