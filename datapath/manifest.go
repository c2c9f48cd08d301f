package datapath

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cilium/ebpf"

	"weir/attach"
	"weir/lang"
	"weir/lang/gen"
)

const manifestName = "manifest"

// manifestFormat changes when an older weir could not read a manifest.
const manifestFormat = 4

// A manifest is what is known of a pinned generation beside what the kernel
// knows itself: enough to show it, read it and take it away. Programs come
// without code and first content.
type manifest struct {
	Format      int
	Name        string
	Number      int
	Time        time.Time
	Programs    []*lang.Program
	Units       []manifestUnit
	Attachments []manifestAttachment
}

// A manifestUnit is a program of the kernel.
type manifestUnit struct {
	Program int // index in Programs
	Point   string
	Frags   bool
	File    string            // in prog/
	Tag     string            // of the kernel's program
	Sum     string            // see adopt.go
	Maps    map[string]string // Map.Spec.Name to file in map/
}

type manifestAttachment struct {
	Record attach.Record
	Unit   int // index in Units
	Row    int // of its exits
}

// A manifest map is an array of chunks. The first 8 octets are the length of
// the text, little-endian; then the text, then zeros.
const chunkSize = 32 << 10

func (m *manifest) encode() ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	if err := gob.NewEncoder(&b).Encode(m); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	b.Write(make([]byte, -b.Len()&(chunkSize-1)))
	return b.Bytes(), nil
}

// inert returns p without what only loading needs.
func inert(p *lang.Program) *lang.Program {
	out := *p
	out.Code, out.Points = gen.Code{}, inertPoints(p.Points)
	out.Maps = make([]lang.Map, len(p.Maps))
	for i, m := range p.Maps {
		m.Init = nil
		out.Maps[i] = m
	}
	return &out
}

// store makes the frozen map that holds m.
func (m *manifest) store() (*ebpf.Map, error) {
	b, err := m.encode()
	if err != nil {
		return nil, err
	}
	obj, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "weir_manifest", Type: ebpf.Array, KeySize: 4, ValueSize: chunkSize, MaxEntries: uint32(len(b) / chunkSize),
	})
	if err != nil {
		return nil, wrap(permission(err), "create manifest")
	}
	for i := range len(b) / chunkSize {
		if err := obj.Put(uint32(i), b[i*chunkSize:(i+1)*chunkSize]); err != nil {
			return nil, errors.Join(wrap(err, "write manifest"), obj.Close())
		}
	}
	if err := obj.Freeze(); err != nil {
		return nil, errors.Join(wrap(err, "freeze manifest"), obj.Close())
	}
	return obj, nil
}

// pin pins m in the folder of its generation, in the place of the one there.
func (m *manifest) pin(dir string) error {
	obj, err := m.store()
	if err != nil {
		return err
	}
	defer obj.Close()
	next := filepath.Join(dir, manifestName+nextSuffix)
	if err := vacate(next); err != nil {
		return wrap(err, "pin manifest")
	}
	if err := obj.Pin(next); err != nil {
		return wrap(err, "pin manifest")
	}
	return wrap(os.Rename(next, filepath.Join(dir, manifestName)), "pin manifest")
}

// readManifest reads the manifest that is pinned at path.
func readManifest(path string) (*manifest, error) {
	obj, err := ebpf.LoadPinnedMap(path, &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return nil, wrap(err, "open manifest %s", path)
	}
	defer obj.Close()
	var b []byte
	for i := range obj.MaxEntries() {
		chunk := make([]byte, obj.ValueSize())
		if err := obj.Lookup(i, chunk); err != nil {
			return nil, wrap(err, "read manifest %s", path)
		}
		b = append(b, chunk...)
	}
	return decodeManifest(b, path)
}

func decodeManifest(b []byte, path string) (*manifest, error) {
	if len(b) < 8 || binary.LittleEndian.Uint64(b) > uint64(len(b)-8) {
		return nil, fmt.Errorf("manifest %s: not one of weir's", path)
	}
	b = b[8 : 8+binary.LittleEndian.Uint64(b)]
	// The format first: the rest may be more than this weir knows.
	var head struct{ Format int }
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&head); err != nil {
		return nil, wrap(err, "manifest %s", path)
	}
	if head.Format != manifestFormat {
		return nil, fmt.Errorf("manifest %s: written by another version of weir (format %d, not %d)", path, head.Format, manifestFormat)
	}
	m := new(manifest)
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(m); err != nil {
		return nil, wrap(err, "manifest %s", path)
	}
	for _, u := range m.Units {
		if u.Program < 0 || u.Program >= len(m.Programs) {
			return nil, fmt.Errorf("manifest %s: program %s without a chain", path, u.File)
		}
	}
	for _, a := range m.Attachments {
		if a.Unit < 0 || a.Unit >= len(m.Units) {
			return nil, fmt.Errorf("manifest %s: attachment %s without a program", path, a.Record.Where)
		}
	}
	return m, nil
}
