package simulator

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/tool/queueing"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// poisson returns requests of the standard lane.
func poisson(rate float64, n int, service func(*rand.Rand) float64, seed uint64) iter.Seq[Request] {
	return func(yield func(Request) bool) {
		random := rand.New(rand.NewPCG(seed, 1))
		at := 0.0
		for range n {
			at += random.ExpFloat64() / rate
			if !yield(Request{At: at, Lane: renderjob.LaneStandard, Render: service(random)}) {
				return
			}
		}
	}
}

func exponential(mean float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return mean * r.ExpFloat64() }
}

func constant(t float64) func(*rand.Rand) float64 { return func(*rand.Rand) float64 { return t } }

// bare is a cluster whose only queue is in front of c slots, with the given room.
func bare(c, room int) Config {
	return Config{Renderers: 1, Slots: c, QueueWait: math.Inf(1), Pools: map[renderjob.Lane]Pool{renderjob.LaneStandard: {Workers: c, MaxQueue: room}}}
}

// run returns the mean wait, the share of waits beyond t and the share of refused requests, each in
// batches.
func run(t *testing.T, c Config, requests iter.Seq[Request], n int, beyond float64) (wait, late, refused Batches) {
	t.Helper()
	size := n / 40
	var w, l, r, count, all float64
	flush := func() {
		wait.Add(w / max(count, 1))
		late.Add(l / max(count, 1))
		refused.Add(r / all)
		w, l, r, count, all = 0, 0, 0, 0, 0
	}
	seen := 0
	s, err := New(c, func(d Done) {
		all++
		if d.Outcome == Answered {
			count++
			w += d.Waited
			if d.Waited > beyond {
				l++
			}
		} else {
			r++
		}
		if seen++; seen%size == 0 {
			flush()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Run(requests)
	return wait, late, refused
}

// The simulator agrees with closed forms within its own confidence interval.
func TestAgainstClosedForms(t *testing.T) {
	const n = 1_000_000
	for _, c := range []struct {
		slots int
		rho   float64
	}{{1, .5}, {1, .8}, {4, .9}, {16, .9}, {64, .95}} {
		q := queueing.MMC{Slots: c.slots, Rate: c.rho * float64(c.slots), Service: 1}
		wait, late, _ := run(t, bare(c.slots, 1<<30), poisson(q.Rate, n, exponential(1), 3), n, 1)
		wait.within(t, "M/M/c mean wait", q.MeanWait())
		late.within(t, "M/M/c waits beyond 1", q.Beyond(1))
	}
	for _, rho := range []float64{.5, .8, .9} {
		wait, _, _ := run(t, bare(1, 1<<30), poisson(rho, n, constant(1), 5), n, 1)
		wait.within(t, "M/D/1 mean wait", queueing.MD1Wait(rho, 1))
	}
	for _, c := range []struct {
		slots, room int
		rho         float64
	}{{1, 3, .9}, {4, 10, 1}, {8, 12, 1.5}} {
		q := queueing.MMCK{Queue: queueing.MMC{Slots: c.slots, Rate: c.rho * float64(c.slots), Service: 1}, Room: c.room}
		wait, _, refused := run(t, bare(c.slots, c.room), poisson(q.Queue.Rate, n, exponential(1), 9), n, 1)
		wait.within(t, "M/M/c/K mean wait", q.MeanWait())
		refused.within(t, "M/M/c/K refused", q.Refused())
	}
}

// within fails if a value is outside of the doubled interval. A dozen values are checked, so some
// would be outside of the 95 % interval.
func (b Batches) within(t *testing.T, what string, want float64) {
	t.Helper()
	mean, half := b.Interval()
	if math.Abs(mean-want) > 2*half+1e-9 {
		t.Errorf("%s: %.5f ± %.5f, the closed form says %.5f", what, mean, half, want)
	}
}

// Each request ends exactly once, even if renderers fail. The pool's limits hold, and all
// places are free in the end.
func TestNothingIsLost(t *testing.T) {
	lanes := renderjob.Lanes()
	requests := func(yield func(Request) bool) {
		random := rand.New(rand.NewPCG(4, 4))
		at := 0.0
		for range 200_000 {
			at += random.ExpFloat64() / 60
			r := Request{At: at, Lane: lanes[random.IntN(3)], Fetch: random.ExpFloat64() / 50, Render: random.ExpFloat64() / 4, Store: random.ExpFloat64() / 100}
			if !yield(r) {
				return
			}
		}
	}
	var outages []Outage
	for i := range 60 {
		from := float64(20 + 50*i)
		outages = append(outages, Outage{Renderer: i % 4, From: from, To: from + 15, Kill: i%2 == 0})
	}
	seen := map[Outcome]int{}
	ended := map[float64]int{}
	s, err := New(Config{
		Renderers: 4, Slots: 4, Ahead: 1, QueueWait: 5, Outages: outages,
		Limits: map[renderjob.Lane]float64{renderjob.LaneStandard: 1},
	}, func(d Done) { seen[d.Outcome]++; ended[d.Request.At]++ })
	if err != nil {
		t.Fatal(err)
	}
	s.Run(requests)
	if len(ended) != 200_000 {
		t.Errorf("%d of 200000 ended", len(ended))
	}
	for at, n := range ended {
		if n != 1 {
			t.Fatalf("the request of %v ended %d times", at, n)
		}
	}
	for _, l := range s.lanes {
		if l.held != 0 || l.waiting != 0 || l.queue.len() != 0 {
			t.Errorf("left over in %s: %d held, %d waiting, %d queued", l.name, l.held, l.waiting, l.queue.len())
		}
	}
	for i, r := range s.renderers {
		if r.inHand != 0 || r.busy != 0 || len(r.jobs) != 0 {
			t.Errorf("renderer %d has %+v", i, r)
		}
	}
	if seen[Answered] < 100_000 || seen[Overran] == 0 || seen[Refused] == 0 {
		t.Errorf("%v", seen)
	}
}

// BenchmarkADay simulates a thousandth of a day at a thousand requests a second per iteration. The
// whole day, 86.4 million requests, must take less than ten minutes on one core.
func BenchmarkADay(b *testing.B) {
	for b.Loop() {
		s, err := New(Config{Renderers: 40, Slots: 8, Ahead: 1, QueueWait: 5}, func(Done) {})
		if err != nil {
			b.Fatal(err)
		}
		random := rand.New(rand.NewPCG(1, 1))
		at := 0.0
		s.Run(func(yield func(Request) bool) {
			for range 86_400 {
				at += random.ExpFloat64() / 1000
				if !yield(Request{At: at, Lane: renderjob.LaneStandard, Fetch: .02, Render: .2 * random.ExpFloat64(), Store: .02}) {
					return
				}
			}
		})
	}
	b.ReportMetric(float64(b.Elapsed().Seconds())/float64(b.N)*1000/60, "minutes/day")
}

// waits returns the waits of requests by the durations of their renders.
func waits(t *testing.T, c Config, requests ...Request) map[float64]float64 {
	t.Helper()
	all := map[float64]float64{}
	s, err := New(c, func(d Done) {
		if d.Outcome == Answered {
			all[d.Request.Render] = d.Waited
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Run(slices.Values(requests))
	return all
}

// A job behind a long render goes to an idle renderer. Jobs that no renderer has begun survive a
// drain and a kill.
func TestJobsAreHandedBack(t *testing.T) {
	c := Config{Renderers: 2, Slots: 1, Ahead: 1, QueueWait: 5}
	standard := func(at, render float64) Request {
		return Request{At: at, Lane: renderjob.LaneStandard, Fetch: .5, Render: render}
	}
	// Renderers get jobs in turn: 60 and 1 meet at the first renderer.
	if got := waits(t, c, standard(0, 60), standard(.1, 2), standard(.2, 1)); math.Abs(got[1]-5.5) > .01 {
		t.Errorf("behind a long render: %v", got)
	}
	c.Outages = []Outage{{Renderer: 0, From: .4, To: 90}} // while the renderer fetches
	if got := waits(t, c, standard(0, 60), standard(.1, 2)); math.Abs(got[60]-2.1) > .01 {
		t.Errorf("drained while it fetched: %v", got)
	}
	c.Outages = []Outage{{Renderer: 0, From: 10, To: 90, Kill: true}}
	if got := waits(t, c, standard(0, 60), standard(.1, 2)); math.Abs(got[60]-20) > .01 {
		t.Errorf("killed while it rendered: %v", got)
	}
}

// Renderers restart one after the other for ever. At the moment when one returns and the next leaves, none is
// there twice: the other renderer takes every request.
func TestRestartsInTurn(t *testing.T) {
	c := Config{Renderers: 2, Slots: 4, Ahead: 1, QueueWait: 5}
	const each, rounds = 30, 2000
	for i := range rounds {
		c.Outages = append(c.Outages, Outage{Renderer: i % 2, From: each * float64(i), To: each * float64(i+1)})
	}
	var requests []Request
	for i := range rounds / 3 {
		requests = append(requests, Request{At: 90*float64(i) + 10, Lane: renderjob.LaneStandard, Render: 1 + float64(i)/1e6})
	}
	got := waits(t, c, requests...)
	if len(got) != len(requests) {
		t.Errorf("%d of %d requests are answered", len(got), len(requests))
	}
	for render, wait := range got {
		if wait > .01 {
			t.Fatalf("a request waits %v s at a renderer that should be there (%v)", wait, render)
		}
	}
}
