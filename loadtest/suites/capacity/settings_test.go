package capacity

import (
	"math"
	"math/rand/v2"
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
		{"one renderer, quiet", 1, 4, 1, photos(), .5, usual, 100, true},
		{"one renderer, busy", 1, 8, 1, photos(), .75, usual, 120, true},
		{"one renderer, very busy", 1, 4, 1, photos(), .85, usual, 40, false},
		{"four renderers, very busy", 4, 4, 1, photos(), .85, usual, 120, true},
		{"four renderers, at the limit", 4, 2, 1, photos(), .95, usual, 40, false},
		{"one renderer, short patience", 1, 4, 1, photos(), .95, 100 * time.Millisecond, 40, false},
		{"two renderers, two lanes", 2, 8, 1, mixed(), .7, usual, 80, true},
		{"four renderers, two lanes", 4, 2, 1, mixed(), .85, usual, 40, false},
		{"two renderers, two lanes, busier", 2, 4, 1, mixed(), .9, usual, 40, false},
	}
}

// load returns requests with arrivals and service times.
func (s setting) load(seed uint64, seconds float64) (requests []simulator.Request) {
	random := rand.New(rand.NewPCG(seed, 11))
	rate := s.use * float64(s.renderers*s.slots) / s.mix.mean
	for at := random.ExpFloat64() / rate; at < seconds; at += random.ExpFloat64() / rate {
		lane, service := s.mix.draw(random)
		requests = append(requests, simulator.Request{At: at, Lane: lane, Render: service})
	}
	return requests
}
