package vm

import "time"

// PlanFile is where the guest finds its [Plan].
const PlanFile = "/plan.json"

// A Plan is what the guest does.
type Plan struct {
	Modules []string // files, each after those that it needs
	Jobs    []Job
}

// A Job is a program that the guest runs to its end.
type Job struct {
	Name  string
	Dir   string   // to run in
	Args  []string // the program's path first
	Env   []string
	Limit time.Duration // then it is killed with all that it started
}

// A Kind tells events apart.
type Kind string

// The kinds of events.
const (
	Booted Kind = "booted" // Text is the kernel's release
	Module Kind = "module" // one could not be loaded: Text
	Line   Kind = "line"   // Text is a line that the job wrote
	Ended  Kind = "ended"  // the job, with Code after Took; Text if it could not run
	Done   Kind = "done"   // all of them
)

// An Event is what the guest tells.
type Event struct {
	Kind Kind
	Job  string        `json:",omitempty"`
	Text string        `json:",omitempty"`
	Code int           `json:",omitempty"`
	Took time.Duration `json:",omitempty"`
}
