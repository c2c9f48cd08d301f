package twins

import (
	"errors"
	"fmt"
	"path"

	"weir/hook"
	"weir/lang"
	"weir/lang/std"
)

// Samples are the names of the modules of the standard library: see [Sample].
func Samples() []string { return std.Names() }

// sampleFrames are packets for samples of modules whose work is not in packets of any
// kind.
var sampleFrames = map[string]func(*traffic) [][]byte{}

// Sample opens the sample of a module of the standard library, alone. The error is a
// [diag.List] if the hook does not take it.
func Sample(name string, h hook.Hook) (p *Pair, err error) {
	text, err := std.Sample(name)
	if err != nil {
		return nil, err
	}
	frames := joinedFrames
	if f := sampleFrames[name]; f != nil {
		frames = f
	}
	p = &Pair{Twin: Twin{Name: name, Title: name}, frames: frames(newTraffic())}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	part := lang.Part{File: path.Base(name), Source: text}
	if p.ours, err = program("weir", h, p.frames, part); err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	if p.again, err = program("weir again", h, p.frames, part); err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	p.floor, err = empty(h, p.frames)
	return p, err
}
