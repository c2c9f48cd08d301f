package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"weir/internal/term"
	"weir/lang/diag"
	"weir/lang/format"
)

// A formatter is one run of weir fmt.
type formatter struct {
	*app
	write, diff, list, check bool
	differs                  bool // a file is not formatted
	failed                   bool // a file has an error, which was told
}

func (a *app) fmt() *cobra.Command {
	f := &formatter{app: a}
	c := &cobra.Command{
		Use:   "fmt [FILE|FOLDER]...",
		Short: "Write chains in their one form",
		Long: `Formats chains: prints them, or with -w writes them back. Of a folder all that
ends in .weir below it is taken; - and no name at all is standard input. What a
chain means is never changed: the result is compared with what was read, and
comments are kept.`,
		Example: `  weir fmt -w edge.weir
  weir fmt -l .
  weir fmt --check examples
  weir fmt -d <edge.weir`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeFiles,
		RunE:              runs(f.run),
	}
	c.Flags().BoolVarP(&f.write, "write", "w", false, "write files back instead of printing them")
	c.Flags().BoolVarP(&f.diff, "diff", "d", false, "print what would change")
	c.Flags().BoolVarP(&f.list, "list", "l", false, "print the names of files that are not formatted")
	c.Flags().BoolVar(&f.check, "check", false, "print the names of files that are not formatted, and fail if there are any")
	return c
}

func (f *formatter) run(_ context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"-"}
	}
	f.list = f.list || f.check
	for _, arg := range args {
		if arg == "-" {
			if f.write {
				return usage("standard input cannot be written back")
			}
			src, err := io.ReadAll(f.in)
			if err == nil {
				err = f.format("standard input", src)
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := f.path(arg); err != nil {
			return err
		}
	}
	if f.failed || f.check && f.differs {
		return errSilent
	}
	return nil
}

// path formats a file, or all chains below a folder but what is hidden.
func (f *formatter) path(arg string) error {
	return filepath.WalkDir(arg, func(name string, d fs.DirEntry, err error) error {
		hidden := name != arg && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			return err
		case d.IsDir() && hidden:
			return filepath.SkipDir
		case d.IsDir(), name != arg && (hidden || !strings.HasSuffix(name, ".weir")):
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return f.format(name, src)
	})
}

// format does with one file what the flags ask for. A file that is no chain is
// told about, and the next one is gone on with.
func (f *formatter) format(name string, src []byte) error {
	out, err := format.Source(name, src)
	var ds diag.List
	switch {
	case errors.As(err, &ds):
		f.failed = true
		f.printDiags(ds)
		return nil
	case err != nil:
		return err
	}
	changed := !bytes.Equal(src, out)
	f.differs = f.differs || changed
	if changed && f.list {
		fmt.Fprintln(f.out, term.Clean(name))
	}
	if changed && f.diff {
		f.out.Write(diff.Diff(name, src, name+" formatted", out))
	}
	if changed && f.write {
		return replaceFile(name, out)
	}
	if !f.list && !f.diff && !f.write {
		_, err = f.out.Write(out)
	}
	return err
}

// replaceFile puts a text in the place of a file, whole or not at all.
func replaceFile(name string, text []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".weir-fmt-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(info.Mode().Perm()), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}
