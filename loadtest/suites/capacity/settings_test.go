package capacity

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/tool/simulator"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// setting is a cluster with a load.
type setting struct {
	name                    string
	renderers, slots, ahead int
	mix                     mix
	use                     float64 // offered share of the slots' time
	wait                    time.Duration
	seconds                 float64
	independent             bool // also compare an independent run of the simulator
	// abuser is the share of the slots' time that one more client offers. per-ip limits that client to a
	// quarter of the slots, and refuses the rest at once.
	abuser float64
	store  time.Duration // time of a write to the store
}

// load has requests, and the times at which the abusive client sends some of them.
type load struct {
	requests []simulator.Request
	abuse    map[float64]bool
}

// mix draws a lane and a service time in seconds.
type mix struct {
	name string
	mean float64
	draw func(*rand.Rand) (renderjob.Lane, float64)
}

// photos vary like JPEGs of many sizes: log-normal, with a coefficient of variation of 1.
func photos() mix {
	const mean = 0.04
	sigma := math.Sqrt(math.Log(2))
	return mix{"photos", mean, func(r *rand.Rand) (renderjob.Lane, float64) {
		return renderjob.LaneStandard, mean * math.Exp(sigma*r.NormFloat64()-sigma*sigma/2)
	}}
}

// mixed is photos, and one expensive original in ten, which takes eight times as long.
func mixed() mix {
	const light, heavy = 0.03, 0.24
	return mix{"mixed", .9*light + .1*heavy, func(r *rand.Rand) (renderjob.Lane, float64) {
		if r.Float64() < .1 {
			return renderjob.LaneExpensive, heavy * r.ExpFloat64()
		}
		return renderjob.LaneStandard, light * r.ExpFloat64()
	}}
}

func all() []setting {
	const usual = 5 * time.Second
	// Independent runs are long enough for two standard deviations of p95 to be within the bound.
	return []setting{
		{name: "one renderer, quiet", renderers: 1, slots: 4, ahead: 1, mix: photos(), use: .5, wait: usual, seconds: 100, independent: true},
		{name: "one renderer, busy", renderers: 1, slots: 8, ahead: 1, mix: photos(), use: .75, wait: usual, seconds: 120, independent: true},
		{name: "one renderer, very busy", renderers: 1, slots: 4, ahead: 1, mix: photos(), use: .85, wait: usual, seconds: 40},
		{name: "four renderers, very busy", renderers: 4, slots: 4, ahead: 1, mix: photos(), use: .85, wait: usual, seconds: 120, independent: true},
		{name: "four renderers, at the limit", renderers: 4, slots: 2, ahead: 1, mix: photos(), use: .95, wait: usual, seconds: 40},
		{name: "one renderer, short patience", renderers: 1, slots: 4, ahead: 1, mix: photos(), use: .95, wait: 100 * time.Millisecond, seconds: 40},
		{name: "two renderers, two lanes", renderers: 2, slots: 8, ahead: 1, mix: mixed(), use: .7, wait: usual, seconds: 80, independent: true},
		{name: "four renderers, two lanes", renderers: 4, slots: 2, ahead: 1, mix: mixed(), use: .85, wait: usual, seconds: 40},
		{name: "two renderers, two lanes, busier", renderers: 2, slots: 4, ahead: 1, mix: mixed(), use: .9, wait: usual, seconds: 40},
		{name: "one renderer, an abusive client", renderers: 1, slots: 8, ahead: 1, mix: photos(), use: .5, wait: usual, seconds: 60, abuser: 1},
		{name: "four renderers, an abusive client", renderers: 4, slots: 4, ahead: 1, mix: photos(), use: .6, wait: usual, seconds: 60, abuser: 2},
		// The renderer holds five jobs of 100 ms: 0.86 of its most. Near 1, waits of the cluster itself differ by
		// a quarter between runs.
		{name: "one renderer, a slow store", renderers: 1, slots: 4, ahead: 1, mix: photos(), use: .42, wait: usual, seconds: 60, store: 60 * time.Millisecond},
	}
}

// load returns requests with arrivals and service times.
func (s setting) load(seed uint64, seconds float64) load {
	l := load{requests: s.arrivals(rand.New(rand.NewPCG(seed, 11)), s.use, seconds), abuse: map[float64]bool{}}
	if s.abuser > 0 {
		for _, q := range s.arrivals(rand.New(rand.NewPCG(seed, 12)), s.abuser, seconds) {
			l.requests = append(l.requests, q)
			l.abuse[q.At] = true
		}
		slices.SortFunc(l.requests, func(a, b simulator.Request) int { return cmp.Compare(a.At, b.At) })
	}
	return l
}

func (s setting) arrivals(random *rand.Rand, use, seconds float64) (requests []simulator.Request) {
	rate := use * float64(s.renderers*s.slots) / s.mix.mean
	for at := random.ExpFloat64() / rate; at < seconds; at += random.ExpFloat64() / rate {
		lane, service := s.mix.draw(random)
		requests = append(requests, simulator.Request{At: at, Lane: lane, Render: service})
	}
	return requests
}
