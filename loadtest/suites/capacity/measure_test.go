package capacity

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/tool/simulator"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// measured has the cluster's times besides the sleeps, in seconds.
type measured struct {
	lanes map[renderjob.Lane]overhead
	store float64 // of a write, besides the way of a message
	turn  float64 // of a slot from one render to the next while a request waits; differs between runs
}

// overhead is the overhead of a request that does not wait.
type overhead struct {
	hop    float64 // from the request to its slot and back
	render float64 // in the slot: a sleep ends late
}

// storing is the time in seconds that a place is held after the answer, with stores in memory: the
// way of a message.
const storing = .001

// with adds the overheads to requests. About half of the hop is before the grant of the place, and
// after the answer.
func (m measured) with(requests []simulator.Request) (all []simulator.Request) {
	for _, q := range requests {
		o := m.lanes[q.Lane]
		q.Fetch, q.Store, q.Render = o.hop/2, storing+m.store, q.Render+o.render+m.turn
		all = append(all, q)
	}
	return all
}

func (m measured) log(t *testing.T) {
	t.Helper()
	for lane, o := range m.lanes {
		t.Logf("%s: a request without a wait takes %.1f ms, its render %.2f ms more than it sleeps; %.2f ms for a turn", lane, 1000*o.hop, 1000*o.render, 1000*m.turn)
	}
}

// wakes returns the mean time of a sleep, which ends late. With a slow store, a renderer's jobs in hand bind, and waits
// depend on each part of the time that it holds a job.
func wakes(after time.Duration) (seconds float64) {
	const n = 20
	began := time.Now()
	for range n {
		time.Sleep(after) // the time of the measurement
	}
	return time.Since(began).Seconds() / n
}

// measure requests the thumbnails of each lane one after the other.
func (r *rig) measure(t *testing.T) measured {
	t.Helper()
	m := measured{lanes: map[renderjob.Lane]overhead{}, store: wakes(r.setting.store)}
	for _, lane := range []renderjob.Lane{renderjob.LaneStandard, renderjob.LaneExpensive} {
		m.lanes[lane] = r.overhead(t, lane)
	}
	return m
}

func (r *rig) overhead(t *testing.T, lane renderjob.Lane) overhead {
	t.Helper()
	var hops, renders []float64
	for range 100 {
		q := simulator.Request{Lane: lane, Render: .02}
		r.asked++
		a := r.ask(r.asked, oneOfMany(r.asked), q, time.Now())
		if a.status != http.StatusOK || a.render == 0 {
			t.Fatalf("%+v", a)
		}
		hops, renders = append(hops, a.took-a.render), append(renders, a.render-q.Render)
	}
	slices.Sort(hops)
	slices.Sort(renders)
	return overhead{hops[len(hops)/2], renders[len(renders)/2]}
}

// turn returns the time that a slot is empty between two renders while others wait, beyond the
// simulator's: the time to wake the next render. The run itself gives it, because it grows with the
// machine's other work.
func (r *rig) turn(t *testing.T, recorded []simulator.Request, answers []answer, began time.Time) float64 {
	t.Helper()
	real := line{slots: r.setting.renderers * r.setting.slots, least: r.setting.renderers}
	for i, a := range answers {
		if a.status == http.StatusOK {
			real.arrived(recorded[i].At + recorded[i].Fetch)
		}
	}
	real.rendered(r.sleeper.since(began))
	simulated := line{slots: real.slots, least: real.least}
	var from, to []float64
	r.setting.simulated(t, recorded, func(d simulator.Done) {
		if d.Outcome == simulator.Answered {
			simulated.arrived(d.Request.At + d.Request.Fetch)
			from, to = append(from, d.Ended-d.Request.Render), append(to, d.Ended)
		}
	})
	simulated.rendered(from, to)
	return max(0, real.gap()-simulated.gap())
}

// line is a run from the view of its slots.
type line struct {
	slots int // of all renderers
	// least is how many wait when a slot is called late: one more than could be fetched by
	// other renderers already.
	least  int
	events []event
}

type event struct {
	at   float64
	kind int // of the constants below
}

const (
	ended = iota
	arrives
	begins
)

func (l *line) arrived(at float64) { l.events = append(l.events, event{at, arrives}) }

func (l *line) rendered(from, to []float64) {
	for _, at := range from {
		l.events = append(l.events, event{at, begins})
	}
	for _, at := range to {
		l.events = append(l.events, event{at, ended})
	}
}

// gap returns the mean time between the end of a render and the next start in its slot, for renders
// that end while others wait. The sum does not depend on which start follows which end.
func (l *line) gap() float64 {
	slices.SortFunc(l.events, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind)) })
	nobody := math.Inf(-1)
	free := slices.Repeat([]float64{nobody}, l.slots)
	waiting, sum, n := 0, 0.0, 0
	for _, e := range l.events {
		switch e.kind {
		case arrives:
			waiting++
		case ended:
			since := nobody
			if waiting > l.least {
				since = e.at
			}
			free = append(free, since)
		case begins:
			waiting--
			if len(free) == 0 {
				continue // two events at the same moment; the start was recorded first
			}
			if free[0] > nobody {
				sum, n = sum+e.at-free[0], n+1
			}
			free = free[1:]
		}
	}
	return sum / float64(max(n, 1))
}
