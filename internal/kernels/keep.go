package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keep puts results into a folder, a file a kernel. What a kernel was not asked this time
// it still holds from earlier runs, suite by suite; keep returns all results that there are
// then, the oldest kernel first.
func keep(dir string, all []*result) ([]*result, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("keep results: %w", err)
	}
	for _, r := range all {
		was, err := kept(dir, r.Kernel)
		if err != nil {
			return nil, err
		}
		if was != nil && was.Release == r.Release {
			for name, t := range was.Suites {
				if r.Suites[name] == nil {
					r.Suites[name] = t
				}
			}
		}
		data, err := json.MarshalIndent(r, "", "\t")
		if err == nil {
			err = os.WriteFile(keptFile(dir, r.Kernel), data, 0o644)
		}
		if err != nil {
			return nil, fmt.Errorf("keep results of %s: %w", r.Kernel, err)
		}
	}
	var out []*result
	for _, k := range names {
		r, err := kept(dir, k)
		if err != nil {
			return nil, err
		}
		if r != nil {
			out = append(out, r)
		}
	}
	return out, nil
}

// kept reads what is there of a kernel, nil if nothing is.
func kept(dir, kernel string) (*result, error) {
	data, err := os.ReadFile(keptFile(dir, kernel))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	r := new(result)
	if err == nil {
		err = json.Unmarshal(data, r)
	}
	if err != nil {
		return nil, fmt.Errorf("read results of %s: %w", kernel, err)
	}
	return r, nil
}

func keptFile(dir, kernel string) string { return filepath.Join(dir, kernel+".json") }
