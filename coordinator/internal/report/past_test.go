package report

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A day's minutes are means, and yesterday's are there around the same time of the day.
func TestADayOfMinutes(t *testing.T) {
	d := newDay()
	start := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	for i := range 26 * 60 * 6 { // 26 hours of points
		values := map[string]float64{"busy": float64(i / 6), "p50 hit": None}
		if i%6 > 3 { // two of six points have a percentile
			values["p50 hit"] = float64(i % 6)
		}
		d.add(start.Add(time.Duration(i)*10*time.Second), values)
	}
	now := start.Add(26 * time.Hour)
	s := d.around(now.Add(-yesterday)) // two hours after the start
	busy := s.Values["busy"]
	if len(busy) != 2*aroundSpan || !s.End.Equal(start.Add(3*time.Hour)) || s.Step != 60 {
		t.Fatalf("%d values until %v", len(busy), s.End)
	}
	// The day forgot its first hour: the minute of the last value is the 180th.
	if busy[len(busy)-1] != 180 || busy[1] != 62 || s.Values["p50 hit"][60] != 4.5 {
		t.Errorf("%v, %v", busy, s.Values["p50 hit"])
	}
	if early := d.around(start.Add(-yesterday)); len(early.Values) != 0 {
		t.Errorf("%v", early.Values)
	}
}

// remembered is a Prometheus server that knows one series, with a gap.
type remembered struct {
	asked  int
	broken bool
}

func (r *remembered) Values(_ context.Context, _ time.Time, _ time.Duration, n int) (map[string][]float64, error) {
	if r.asked++; r.broken {
		return nil, errors.New("broken")
	}
	values := slices.Repeat([]float64{7}, n)
	values[0], values[n-1] = math.NaN(), math.NaN()
	return map[string][]float64{"busy": values}, nil
}

// Prometheus's values win, the process's fill their gaps, and a Prometheus that fails leaves the
// process's.
func TestTheHourFromPrometheus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &remembered{}
		r := (&sources{past: from}).reporter()
		h := r.series(t.Context())
		if busy := h.Values["busy"]; h.Source != ofPrometheus || len(busy) != points || busy[0] != None || busy[1] != 7 || !h.End.Equal(time.Now()) {
			t.Errorf("before the first point: %+v", h)
		}
		for range 2 * window {
			r.keepHistory(time.Now())
			time.Sleep(tick)
		}
		from.asked = 0
		for range 3 { // readers of the same moment share an answer
			h = r.series(t.Context())
		}
		if busy := h.Values["busy"]; len(busy) != points || busy[points-1] != 0 || busy[points-2] != 7 || from.asked != 1 {
			t.Errorf("%d questions, %v", from.asked, busy)
		}
		if before := h.DayBefore; before.Step != 60 || len(before.Values["busy"]) != 2*aroundSpan || before.Values["busy"][1] != 7 {
			t.Errorf("%+v", before)
		}
		time.Sleep(time.Minute)
		for range window {
			r.keepHistory(time.Now())
		}
		from.asked, from.broken = 0, true
		for range 3 { // a broken server is left alone for a while
			h = r.series(t.Context())
		}
		if h.Source != ofProcess || len(h.Values["busy"]) != 3 || from.asked != 1 {
			t.Errorf("%d questions, %+v", from.asked, h)
		}
	})
}
