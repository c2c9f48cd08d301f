package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"weir/internal/term"
)

func (a *app) version() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: `  weir version`,
		Args:    wants(),
		RunE: runs(func(context.Context, []string) error {
			if asJSON {
				return term.JSON(a.out).Encode(map[string]string{
					"version": version, "go": runtime.Version(), "arch": runtime.GOARCH,
				})
			}
			_, err := fmt.Fprintf(a.out, "weir %s (%s, %s)\n", version, runtime.Version(), runtime.GOARCH)
			return err
		}),
	}
	jsonFlag(c, &asJSON)
	return c
}

// jsonFlag adds --json.
func jsonFlag(c *cobra.Command, to *bool) {
	c.Flags().BoolVar(to, "json", false, "print JSON")
}
