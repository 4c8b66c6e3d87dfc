package report

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
	"github.com/thumbmill/thumbmill/shared/lease"
)

const (
	tick   = 2 * time.Second
	window = 5         // ticks in a rate, and between two points
	points = 3600 / 10 // points of an hour
)

// Series are values of some time, one value every Step seconds, the latest last. A value of None is a
// time that nobody measured: no request came, or nobody was there.
type Series struct {
	End    time.Time            `json:"end"`
	Step   float64              `json:"step"`
	Values map[string][]float64 `json:"values"` // all of the same length
}

// Prefixes of the names of rates, before an outcome or a throttle.
const (
	requestPrefix = "request "
	refusePrefix  = "refuse "
	timePrefix    = "time " // before an outcome and the index of a bin
	stepPrefix    = "step " // before a step of renders
)

// history turns the counts of edges into rates, and keeps rates and gauges for an hour. The names of
// rates are "request <outcome>" and "refuse <throttle>", in events per second. The names of gauges are
// "depth <lane>", "age <lane>" in milliseconds, "waiting", "busy" (the mean number of slots that
// render), "slots", "live" and "wanted". Times
// of answers are "p50 <outcome>" and "p95 <outcome>", in milliseconds.
type history struct {
	mu     sync.Mutex
	last   map[string]map[string]int64 // totals, by edge and name
	recent []map[string]int64          // new events in the last ticks
	ticks  int
	end    time.Time
	values map[string][]float64
	length int
	day    day
}

func newHistory() *history {
	return &history{last: map[string]map[string]int64{}, values: map[string][]float64{}, day: newDay()}
}

// totalsOf returns an edge's totals by their names in history.
func totalsOf(s *lease.Status) map[string]int64 {
	totals := map[string]int64{}
	for outcome, n := range s.Requests {
		totals[requestPrefix+outcome] = n
	}
	for throttle, decisions := range s.Decisions {
		totals[refusePrefix+throttle] = decisions["refuse"]
	}
	for outcome, counts := range s.Times {
		for i, n := range counts {
			totals[fmt.Sprint(timePrefix, outcome, " ", i)] = n
		}
	}
	for step, ms := range s.Steps {
		totals[stepPrefix+step] = ms
	}
	return totals
}

// note takes the current counts of edges, and gauges. An edge's first totals give no rate. Totals below
// the last ones belong to a restarted edge and count from zero.
func (h *history) note(now time.Time, edges map[string]map[string]int64, gauges map[string]float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	came := map[string]int64{}
	for edge, totals := range edges {
		before, known := h.last[edge]
		for name, n := range totals {
			if n >= before[name] {
				n -= before[name]
			}
			if known {
				came[name] += n
			}
		}
	}
	h.last = edges
	h.recent = append(h.recent, came)
	h.recent = h.recent[max(0, len(h.recent)-window):]
	if h.ticks++; h.ticks%window == 0 {
		h.keep(now, gauges)
	}
}

// keep adds a point to each series. A new series was 0 before.
func (h *history) keep(now time.Time, gauges map[string]float64) {
	h.end = now
	current := h.rates()
	h.addTimes(current)
	for name, v := range gauges {
		current[name] = v
	}
	for name := range current {
		if h.values[name] == nil {
			h.values[name] = slices.Repeat([]float64{absent(name)}, h.length)
		}
	}
	h.day.add(now, current)
	h.length = min(h.length+1, points)
	for name, values := range h.values {
		value, known := current[name]
		if !known {
			value = absent(name)
		}
		values = append(values, value)
		h.values[name] = values[len(values)-h.length:]
	}
}

// absent is the value of a series at a time when nothing was measured.
func absent(name string) float64 {
	if strings.HasPrefix(name, "p50 ") || strings.HasPrefix(name, "p95 ") {
		return None
	}
	return 0
}

// rates returns the rates per second of the last ticks. The caller holds the mutex.
func (h *history) rates() map[string]float64 {
	rates := map[string]float64{}
	for _, came := range h.recent {
		for name, n := range came {
			if strings.HasPrefix(name, timePrefix) || strings.HasPrefix(name, stepPrefix) {
				continue
			}
			rates[name] += float64(n) / (float64(len(h.recent)) * tick.Seconds())
		}
	}
	return rates
}

// Rates returns rates per second over the last ten seconds.
func (h *history) Rates() map[string]float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rates()
}

// Latest copies the latest point.
func (h *history) Latest() snapshot.Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := snapshot.Point{End: h.end.UTC(), Values: map[string]float64{}}
	for name, values := range h.values {
		p.Values[name] = values[len(values)-1]
	}
	return p
}

// Since returns the time from which on the latest values of a series fulfil a condition, or the zero time
// if the latest value does not.
func (h *history) Since(series string, holds func(float64) bool) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, v := range slices.Backward(h.values[series]) {
		if !holds(v) {
			break
		}
		n++
	}
	if n == 0 {
		return time.Time{}
	}
	return h.end.Add(-time.Duration(n-1) * window * tick).UTC()
}

// Before returns the minutes of yesterday that the process knows: a day before the last hour,
// and a day before the coming hour.
func (h *history) Before() Series {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.day.around(h.end.Add(-yesterday))
}

// Series copies the last hour.
func (h *history) Series() Series {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Series{End: h.end.UTC(), Step: (window * tick).Seconds(), Values: map[string][]float64{}}
	for name, values := range h.values {
		s.Values[name] = append([]float64{}, values...)
	}
	return s
}
