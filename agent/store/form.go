package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"

	"go.etcd.io/bbolt"

	"weir/config"
)

var (
	versionsBucket = []byte("versions")
	blobsBucket    = []byte("blobs")
	entriesBucket  = []byte("entries")
	paramsBucket   = []byte("params")
)

// buckets makes those of a new file.
func buckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{versionsBucket, blobsBucket, entriesBucket, paramsBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// A versionForm is a Version in the file.
type versionForm struct {
	Version
	Name    string            `json:"name"`
	Files   map[string][]byte `json:"files"` // the sums of their contents
	Missing map[string]string `json:"missing,omitempty"`
}

// put puts a value with its sum: CRC-32 of key and value, as 4 octets before it.
func put(b *bbolt.Bucket, key, value []byte) error {
	return b.Put(key, append(binary.BigEndian.AppendUint32(nil, sum(key, value)), value...))
}

func sum(key, value []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(key), crc32.IEEETable, value)
}

// each goes over a bucket's keys and values.
func each(tx *bbolt.Tx, bucket []byte, f func(key, value []byte) error) error {
	b := tx.Bucket(bucket)
	if b == nil {
		return corrupt("it has no %s", bucket)
	}
	return b.ForEach(func(k, v []byte) error {
		if len(v) < 4 || binary.BigEndian.Uint32(v) != sum(k, v[4:]) {
			return corrupt("the sum of %s %q is another", bucket, k)
		}
		if err := f(k, v[4:]); err != nil {
			return corrupt("%s %q: %v", bucket, k, err)
		}
		return nil
	})
}

// read reads all that is in the file.
func (s *Store) read(tx *bbolt.Tx, c *Content) error {
	has := saved{blobs: map[string]bool{}, entries: map[Key]Dynamic{}, params: map[string]Dynamic{}}
	blobs := map[string][]byte{}
	err := each(tx, blobsBucket, func(k, v []byte) error {
		blobs[string(k)], has.blobs[string(k)] = append([]byte{}, v...), true
		return nil
	})
	if err != nil {
		return err
	}
	err = each(tx, versionsBucket, func(_, v []byte) error {
		has.versions = append(has.versions, append([]byte{}, v...))
		x, err := parse(v, blobs)
		c.History = append(c.History, x)
		return err
	})
	if err != nil {
		return err
	}
	err = each(tx, entriesBucket, func(k, v []byte) error {
		var key Key
		var d Dynamic
		if err := json.Unmarshal(k, &key); err != nil {
			return err
		}
		err := json.Unmarshal(v, &d)
		has.entries[key] = d
		return err
	})
	if err != nil {
		return err
	}
	err = each(tx, paramsBucket, func(k, v []byte) error {
		var d Dynamic
		err := json.Unmarshal(v, &d)
		has.params[string(k)] = d
		return err
	})
	c.Entries, c.Params, s.has = maps.Clone(has.entries), maps.Clone(has.params), has
	return err
}

// parse reads a version, whose files are among blobs.
func parse(text []byte, blobs map[string][]byte) (Version, error) {
	var x versionForm
	if err := json.Unmarshal(text, &x); err != nil {
		return x.Version, err
	}
	x.Bundle = &config.Bundle{Name: x.Name, Files: map[string][]byte{}, Missing: x.Missing}
	x.sums = map[string][sha256.Size]byte{}
	for name, sum := range x.Files {
		blob, ok := blobs[string(sum)]
		if !ok || len(sum) != sha256.Size {
			return x.Version, fmt.Errorf("the content of %s is not there", name)
		}
		x.Bundle.Files[name], x.sums[name] = blob, [sha256.Size]byte(sum)
	}
	return x.Version, nil
}

// write writes what c has and s.has has not, and notes it.
func (s *Store) write(tx *bbolt.Tx, c *Content, has *saved) error {
	if err := buckets(tx); err != nil {
		return err
	}
	if err := s.writeHistory(tx, c, has); err != nil {
		return err
	}
	err := differences(tx.Bucket(entriesBucket), s.has.entries, c.Entries, func(k Key) []byte { return encode(k) })
	if err != nil {
		return err
	}
	return differences(tx.Bucket(paramsBucket), s.has.params, c.Params, func(k string) []byte { return []byte(k) })
}

// differences writes what differs between what a bucket has and what it shall have.
func differences[K comparable](b *bbolt.Bucket, has, want map[K]Dynamic, key func(K) []byte) error {
	for k := range has {
		if _, ok := want[k]; !ok {
			if err := b.Delete(key(k)); err != nil {
				return err
			}
		}
	}
	for k, v := range want {
		if had, ok := has[k]; !ok || had != v {
			if err := put(b, key(k), encode(v)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) writeHistory(tx *bbolt.Tx, c *Content, has *saved) error {
	blobs, versions := tx.Bucket(blobsBucket), tx.Bucket(versionsBucket)
	for i := range c.History {
		v := &c.History[i]
		v.sum()
		x := versionForm{Version: *v, Name: v.Bundle.Name, Files: map[string][]byte{}, Missing: v.Bundle.Missing}
		for name, text := range v.Bundle.Files {
			sum := v.sums[name]
			x.Files[name] = sum[:]
			if !s.has.blobs[string(sum[:])] && !has.blobs[string(sum[:])] {
				if err := put(blobs, sum[:], text); err != nil {
					return err
				}
			}
			has.blobs[string(sum[:])] = true
		}
		text := encode(x)
		has.versions = append(has.versions, text)
		if i < len(s.has.versions) && string(s.has.versions[i]) == string(text) {
			continue
		}
		if err := put(versions, []byte{byte(i)}, text); err != nil {
			return err
		}
	}
	for i := len(c.History); i < len(s.has.versions); i++ {
		if err := versions.Delete([]byte{byte(i)}); err != nil {
			return err
		}
	}
	for sum := range s.has.blobs {
		if !has.blobs[sum] {
			if err := blobs.Delete([]byte(sum)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sum computes the sums of the files once.
func (v *Version) sum() {
	if v.sums != nil {
		return
	}
	v.sums = map[string][sha256.Size]byte{}
	for name, text := range v.Bundle.Files {
		v.sums[name] = sha256.Sum256(text)
	}
}
