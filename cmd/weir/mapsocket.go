package main

import (
	"errors"
	"fmt"

	"weir/datapath"
	"weir/internal/term"
)

// sockets runs f if a command's arguments NAME MAP … name the sockets of a chain at
// sk-lookup, which are no map of the chain's own.
func (a *app) sockets(args []string, f func(a *app, g *datapath.Generation, args []string) error) (done bool, err error) {
	if args[1] != datapath.SocketMapName {
		return false, nil
	}
	g, err := a.kernel.Open(args[0])
	if err != nil {
		return true, err
	}
	defer g.Close()
	if all, err := g.Sockets(); err != nil || len(all) == 0 {
		return err != nil, err
	}
	return true, f(a, g, args[2:])
}

// mapOf returns a map, and says so where one is asked for that is none: sockets.
func mapOf(g *datapath.Generation, name string) (*datapath.Map, error) {
	m, err := g.Map(name)
	if name != datapath.SocketMapName || err == nil {
		return m, err
	}
	if all, serr := g.Sockets(); serr == nil && len(all) > 0 {
		return nil, fmt.Errorf("map %s: it holds sockets, for which there are get, put, del and dump: weir maps put %s %s %s",
			name, g.Name, name, all[0].Name)
	}
	return nil, err
}

func putSocket(_ *app, g *datapath.Generation, args []string) error {
	if len(args) == 1 {
		args = append(args, "")
	}
	return g.PutSocket(args[0], args[1])
}

func getSocket(a *app, g *datapath.Generation, args []string) error {
	all, err := g.Sockets()
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Name == args[0] && s.At != "" {
			_, err := fmt.Fprintln(a.out, s.At)
			return err
		}
	}
	return fmt.Errorf("socket %s: %w", args[0], datapath.ErrNoSuchKey)
}

func delSocket(_ *app, g *datapath.Generation, args []string) error {
	var errs []error
	for _, name := range args {
		errs = append(errs, g.RemoveSocket(name))
	}
	return errors.Join(errs...)
}

func dumpSockets(asJSON bool) func(*app, *datapath.Generation, []string) error {
	return func(a *app, g *datapath.Generation, _ []string) error {
		all, err := g.Sockets()
		if err != nil {
			return err
		}
		for _, s := range all {
			switch {
			case s.At == "":
			case asJSON:
				err = term.JSON(a.out).Encode(map[string]string{"key": s.Name, "value": s.At})
			default:
				_, err = fmt.Fprintln(a.out, s.Name, s.At)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// socketRow adds the sockets to a listing of maps.
func socketRow(g *datapath.Generation, rows []mapRow) ([]mapRow, error) {
	all, err := g.Sockets()
	if err != nil || len(all) == 0 {
		return rows, err
	}
	n := 0
	for _, s := range all {
		if s.At != "" {
			n++
		}
	}
	return append(rows, mapRow{
		Name: datapath.SocketMapName, Type: fmt.Sprintf("sockets(size = %d)", len(all)), Size: len(all), Entries: n,
	}), nil
}
