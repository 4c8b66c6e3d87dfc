package report

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// told sets the counts of one edge.
func (s *sources) told(answered, refused int64) {
	s.view.Owners = nil
	s.addEdge("edge", lease.Status{
		Requests: map[string]int64{"rendered": answered}, Decisions: map[string]map[string]int64{"lane": {"refuse": refused, "admit": 9}},
		Lanes: []lease.Lane{{Name: "bulk", Depth: 5}},
	})
}

// Totals of edges become rates over the last ten seconds, with a point every ten seconds.
func TestRates(t *testing.T) {
	s := &sources{renderers: []renderjob.Heartbeat{{Slots: 4, Whole: 4, Utilisation: .25}, {Slots: 3, Whole: 4, Utilisation: .5}}}
	r := s.reporter()
	now := time.Unix(0, 0)
	tickWith := func(answered, refused int64) {
		s.told(answered, refused)
		now = now.Add(tick)
		r.keepHistory(now)
	}
	tickWith(1_000_000, 50) // an edge's first totals give no rate
	for i := range int64(window) {
		tickWith(1_000_000+20*(i+1), 50+4*(i+1))
	}
	report := r.Throttles(0)
	if report.Requests["rendered"] != 10 || report.Refusals["lane"] != 2 {
		t.Errorf("requests %v, refusals %v", report.Requests, report.Refusals)
	}
	for range window {
		tickWith(40, 0) // the edge restarted, and then idled
	}
	if rate := r.Throttles(0).Requests["rendered"]; rate != 4 {
		t.Errorf("%v a second after the restart", rate)
	}
	series := r.history.Series()
	if want := []float64{8, 6}; !slices.Equal(series.Values["request rendered"], want) {
		t.Errorf("%v, want %v", series.Values["request rendered"], want)
	}
	for name, want := range map[string]float64{"busy": 3, "slots": 7, "depth bulk": 5, "waiting": 0} {
		if values := series.Values[name]; len(values) != 2 || values[1] != want {
			t.Errorf("%s: %v", name, values)
		}
	}
	if series.Step != 10 || !series.End.Equal(time.Unix(20, 0)) {
		t.Errorf("step %v, end %v", series.Step, series.End)
	}
}

// All series have the same length, at most an hour.
func TestTheHistoryIsAnHourLong(t *testing.T) {
	h := newHistory()
	for i := range (points + 7) * window {
		gauges := map[string]float64{"busy": float64(i)}
		if i > points*window {
			gauges["late"] = 1
		}
		h.note(time.Unix(int64(i), 0), nil, gauges)
	}
	s := h.Series()
	busy, late := s.Values["busy"], s.Values["late"]
	if len(busy) != points || len(late) != points || busy[points-1] != (points+7)*window-1 || late[0] != 0 || late[points-1] != 1 {
		t.Errorf("%d and %d values, the latest %v and %v", len(busy), len(late), busy[points-1], late[points-1])
	}
}

// Since goes back over the latest points that fulfil the condition.
func TestSince(t *testing.T) {
	h := newHistory()
	for i, busy := range []float64{5, 1, 5, 6} {
		for n := range window {
			h.note(time.Unix(int64(10*(i+1)-2*(window-1-n)), 0), nil, map[string]float64{"busy": busy})
		}
	}
	high := func(v float64) bool { return v > 4 }
	if at := h.Since("busy", high); !at.Equal(time.Unix(30, 0)) {
		t.Errorf("busy since %v", at)
	}
	if at := h.Since("busy", func(v float64) bool { return v < 6 }); !at.IsZero() {
		t.Errorf("idle since %v", at)
	}
	if at := h.Since("unknown", high); !at.IsZero() {
		t.Errorf("an unknown series since %v", at)
	}
}

func TestTheReporterKeepsHistoryUntilItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := (&sources{}).reporter()
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for range 2 {
			if err := r.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
		points := len(r.history.Series().Values["busy"])
		time.Sleep(time.Minute)
		if after := len(r.history.Series().Values["busy"]); points != 6 || after != points {
			t.Errorf("%d points in a minute, then %d", points, after)
		}
	})
}

// Times of answers become percentiles; without answers there is none.
func TestPercentiles(t *testing.T) {
	s := &sources{}
	r := s.reporter()
	now := time.Unix(0, 0)
	counts := make([]int64, len(lease.TimeBounds())+1)
	tick := func(hits int64) {
		s.view.Owners = nil
		counts[3] += hits // 5 to 10 ms
		s.addEdge("edge", lease.Status{Times: map[string][]int64{"hit": slices.Clone(counts)}})
		now = now.Add(tick)
		r.keepHistory(now)
	}
	for range window {
		tick(100)
	}
	for range window {
		tick(0)
	}
	values := r.history.Series().Values
	if p := values["p50 hit"]; p[0] != 7.5 || p[1] != None {
		t.Errorf("p50 %v", p)
	}
	if p := values["p95 hit"][0]; math.Abs(p-9.75) > 1e-9 {
		t.Errorf("p95 %v", p)
	}
	if len(r.Throttles(0).Requests) != 0 {
		t.Error("times are among the rates")
	}
}

// The time of each step is a mean over the renders of the last ticks.
func TestSteps(t *testing.T) {
	s := &sources{}
	r := s.reporter()
	now := time.Unix(0, 0)
	for i := range int64(3) {
		s.view.Owners = nil
		s.addEdge("edge", lease.Status{Requests: map[string]int64{"rendered": 4 * i, "hit": 1000 * i}, Steps: map[string]int64{"fetch": 100 * i}})
		now = now.Add(tick)
		r.keepHistory(now)
	}
	report := r.Throttles(0)
	if got := report.Steps["fetch"]; got != 25 {
		t.Errorf("%v ms a render", got)
	}
	if len(report.Requests) != 2 {
		t.Errorf("steps are among the rates: %v", report.Requests)
	}
}

func TestTypical(t *testing.T) {
	h := newHistory()
	for i := range typicalPoints {
		h.values["p50 hit"] = append(h.values["p50 hit"], None, float64(i))
	}
	if got := h.Typical("p50 hit"); got != typicalPoints/2 {
		t.Errorf("%v", got)
	}
	if h.values["p50 hit"] = h.values["p50 hit"][1:]; h.Typical("p50 hit") != typicalPoints/2 {
		t.Error("an unknown value counts")
	}
	if h.values["p50 hit"] = h.values["p50 hit"][2:]; h.Typical("p50 hit") != None {
		t.Error("too few values have a median")
	}
}
