package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// The form of a file of bbolt, version 2 (go.etcd.io/bbolt/internal/common): pages of
// one size, of which the first two are metas, the newer valid one counting. Numbers are
// as the processor has them.
//
//	page    id u64, flags u16, count u16, overflow u32 (pages more), elements, data
//	meta    magic u32, version u32, page size u32, flags u32, root u64, sequence u64,
//	        freelist u64, pages u64, transaction u64, FNV-1a of all before u64
//	branch  element: position u32 (of the key, from the element), its size u32, page u64
//	leaf    element: flags u32 (1: a bucket), position u32, sizes of key and value u32;
//	        a bucket's value is root u64, sequence u64; where root is 0 a page follows
const (
	magic    = 0xED0CDAED
	version  = 2
	header   = 16
	metaSize = 64

	branchPage   = 1
	leafPage     = 2
	freelistPage = 16
	noFreelist   = 1<<64 - 1
)

// errCorrupt says that a file is none that bbolt has written.
var errCorrupt = errors.New("the file is corrupt")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errCorrupt, fmt.Sprintf(format, args...))
}

// A checker reads a file as bbolt does, and trusts nothing. bbolt trusts its file: it
// goes round in circles, or ends the process, where a page is not what it shall be.
type checker struct {
	f     io.ReaderAt
	page  int64 // octets
	pages uint64
	seen  map[uint64]bool
}

// checkFile returns an error that wraps errCorrupt if bbolt could not go through a file.
func checkFile(path string) error {
	s, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !s.Mode().IsRegular() {
		return corrupt("it is no file")
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	c := &checker{f: f, seen: map[uint64]bool{}}
	root, err := c.meta(s.Size())
	if err != nil {
		return err
	}
	return c.tree(root, nil, nil, true, true)
}

// meta reads the metas, and returns the root of the one that counts.
func (c *checker) meta(size int64) (root uint64, err error) {
	var best []byte
	number := binary.NativeEndian
	for i, at := range []int64{0, int64(os.Getpagesize())} {
		b := make([]byte, header+metaSize)
		if _, err := c.f.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		m := b[header:]
		h := fnv.New64a()
		h.Write(m[:metaSize-8])
		if number.Uint32(m) != magic || number.Uint32(m[4:]) != version || number.Uint64(m[metaSize-8:]) != h.Sum64() {
			continue
		}
		if number.Uint32(m[8:]) != uint32(os.Getpagesize()) {
			return 0, corrupt("its pages have %d octets", number.Uint32(m[8:]))
		}
		if best == nil || i > 0 && number.Uint64(m[48:]) > number.Uint64(best[48:]) {
			best = m
		}
	}
	if best == nil {
		return 0, corrupt("it has no valid head")
	}
	c.page, c.pages = int64(os.Getpagesize()), number.Uint64(best[40:])
	if c.pages > uint64(size/c.page) {
		return 0, corrupt("it has %d octets, less than its %d pages", size, c.pages)
	}
	if list := number.Uint64(best[32:]); list != noFreelist { // as a new file has it
		if b, err := c.read(list); err != nil || number.Uint16(b[8:]) != freelistPage || number.Uint16(b[10:]) != 0 {
			return 0, corrupt("it has a list of free pages")
		}
	}
	return number.Uint64(best[16:]), nil
}

// read reads a page, which nobody has read before, with those that belong to it.
func (c *checker) read(id uint64) ([]byte, error) {
	if id < 2 || id >= c.pages {
		return nil, corrupt("page %d is beyond its %d pages", id, c.pages)
	}
	b := make([]byte, header)
	if _, err := c.f.ReadAt(b, int64(id)*c.page); err != nil {
		return nil, err
	}
	more := uint64(binary.NativeEndian.Uint32(b[12:]))
	if got := binary.NativeEndian.Uint64(b); got != id || more >= c.pages-id {
		return nil, corrupt("page %d calls itself %d, with %d more", id, got, more)
	}
	for i := id; i <= id+more; i++ {
		if c.seen[i] {
			return nil, corrupt("page %d is there twice", i)
		}
		c.seen[i] = true
	}
	b = make([]byte, (1+int64(more))*c.page)
	_, err := c.f.ReadAt(b, int64(id)*c.page)
	return b, err
}

// tree goes through the page of that id and all below it, whose keys are from least on,
// and less than most if that is not nil. Buckets are in the first tree only.
func (c *checker) tree(id uint64, least, most []byte, buckets, root bool) error {
	b, err := c.read(id)
	if err != nil {
		return err
	}
	return c.elements(b, least, most, buckets, root)
}

// elements goes through those of a page.
func (c *checker) elements(b, least, most []byte, buckets, root bool) error {
	number := binary.NativeEndian
	flags, count := number.Uint16(b[8:]), int(number.Uint16(b[10:]))
	if flags != branchPage && flags != leafPage || count == 0 && !(root && flags == leafPage) || header+count*16 > len(b) {
		return corrupt("a page has flags %d and %d elements", flags, count)
	}
	keys := make([][]byte, count)
	for i := range keys {
		e := b[header+i*16:]
		at, size := uint64(number.Uint32(e)), uint64(number.Uint32(e[4:]))
		var flag, vsize uint64
		if flags == leafPage {
			flag, at, size, vsize = at, size, uint64(number.Uint32(e[8:])), uint64(number.Uint32(e[12:]))
		}
		if at < 16 || at+size+vsize > uint64(len(e)) || flag > 1 || size == 0 && flags == leafPage {
			return corrupt("an element is beyond its page")
		}
		keys[i] = e[at : at+size]
		if bytes.Compare(keys[i], least) < 0 || i > 0 && bytes.Equal(keys[i], least) || most != nil && bytes.Compare(keys[i], most) >= 0 {
			return corrupt("keys are not in order")
		}
		least = keys[i]
		if flag == 1 != buckets && flags == leafPage {
			return corrupt("a bucket is where none belongs, or not where one does")
		}
		if flag == 1 {
			if err := c.bucket(e[at+size : at+size+vsize]); err != nil {
				return err
			}
		}
	}
	if flags == leafPage {
		return nil
	}
	for i := range keys {
		end := most
		if i+1 < count {
			end = keys[i+1]
		}
		if err := c.tree(number.Uint64(b[header+i*16+8:]), keys[i], end, buckets, false); err != nil {
			return err
		}
	}
	return nil
}

// bucket goes through a bucket, which may stand in its value.
func (c *checker) bucket(value []byte) error {
	if len(value) < header {
		return corrupt("a bucket has no head")
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return c.tree(root, nil, nil, false, true)
	}
	if value = value[header:]; len(value) < header || binary.NativeEndian.Uint16(value[8:]) != leafPage {
		return corrupt("a bucket has no page")
	}
	return c.elements(value, nil, nil, false, true)
}
