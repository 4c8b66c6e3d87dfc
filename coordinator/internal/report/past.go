package report

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	pastTimeout  = 5 * time.Second
	pastPause    = 10 * time.Second // after a failure
	beforeLength = 10 * time.Minute // for which the values of yesterday are kept
)

// History is the answer about the last hour.
type History struct {
	End    time.Time            `json:"end"`
	Step   float64              `json:"step"`
	Values map[string][]float64 `json:"values"`
	// DayBefore has the minutes around this time yesterday, until an hour after it: readers need not
	// ask again each minute.
	DayBefore Series `json:"day_before"`
	// Source says whether Prometheus answered, or only this process did.
	Source string `json:"source"`
}

// The sources of a History.
const (
	ofProcess    = "process"
	ofPrometheus = "prometheus"
)

// past keeps the last answer. Readers of the same ten seconds share it.
type past struct {
	mu     sync.Mutex
	latest History
	before Series
	asked  time.Time // when before was asked for
	failed time.Time // the last failure; zero after a success
}

// series returns the last hour and the hour a day before: from Prometheus, where it has values, and else
// from this process.
func (r *Reporter) series(ctx context.Context) History {
	own := r.history.Series()
	alone := func() History { return History{own.End, own.Step, own.Values, r.history.Before(), ofProcess} }
	if r.config.Past == nil {
		return alone()
	}
	p := &r.past
	p.mu.Lock()
	defer p.mu.Unlock()
	if own.End.Unix() <= 0 {
		own.End = time.Now().UTC().Truncate(time.Second)
	}
	switch {
	case time.Since(p.failed) < pastPause:
		return alone()
	case p.latest.Source == ofPrometheus && own.End.Sub(p.latest.End) < time.Duration(own.Step)*time.Second:
		return p.latest
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pastTimeout) // others wait for the answer too
	defer cancel()
	h, err := r.askPast(ctx, own)
	if err != nil {
		if p.failed.IsZero() {
			r.config.Log.Warn("fail to read the charts' values from Prometheus, and show this process's values: check prometheus.url", "error", err)
		}
		p.failed = time.Now()
		return alone()
	}
	p.latest, p.failed = h, time.Time{}
	return h
}

// askPast completes the process's values. The caller holds the mutex.
func (r *Reporter) askPast(ctx context.Context, own Series) (History, error) {
	values, err := r.config.Past.Values(ctx, own.End, time.Duration(own.Step)*time.Second, points)
	if err != nil {
		return History{}, err
	}
	if p := &r.past; time.Since(p.asked) > beforeLength {
		end := own.End.Add(-yesterday + aroundSpan*time.Minute).Truncate(time.Minute)
		before, err := r.config.Past.Values(ctx, end, time.Minute, 2*aroundSpan)
		if err != nil {
			return History{}, err
		}
		p.before = merged(Series{end, time.Minute.Seconds(), before}, r.history.Before())
		p.asked = time.Now()
	}
	h := merged(Series{own.End, own.Step, values}, own)
	return History{h.End, h.Step, h.Values, r.past.before, ofPrometheus}, nil
}

// merged returns the values of a, and the values of b where a has none. Both end at the same time.
func merged(a, b Series) Series {
	length := 0
	for _, values := range a.Values {
		length = max(length, len(values))
	}
	for _, values := range b.Values {
		length = max(length, len(values))
	}
	all := map[string][]float64{}
	for name := range b.Values {
		all[name] = nil
	}
	for name := range a.Values {
		all[name] = nil
	}
	for name := range all {
		all[name] = overlaid(fromEnd(a.Values[name], length), fromEnd(b.Values[name], length))
	}
	return Series{a.End, a.Step, all}
}

// fromEnd returns values with NaN before them, so that there are n.
func fromEnd(values []float64, n int) []float64 {
	return append(slices.Repeat([]float64{math.NaN()}, n-len(values)), values...)
}

// overlaid returns the values of a, the values of b where a has none, and None where both have none.
func overlaid(a, b []float64) []float64 {
	for i := range a {
		if math.IsNaN(a[i]) {
			a[i] = b[i]
		}
		if math.IsNaN(a[i]) {
			a[i] = None
		}
		a[i] = rounded(a[i])
	}
	return a
}
