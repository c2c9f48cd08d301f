package std_test

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// A bucket is one of tokens, computed without rounding: what it holds, and since when.
type bucket struct {
	tokens *big.Rat
	at     uint64 // ns
}

// fill gives the bucket what came in since, at a rate a second.
func (b *bucket) fill(now, rate, burst uint64) {
	if b.tokens == nil {
		b.tokens = new(big.Rat).SetUint64(burst)
	}
	in := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(int64(now-b.at)), new(big.Int).SetUint64(rate)), big.NewInt(1e9))
	b.tokens.Add(b.tokens, in)
	if most := new(big.Rat).SetUint64(burst); b.tokens.Cmp(most) > 0 {
		b.tokens = most
	}
	b.at = now
}

// short is how many tokens fewer than n the bucket holds; negative: more.
func (b *bucket) short(n uint64) float64 {
	f, _ := new(big.Rat).Sub(new(big.Rat).SetUint64(n), b.tokens).Float64()
	return f
}

func (b *bucket) take(n uint64) { b.tokens.Sub(b.tokens, new(big.Rat).SetUint64(n)) }

// Buckets let through what buckets of tokens do. Where the two disagree, the tokens lie
// no further from what is asked for than rounding of time explains: each packet costs
// less than a tick too much, and a burst of bytes is rounded up to 32 ticks and its 64th
// part.
func TestBuckets(t *testing.T) {
	r := newRig(t, `
load("std/rate.weir", "byte_bucket", "token_bucket")

packets = token_bucket(u64, 1024)
octets  = byte_bucket(u64, 1024)

def main(pkt):
    q = pkt.payload.view(Ask)
    if q.a < 1000:
        answers.emit(packets.allow(q.a, rate = q.b, burst = q.c, n = q.d))
    else:
        answers.emit(octets.allow(q.a, rate = q.b, burst = q.c, n = q.d))
    return PASS
`)
	rnd := rand.New(rand.NewPCG(11, 12))
	now := uint64(time.Hour)
	for key := range uint64(40) {
		octets := key%2 == 1
		rate := 1 + rnd.Uint64N(1<<(5+rnd.IntN(18)))
		burst, unit := 1+rnd.Uint64N(50), uint64(1)
		name := key
		if octets {
			rate, burst, unit, name = 100*rate, 1500+rnd.Uint64N(100000), 1500, 1000+key
		}
		var model bucket
		model.at = now
		for i := range 150 {
			n := 1 + rnd.Uint64N(unit)
			if octets {
				n = max(n, 60)
			} else {
				n = 1 + rnd.Uint64N(2)
			}
			now += rnd.Uint64N(2*1e9*unit/rate + 2)
			model.fill(now, rate, burst)
			short := model.short(n)
			got := r.ask(time.Duration(now), name, rate, burst, n)[0] == 1
			ticks := float64(2 * (i + 2))
			if octets {
				ticks += 64 + float64(burst)/32
			}
			if slack := ticks * float64(rate) / 16e9; got && short > slack || !got && short < -slack-float64(burst)*float64(rate)/16e9 {
				t.Fatalf("key %d, packet %d: %d at %d/s, burst %d: let through: %v; the bucket is %g short", key, i, n, rate, burst, got, short)
			}
			if got {
				model.take(n)
			}
		}
	}
}

// A link of 100 Gbit/s is policed to a thousandth, a burst of it to 2 %.
func TestFastBytes(t *testing.T) {
	r := newRig(t, `
load("std/rate.weir", "byte_bucket")

b = byte_bucket(u64, 16)

def main(pkt):
    q = pkt.payload.view(Ask)
    answers.emit(b.allow(q.a, rate = q.b, burst = q.c, n = q.d))
    return PASS
`)
	const rate, burst, size = 12_500_000_000, 1_000_000, 1500
	through, now := 0, uint64(time.Hour)
	for r.ask(time.Duration(now), 1, rate, burst, size)[0] == 1 {
		through += size
	}
	if through < burst-size || through > burst*102/100 {
		t.Errorf("a full bucket of %d lets %d through", burst, through)
	}
	through = 0
	start := now
	for range 20000 { // twice the rate
		now += 60
		if r.ask(time.Duration(now), 1, rate, burst, size)[0] == 1 {
			through += size
		}
	}
	if want := float64(now-start) * rate / 1e9; float64(through) < want*0.999-size || float64(through) > want*1.001+size {
		t.Errorf("%d bytes in %d ns, want %.0f", through, now-start, want)
	}
	if got := r.ask(time.Duration(now), 2, rate, 1<<34, 1<<29)[0]; got != 1 {
		t.Error("the greatest burst is refused")
	}
	if got := r.ask(time.Duration(now), 3, 1, 1<<34, 1500)[0]; got != 1 {
		t.Error("the greatest burst at the lowest rate is refused")
	}
}

// The window counts as the formula says, a turn never holds more than the limit, and no
// window of any place twice as much.
func TestSlidingWindow(t *testing.T) {
	r := newRig(t, `
load("std/rate.weir", "sliding_window")

w = sliding_window(u64, 1024)

def main(pkt):
    q = pkt.payload.view(Ask)
    answers.emit(w.allow(q.a, limit = q.b, window = q.c, n = q.d))
    return PASS
`)
	type state struct{ turn, count, before uint64 }
	const window, limit = 1e9, 100
	rnd := rand.New(rand.NewPCG(13, 14))
	var s state
	var passed []uint64 // times, one for each of n
	now := uint64(time.Hour)
	for i := range 6000 {
		if rnd.IntN(100) == 0 {
			now += rnd.Uint64N(3 * window)
		}
		now += rnd.Uint64N(1 << (10 + rnd.IntN(15)))
		n := 1 + rnd.Uint64N(3)
		if turn := now / window; turn != s.turn {
			before := uint64(0)
			if turn == s.turn+1 {
				before = s.count
			}
			s = state{turn, 0, before}
		}
		rest := (s.turn+1)*window - now
		part := (rest*1024 + window - 1) / window
		want := s.count+(s.before*part+1023)/1024+n <= limit
		if want {
			s.count += n
			for range n {
				passed = append(passed, now)
			}
		}
		if got := r.ask(time.Duration(now), 1, limit, window, n)[0] == 1; got != want {
			t.Fatalf("packet %d: let through: %v, want %v", i, got, want)
		}
	}
	turns, worst, from := map[uint64]int{}, 0, 0
	for i, at := range passed {
		turns[at/window]++
		for at-passed[from] >= window {
			from++
		}
		worst = max(worst, i-from+1)
	}
	for turn, n := range turns {
		if n > limit {
			t.Errorf("turn %d holds %d", turn, n)
		}
	}
	if worst >= 2*limit || worst <= limit/2 {
		t.Errorf("a window holds %d, of a limit of %d", worst, limit)
	}
	// A CPU whose clock is behind by a little does not begin the turn anew.
	border := (now/window + 5) * window
	n := 0
	for i := range uint64(3 * limit) {
		at := border - 1 + i%2
		if r.ask(time.Duration(at), 3, limit, window, 1)[0] == 1 {
			n++
		}
	}
	if n != limit {
		t.Errorf("%d are let through at the border of two turns, want %d", n, limit)
	}
	// Even traffic, a tenth more than the limit.
	passed = nil
	for i := range uint64(2000) {
		at := now + 2*window + i*window/110
		if r.ask(time.Duration(at), 2, limit, window, 1)[0] == 1 {
			passed = append(passed, at)
		}
	}
	from = 0
	for i, at := range passed {
		for at-passed[from] >= window {
			from++
		}
		if n := i - from + 1; n > limit*110/100 {
			t.Fatalf("a window of even traffic holds %d, of a limit of %d", n, limit)
		}
	}
	if len(passed) < 1700 {
		t.Errorf("%d of 2000 are let through", len(passed))
	}
}

// Colours are those of RFC 2698, with buckets of tokens that do not round.
func TestTrTCM(t *testing.T) {
	r := newRig(t, `
load("std/rate.weir", "trtcm")

m = trtcm(u64, 1024)

def main(pkt):
    q = pkt.payload.view(Ask)
    answers.emit(m.color(q.a, n = q.b, cir = q.c, cbs = 10000, pir = 2 * q.c, pbs = 15000, color = q.d))
    return PASS
`)
	const green, yellow, red = 0, 1, 2
	rnd := rand.New(rand.NewPCG(15, 16))
	now := uint64(time.Hour)
	met := map[uint64]int{}
	for key := range uint64(20) {
		cir := uint64(100_000 + rnd.IntN(1_000_000))
		c, p := bucket{at: now}, bucket{at: now}
		for i := range 200 {
			n, color := 60+rnd.Uint64N(1440), uint64(0)
			if key%2 == 1 {
				color = rnd.Uint64N(3)
			}
			now += rnd.Uint64N(800e9 / cir)
			c.fill(now, cir, 10000)
			p.fill(now, 2*cir, 15000)
			// What rounding may explain is neither right nor wrong.
			const slack = 1
			if d := p.short(n); d > -slack && d < slack {
				continue
			}
			if d := c.short(n); d > -slack && d < slack {
				continue
			}
			want := uint64(green)
			switch {
			case color == red || p.short(n) > 0:
				want = red
			case color == yellow || c.short(n) > 0:
				want = yellow
				p.take(n)
			default:
				c.take(n)
				p.take(n)
			}
			if got := r.ask(time.Duration(now), key, n, cir, color)[0]; got != want {
				t.Fatalf("key %d, packet %d of %d bytes, color %d before: got %d, want %d", key, i, n, color, got, want)
			}
			met[want]++
		}
	}
	if met[green] < 100 || met[yellow] < 100 || met[red] < 100 {
		t.Errorf("colors met: %v", met)
	}
}
