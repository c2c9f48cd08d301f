package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weir/attach"
	"weir/datapath"
	"weir/examples"
	"weir/hook"
	"weir/internal/child"
	"weir/internal/live"
	"weir/internal/term"
	"weir/lab"
)

const floodFile = "flood.weir"

// Lengths of the phases.
const (
	calmTime    = 4 * time.Second
	attackTime  = 7 * time.Second
	defenceTime = 9 * time.Second
	sampleEvery = 250 * time.Millisecond
	visitors    = 4 // that ask at the same time
)

// A phase is a part of the demo and what was measured in it.
type phase struct {
	name    string
	length  time.Duration
	ran     time.Duration // so far
	packets uint64        // that arrived at the server
	rps     float64       // requests answered a second, just now
	pps     float64       // packets a second, just now
	load    lab.LoadStats // of the whole phase, at its end
	over    bool
}

// A flood is the running demo.
type flood struct {
	t      *term.Term
	net    *network
	phases []*phase
	chain  *datapath.Generation // nil until it is attached
	took   time.Duration        // to compile, load and attach it
	mode   attach.Mode
	first  live.Sample
	before live.Sample
	view   live.View
	screen *term.Screen // nil without a terminal
}

func runFlood(ctx context.Context, t *term.Term) (err error) {
	f := &flood{t: t, phases: []*phase{
		{name: "calm", length: calmTime},
		{name: "flood", length: attackTime},
		{name: "flood, with the chain", length: defenceTime},
	}}
	f.intro()
	if f.net, err = newNetwork(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.net.Close()) }()
	if t.Terminal {
		f.screen = term.NewScreen(t)
		defer f.screen.Close()
	}
	if err := f.play(ctx); err != nil {
		return err
	}
	f.summary()
	return nil
}

// play runs the phases. The attack does not pause when the chain comes: another
// one starts before the first one ends. (One attack that went on would make up
// for the packets that it could not send before.)
func (f *flood) play(ctx context.Context) (err error) {
	if err := f.run(ctx, f.phases[0]); err != nil {
		return err
	}
	stopFirst := f.attack(ctx)
	if err := f.run(ctx, f.phases[1]); err != nil {
		return errors.Join(err, stopFirst())
	}
	if err := f.defend(ctx); err != nil {
		return errors.Join(err, stopFirst())
	}
	defer func() { err = errors.Join(err, f.chain.Close()) }()
	stopSecond := f.attack(ctx)
	if err := stopFirst(); err != nil {
		return errors.Join(err, stopSecond())
	}
	return errors.Join(f.run(ctx, f.phases[2]), stopSecond())
}

// attack starts the attack; stop ends it and returns its error.
func (f *flood) attack(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- f.net.attack(ctx, time.Minute) }()
	return func() error { cancel(); return <-over }
}

// defend compiles the chain and attaches it to the server, as weir run does.
func (f *flood) defend(ctx context.Context) error {
	start := time.Now()
	ps, _, err := child.Compile(ctx, child.Request{File: floodFile, Source: examples.MustRead(floodFile)}, child.Limits{})
	if err != nil {
		return err
	}
	f.chain, err = datapath.Kernel{}.Attach(ctx, datapath.Options{
		Name: ps[0].Name, How: datapath.How{Mode: attach.Native},
		Chains: []datapath.Chain{{
			Where:   attach.Where{Netns: f.net.server.Netns(), Interface: "eth0", Hook: hook.XDP},
			Program: ps[0],
		}},
	})
	f.took = time.Since(start)
	if err != nil {
		return err
	}
	f.mode = f.chain.Attachments[0].Mode
	f.first, err = live.Take(f.chain)
	f.before = f.first
	return err
}

// run lets the visitors ask for the length of a phase, and measures.
func (f *flood) run(ctx context.Context, p *phase) error {
	loaded := make(chan error, 1)
	go func() {
		var err error
		p.load, err = f.net.client.Load(ctx, lab.Load{Server: serverAddr, Workers: visitors, Duration: p.length})
		loaded <- err
	}()
	start := time.Now()
	packets, err := f.net.received()
	if err != nil {
		return errors.Join(err, <-loaded)
	}
	requests, last := f.net.web.answered.Load(), start
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for first := packets; ; {
		select {
		case err := <-loaded:
			p.over = true
			f.draw(p)
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
		now, n, r := time.Now(), packets, f.net.web.answered.Load()
		if n, err = f.net.received(); err != nil {
			return errors.Join(err, <-loaded)
		}
		seconds := now.Sub(last).Seconds()
		p.pps, p.rps = float64(n-packets)/seconds, float64(r-requests)/seconds
		p.ran, p.packets = now.Sub(start), n-first
		packets, requests, last = n, r, now
		if err := f.sample(); err != nil {
			return errors.Join(err, <-loaded)
		}
		f.draw(p)
	}
}

// sample reads the chain's counters.
func (f *flood) sample() error {
	if f.chain == nil {
		return nil
	}
	s, err := live.Take(f.chain)
	if err != nil {
		return err
	}
	f.view = live.Make(f.chain.Name, f.first.Time, f.before, s, live.Texts(f.chain))
	f.before = s
	return nil
}

// mean returns the packets a second of a phase.
func (p *phase) mean() float64 {
	if p.ran <= 0 {
		return 0
	}
	return float64(p.packets) / p.ran.Seconds()
}

// factor is how many times more x is than y, in words.
func factor(x, y float64) string {
	switch {
	case y <= 0:
		return "endlessly"
	case x/y >= 10:
		return fmt.Sprintf("%.0f times", x/y)
	}
	return fmt.Sprintf("%.1f times", x/y)
}
