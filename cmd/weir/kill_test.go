package main

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
)

// A killing is a command that is killed.
type killing struct {
	name   string
	before []func(*victim) []string // what is done before
	args   func(*victim) []string
	may    []string // what may run at a place afterwards: what ran before, and what is to run
	back   bool     // it takes back what it has done, and fails; killed, the next command does
	after  func(*victim, *testing.T)
}

type commands = []func(*victim) []string

var killings = []killing{
	{"attach", nil, (*victim).attachOld, []string{"none", "old"}, false, nil},
	{"swap", commands{(*victim).attachOld}, (*victim).attachNew, []string{"old", "new"}, false, nil},
	{"detach", commands{(*victim).attachOld}, func(v *victim) []string { return []string{"detach", v.name} }, []string{"old", "none"}, false, nil},
	{"rollback", commands{(*victim).attachOld, (*victim).attachNew},
		func(v *victim) []string { return []string{"rollback", v.name} }, []string{"new", "old"}, false, nil},
}

// unconfirmed is a swap that nobody confirms.
var unconfirmed = killing{"unconfirmed swap", commands{(*victim).attachOld},
	func(v *victim) []string { return append(v.attachNew(), "--confirm", "1ms") }, []string{"old", "new"}, true, nil}

// trials are generations that take the time, or notes, swapped in and out: killed, the
// next command swaps them out.
var trials = []killing{trial("profile"), trial("explain", "--live")}

func trial(command string, flags ...string) killing {
	args := func(v *victim) []string { return append([]string{command, v.name, "--for", "1ms"}, flags...) }
	return killing{command, commands{(*victim).attachOld}, args, []string{"old", "old"}, false, (*victim).checkPlain}
}

// isTrial reports whether what ran before runs afterwards.
func (k killing) isTrial() bool { return k.may[0] == k.may[1] }

// TestKill kills weir at each system call in turn by which it changes the kernel, or
// without WEIR_SOAK at every so many of those that outlast it. The next command,
// which mends what is left, is killed as well every other time.
func TestKill(t *testing.T) {
	for _, x := range []struct {
		name   string
		victim func(*testing.T) *victim
		step   int
		calls  int // of a swap, at least
		also   []killing
	}{
		{"packets", newVictim, 20, 40, trials},
		{"connections", newConnVictim, 20, 50, []killing{unconfirmed}},
	} {
		t.Run(x.name, func(t *testing.T) {
			v := x.victim(t)
			which, step := lasting, x.step
			if os.Getenv("WEIR_SOAK") != "" {
				which, step = every, 1
			}
			for _, k := range slices.Concat(killings, x.also) {
				step := step
				if k.isTrial() && step > 1 {
					step *= 2 // it makes more calls
				}
				t.Run(k.name, func(t *testing.T) {
					n := k.killEach(t, v, which, step)
					t.Logf("killed at up to %d calls", n)
					if (k.name == "swap" || k.isTrial()) && n < x.calls {
						t.Errorf("%d calls: is it the real one?", n)
					}
				})
			}
		})
	}
}

// killEach kills the command at every so many calls of a kind, and returns how many
// it made.
func (k killing) killEach(t *testing.T, v *victim, which callKind, step int) (calls int) {
	n, mender := rand.IntN(step), 0
	defer func() {
		if t.Failed() {
			t.Logf("when it was killed at call %d, and what mends at call %d (0: it was not)", n+1, mender)
		}
	}()
	for i := 0; !t.Failed(); n, i = n+step, i+1 {
		k.prepare(t, v)
		ended, err := v.watched(t, which, n, k.args(v)...)
		if ended && (err != nil) != k.back {
			t.Errorf("it ended with %v", err)
		}
		if mender = 0; !ended && i%2 == 1 {
			mender = 1 + rand.IntN(mending)
			if ended, err := v.watched(t, which, mender-1, "ls", "--for", "1ms"); ended && err != nil {
				t.Errorf("what mends ended with %v", err)
			}
		}
		k.check(t, v, ended)
		if ended {
			break
		}
		calls = n + 1
	}
	return calls
}

// mending is how many lasting calls a command needs that mends.
const mending = 30

// TestKillAnyTime kills weir at any time.
func TestKillAnyTime(t *testing.T) {
	v := newVictim(t)
	times := 12
	if os.Getenv("WEIR_SOAK") != "" {
		times = 200
	}
	lasts := map[string]time.Duration{}
	killings := slices.Concat(killings, trials)
	killed := 0
	for i := range times {
		k := killings[i%len(killings)]
		k.prepare(t, v)
		cmd := v.command(k.args(v)...)
		start := time.Now()
		check(t, v.host.Do(cmd.Start))
		after := time.Hour // the first time of each is measured
		if d := lasts[k.name]; d > 0 {
			after = rand.N(d)
		}
		timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if lasts[k.name] == 0 {
			lasts[k.name] = time.Since(start)
		}
		if err != nil {
			killed++
		}
		k.check(t, v, err == nil)
		if t.Failed() {
			t.Fatalf("when %s was killed after %v", k.name, after)
		}
	}
	if killed < times/3 {
		t.Errorf("%d of %d were killed", killed, times)
	}
	t.Logf("killed %d of %d", killed, times)
}

func (k killing) prepare(t *testing.T, v *victim) {
	t.Helper()
	for _, command := range k.before {
		v.weir(t, command(v)...)
	}
	v.sent = 0
}

// check looks at what a killed command, or one that ended, has left.
func (k killing) check(t *testing.T, v *victim, ended bool) {
	t.Helper()
	atOnce, mended := k.may, k.may
	switch {
	case k.back && ended:
		atOnce, mended = k.may[:1], k.may[:1]
	case k.back:
		mended = k.may[:1]
	case ended:
		atOnce, mended = k.may[1:], k.may[1:]
	}
	// Each place alone has a whole generation at every moment.
	for _, site := range v.sites {
		if got := v.behaves(t, site); !slices.Contains(atOnce, got) {
			t.Errorf("%s behaves as %s, want %v", site, got, atOnce)
		}
	}
	// From the next command on all places have the same.
	now := v.agrees(t)
	if !slices.Contains(mended, now) {
		t.Errorf("it is %s that runs, want one of %v", now, mended)
	}
	if k.after != nil {
		k.after(v, t)
	}
	// What was killed can be done again, and what comes after it.
	again, then := k.args, k.may[1]
	if now != k.may[0] || k.back {
		again, then = (*victim).attachNew, "new"
	}
	v.weir(t, again(v)...)
	if now := v.agrees(t); now != then {
		t.Errorf("after weir %s it is %s that runs, want %s", again(v)[0], now, then)
	}
	v.weir(t, "detach", "--all")
	v.checkClean(t)
}

// agrees returns which generation all sites behave as, which weir ls and the kernel
// list.
func (v *victim) agrees(t *testing.T) string {
	t.Helper()
	said := v.says(t)
	if there := v.kernel(t); !slices.Equal(said, there) {
		t.Errorf("weir ls says %v, the kernel has %v", said, there)
	}
	one := v.behaves(t, v.sites[0])
	for _, site := range v.sites[1:] {
		if other := v.behaves(t, site); other != one {
			t.Errorf("%s behaves as %s, %s as %s", v.sites[0], one, site, other)
		}
	}
	if !slices.Equal(said, v.listed[one]) {
		t.Errorf("%s is attached at %v", one, said)
	}
	return one
}
