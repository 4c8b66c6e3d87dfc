package fleet

import (
	"math/rand/v2"

	"github.com/thumbmill/thumbmill/loadtest/tool/plan"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// recorded has the processor times in seconds of renders at about 320 pixels, as docs/benchmarks.md has them: nine
// photographs for each drawing, page or lossless picture.
func recorded() []float64 {
	photographs := []float64{.0067, .0204, .0192, .0179, .0241, .0249, .0181, .0358, .0386}
	others := []float64{.060, .168, .173, .183, .347, .671}
	var all []float64
	for _, o := range others {
		all = append(append(all, photographs...), o)
	}
	return all
}

// Time returns a recorded time of a render, in seconds.
func Time(r *rand.Rand) float64 {
	all := recorded()
	return all[r.IntN(len(all))]
}

// Profile returns requests with the recorded times, at a rate that keeps a share of the slots busy.
func Profile(f Fleet, share float64) plan.Profile {
	c := plan.Class{Lane: renderjob.LaneStandard, Type: "jpeg", Rate: 1}
	times := recorded()
	for edge := .001; edge < 1; edge *= 1.25 {
		n := 0.
		for _, t := range times {
			if t <= edge {
				n++
			}
		}
		c.Render = append(c.Render, plan.Bin{Seconds: edge, Count: n})
	}
	p := plan.Profile{Classes: []plan.Class{c}, Fetch: .01, Store: .01, Slots: f.Each}
	mean, _ := p.Moments()
	return p.Scaled(share*float64(f.Slots)/mean, 1)
}
