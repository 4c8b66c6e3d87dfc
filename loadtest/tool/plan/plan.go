package plan

import (
	"errors"
	"math"
	"slices"

	"github.com/thumbmill/thumbmill/loadtest/tool/queueing"
	"github.com/thumbmill/thumbmill/loadtest/tool/simulator"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Target is a site's target.
type Target struct {
	Wait    float64 // seconds
	Share   float64 // share of requests that wait at most Wait
	Refused float64 // share of requests that may be refused
}

// Cluster has the rules that do not depend on the number of renderers.
type Cluster struct {
	Ahead     int
	QueueWait float64                    // seconds
	Limits    map[renderjob.Lane]float64 // of a render, in seconds
}

// Scenario is an event during a simulation.
type Scenario struct {
	Name string
	// Sites is the number of sites with equal shares of the renderers. One site is lost when the
	// measurement begins; 0 means that no site is lost.
	Sites int
	// Restart is the time in seconds that each renderer needs to restart, one after the other; 0
	// means that none restarts.
	Restart float64
}

// Result is the performance of a number of renderers.
type Result struct {
	Renderers int     `json:"renderers"`
	Use       float64 `json:"use"` // share of all slots' available time
	P50       float64 `json:"p50_seconds"`
	P95       float64 `json:"p95_seconds"`
	Late      Share   `json:"late"` // share that waited longer than the target
	Refused   Share   `json:"refused"`
}

// Share is a share with half the width of its 95 % confidence interval.
type Share struct {
	Mean float64 `json:"mean"`
	Half float64 `json:"half"`
}

// Meets reports whether a result meets the target, even with its uncertainty.
func (r Result) Meets(t Target) bool {
	return r.Late.Mean+r.Late.Half <= 1-t.Share && r.Refused.Mean+r.Refused.Half <= t.Refused
}

// misses reports whether a result misses the target, even with its uncertainty.
func (r Result) misses(t Target) bool {
	return r.Late.Mean-r.Late.Half > 1-t.Share || r.Refused.Mean-r.Refused.Half > t.Refused
}

const (
	// stretches is the number of batches of a simulation. An additional batch goes before them,
	// while the cluster fills.
	stretches = 40
	// leastSimulated and mostSimulated bound the requests of a simulation. If the result is
	// uncertain, a larger simulation follows.
	leastSimulated = 200_000
	mostSimulated  = 6_400_000
	// simulatedSeconds is the least simulated time, unless mostSimulated bounds it.
	simulatedSeconds = 1800
	mostRenderers    = 100_000
)

// ErrOutOfReach means that no number of renderers meets the target.
var ErrOutOfReach = errors.New("no number of renderers meets the target: even a render without a wait takes longer, or exceeds its limit")

// Simulate simulates a profile's requests in a cluster with the given number of renderers, until it
// is clear whether the target is met.
func Simulate(p Profile, c Cluster, s Scenario, renderers int, t Target) (r Result, err error) {
	p = p.cut(c.Limits)
	for n := int(min(max(p.Rate()*simulatedSeconds, leastSimulated), mostSimulated)); ; n *= 4 {
		r, err = p.simulate(c, s, renderers, t, n)
		if err != nil || r.Meets(t) || r.misses(t) || 4*n > mostSimulated {
			return r, err
		}
	}
}

// Glance simulates n requests once, whether or not the target is clear then: a simulation of thousands of slots needs
// millions of requests for each minute.
func Glance(p Profile, c Cluster, s Scenario, renderers int, t Target, n int) (Result, error) {
	return p.cut(c.Limits).simulate(c, s, renderers, t, n)
}

// simulate simulates n requests, after the requests that fill the cluster.
func (p Profile) simulate(c Cluster, s Scenario, renderers int, t Target, n int) (Result, error) {
	stretch := n / stretches
	length := float64(stretch) / p.Rate()
	var waits quantiles
	var late, refused simulator.Batches
	var seen, waited, tooLate, gone int
	sim, err := simulator.New(simulator.Config{
		Renderers: renderers, Slots: p.Slots, Ahead: c.Ahead, QueueWait: c.QueueWait, Limits: c.Limits, Outages: s.outages(renderers, length, length*(stretches+1)),
	}, func(d simulator.Done) {
		switch {
		case d.Outcome != simulator.Answered:
			gone++
		case d.Waited > t.Wait:
			tooLate++
			fallthrough
		default:
			waited++
			waits.add(d.Waited)
		}
		seen++
		switch {
		case seen == stretch:
			waits = quantiles{}
		case seen%stretch == 0:
			late.Add(float64(tooLate) / max(float64(waited), 1))
			refused.Add(float64(gone) / float64(stretch))
		default:
			return
		}
		waited, tooLate, gone = 0, 0, 0
	})
	if err != nil {
		return Result{}, err
	}
	sim.Run(p.Requests(n+stretch, 1))
	mean, _ := p.Moments()
	r := Result{Renderers: renderers, Use: p.Rate() * mean / float64(s.Left(renderers)*p.Slots), P50: waits.at(.5), P95: waits.at(.95)}
	r.Late.Mean, r.Late.Half = late.Interval()
	r.Refused.Mean, r.Refused.Half = refused.Interval()
	return r, nil
}

// outages returns the outages of a scenario in a run of length seconds. The first seconds are not
// measured.
func (s Scenario) outages(renderers int, first, length float64) (all []simulator.Outage) {
	if s.Sites > 1 {
		for i := 0; i < renderers; i += s.Sites { // the site's share, at least one renderer
			all = append(all, simulator.Outage{Renderer: i, From: first, To: math.MaxFloat64 / 2, Kill: true})
		}
	}
	if s.Restart > 0 {
		all = slices.Grow(all, int(length/s.Restart)+1)
	}
	for at, i := 0.0, 0; s.Restart > 0 && at+s.Restart < length; at, i = at+s.Restart, i+1 { // repeat the restart, to measure it often enough
		all = append(all, simulator.Outage{Renderer: i % renderers, From: at, To: at + s.Restart})
	}
	return all
}

// Renderers finds the least number of renderers that meets the target in a scenario. It starts with
// the closed form's answer, and reports each result to progress.
func Renderers(p Profile, c Cluster, s Scenario, t Target, progress func(Result)) (Result, error) {
	mean, variation := p.Moments()
	slots := queueing.SlotsFor(p.Rate(), mean, variation, t.Wait, t.Share)
	guess := max(1, (slots+p.Slots-1)/p.Slots)
	if s.Sites > 1 {
		guess = max(guess*s.Sites/(s.Sites-1), 2)
	}
	known := map[int]Result{}
	meets := func(n int) (bool, error) {
		r, err := Simulate(p, c, s, n, t)
		known[n] = r
		progress(r)
		return r.Meets(t), err
	}
	enough, tooFew := guess, s.least()-1
	for step := 1; ; step *= 2 { // go up until the number is enough
		ok, err := meets(enough)
		if err != nil || enough > mostRenderers {
			return known[enough], errors.Join(err, ErrOutOfReach)
		}
		if ok {
			break
		}
		tooFew = enough
		enough += step
		if enough > 64*guess+64 {
			return known[tooFew], ErrOutOfReach
		}
	}
	for enough-tooFew > 1 { // bisect
		middle := (enough + tooFew) / 2
		ok, err := meets(middle)
		if err != nil {
			return known[middle], err
		}
		if ok {
			enough = middle
		} else {
			tooFew = middle
		}
	}
	return known[enough], nil
}

// Left returns the number of renderers that are left after the scenario's loss.
func (s Scenario) Left(renderers int) int {
	if s.Sites > 1 {
		return renderers - (renderers+s.Sites-1)/s.Sites
	}
	return renderers
}

// least returns the least number of renderers that leaves one after the scenario's loss.
func (s Scenario) least() int {
	if s.Sites > 1 {
		return 2
	}
	return 1
}

// quantiles counts waits in a hundred bins per factor of ten, from 0.1 ms on. Its error is at
// most 2.4 %.
type quantiles struct {
	counts [700]int
	n      int
}

const finest = 1e-4

func (q *quantiles) add(wait float64) {
	at := 0
	if wait > finest {
		at = min(int(100*math.Log10(wait/finest))+1, len(q.counts)-1)
	}
	q.counts[at]++
	q.n++
}

func (q *quantiles) at(share float64) float64 {
	left := int(share * float64(q.n))
	for i, count := range q.counts {
		if left -= count; left < 0 {
			if i == 0 {
				return 0
			}
			return finest * math.Pow(10, (float64(i)-.5)/100)
		}
	}
	return 0
}
