// Package state makes what runs equal to what shall run, in one transaction.
//
// The model: [Resolve] turns a [config.Config] into a [Desired] on this machine:
// selectors become interfaces, chains are compiled, params and entries of maps are
// read by their types. [Desired.Plan] compares that with what runs, and reads only.
// [Plan.Apply] makes it so.
//
//	Config ─► Resolve ─► Desired ─► Plan ─► Apply ─► one generation
//	            ▲                    ▲
//	       interfaces             what runs
//
// All that a config says is one generation of package datapath, under one name
// ([Name]): so the links of all places are exchanged by one swap, after all programs
// have been loaded and tried, and a failure or a kill leaves the old state, whole, or
// is settled to it by the next command. Maps of chains are called CHAIN.MAP, params
// CHAIN.PARAM, wherever a chain runs.
//
// A map that a config fills and that is new is filled before the first packet sees it;
// to one that runs entries are added and taken away after the swap, and if that fails
// they are put back with the generation before.
//
// What people have put beside a config, into maps and params, is an [Extra], which is
// added to a Desired ([Desired.With]). What the config states stands.
//
// What it does not do: it decides nothing about when, and keeps nothing: the kernel is
// the only record of what runs.
package state

import (
	"weir/config"
	"weir/datapath"
	"weir/lang"
	"weir/lang/diag"
)

// Name is the name of the generation that a config is.
const Name = "config"

// A Desired is what shall be on this machine.
type Desired struct {
	Chains []datapath.Chain // none: nothing shall run
	Params map[string]string
	Maps   []Content

	// Absent are places whose interface, network namespace or cgroup is not there.
	Absent   []Absent
	Warnings diag.List

	config *config.Config
	params map[string]lang.Param // that chains have
	maps   map[string]*lang.Map
}

// An Absent is a place that a config names and that is not there.
type Absent struct {
	Place config.Place
	At    string // as people write it
	Why   error
}

// A Content is what a map shall hold.
type Content struct {
	Map     *lang.Map
	Entries map[string][]byte // by their keys, as package value stores them; of a set no octets
	Keep    bool              // what else is there stays

	Also map[string][]byte // are there, too; a value that packets have changed stays
	Gone map[string]bool   // keys that are not there, unless they are of Entries or Also
}
