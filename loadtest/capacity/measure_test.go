package capacity

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/simulator"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// measured is what a cluster needs besides the sleeps, in seconds.
type measured struct {
	lanes map[renderjob.Lane]overhead
	turn  float64 // of a slot from one render to the next, where one waits
}

// overhead is that of a request which waits for nobody.
type overhead struct {
	hop    float64 // from the request to its slot, and back
	render float64 // in the slot: a sleep ends late
}

// storing is how long a place is held after the answer, where stores are in memory: the
// way of a message. Seconds.
const storing = .001

// with adds what was measured to requests that were not. About half of the hop is before
// the place is granted, and after the answer.
func (m measured) with(requests []simulator.Request) (all []simulator.Request) {
	for _, q := range requests {
		o := m.lanes[q.Lane]
		q.Fetch, q.Store, q.Render = o.hop/2, storing, q.Render+o.render+m.turn
		all = append(all, q)
	}
	return all
}

func (m measured) log(t *testing.T) {
	t.Helper()
	for lane, o := range m.lanes {
		t.Logf("%s: a request that waits for nobody takes %.1f ms, its render %.2f ms more than it sleeps; %.2f ms for a turn", lane, 1000*o.hop, 1000*o.render, 1000*m.turn)
	}
}

// measure asks for one thumbnail of each lane after the other, then for more than the
// cluster can render.
func (r *rig) measure(t *testing.T) measured {
	t.Helper()
	m := measured{lanes: map[renderjob.Lane]overhead{}}
	for _, lane := range []renderjob.Lane{renderjob.LaneStandard, renderjob.LaneExpensive} {
		m.lanes[lane] = r.overhead(t, lane)
	}
	m.turn = r.turn(t, m)
	return m
}

func (r *rig) overhead(t *testing.T, lane renderjob.Lane) overhead {
	t.Helper()
	var hops, renders []float64
	for range 100 {
		q := simulator.Request{Lane: lane, Render: .02}
		r.asked++
		a := r.ask(r.asked, q, time.Now())
		if a.status != http.StatusOK || a.render == 0 {
			t.Fatalf("%+v", a)
		}
		hops, renders = append(hops, a.took-a.render), append(renders, a.render-q.Render)
	}
	slices.Sort(hops)
	slices.Sort(renders)
	return overhead{hops[len(hops)/2], renders[len(renders)/2]}
}

// turn is for how much longer than in the simulator a slot is empty between two renders
// while others wait: the time to wake the next.
func (r *rig) turn(t *testing.T, m measured) float64 {
	t.Helper()
	busy := r.setting
	busy.mix, busy.use = photos(), 1.3
	requests := busy.load(1, saturated)
	answers, began := r.send(requests)
	real := busy.gap(r.sleeper.since(began))
	recorded := m.with(requests)
	for i, a := range answers {
		if a.status == http.StatusOK {
			recorded[i].Render = a.render
		}
	}
	var from, to []float64
	busy.simulated(t, recorded, func(d simulator.Done) {
		if d.Outcome == simulator.Answered {
			from, to = append(from, d.Ended-d.Render), append(to, d.Ended)
		}
	})
	return max(0, real-busy.gap(from, to))
}

// For so many seconds more comes than the cluster can render; after the first of them all
// slots always have work.
const saturated, filling = 6., 1.

// gap is the mean time between the end of a render and the next begin in its slot: each
// begin but the first ones follows an end, and in the sum it does not matter which.
func (s setting) gap(from, to []float64) float64 {
	slices.Sort(from)
	slices.Sort(to)
	slots := s.renderers * s.slots
	sum, n := 0.0, 0
	for i, end := range to {
		if end > filling && end < saturated && i+slots < len(from) {
			sum += from[i+slots] - end
			n++
		}
	}
	return sum / float64(max(n, 1))
}
