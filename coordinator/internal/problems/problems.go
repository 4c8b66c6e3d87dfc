// Package problems says what needs attention in a report, in sentences for operators: on their page, in
// `thumbmill status` and in `thumbmill top`.
package problems

import (
	"fmt"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// History has the series of the last hour.
type History interface {
	// Since returns the time from which on the latest values of a series fulfil a condition, or the zero
	// time if the latest value does not.
	Since(series string, holds func(float64) bool) time.Time
	// Typical returns the median of a series, or -1 while it has too few values.
	Typical(series string) float64
}

// finder collects the problems of one report.
type finder struct {
	t       *snapshot.Throttles
	history History
	all     []snapshot.Problem
}

// Describe completes a report: with the part that each client takes, the lanes that are behind, the problems and the state.
func Describe(t *snapshot.Throttles, h History) {
	seen := seenByThrottles(t)
	for i := range t.Clients {
		t.Clients[i].RefusedShare *= seen
		t.Clients[i].Takes = takes(t, t.Clients[i])
	}
	for i := range t.Lanes {
		t.Lanes[i].Behind = behind(t, t.Lanes[i])
	}
	f := finder{t: t, history: h, all: []snapshot.Problem{}}
	for _, find := range []func(){f.ofEdges, f.ofRules, f.ofClients, f.ofRenderers, f.ofFailing, f.ofThrottles, f.ofLanes, f.ofSpeed} {
		find()
	}
	order := []snapshot.Severity{snapshot.Critical, snapshot.Warning, snapshot.Note}
	slices.SortStableFunc(f.all, func(a, b snapshot.Problem) int {
		return slices.Index(order, a.Severity) - slices.Index(order, b.Severity)
	})
	t.Problems, t.State, t.Speed = f.all, stateOf(t, f.all), f.speed()
}

// seenByThrottles returns the share of refusals that coordinators see. They learn of no client that an edge refuses
// because its original fails.
func seenByThrottles(t *snapshot.Throttles) float64 {
	all := sum(t.Refusals)
	if all == 0 {
		return 1
	}
	return 1 - t.Refusals[string(throttle.Failure)]/all
}

// say adds a problem with its sentence.
func (f *finder) say(p snapshot.Problem, sentence string, args ...any) {
	p.Sentence = fmt.Sprintf(sentence, args...)
	if p.Actions == nil {
		p.Actions = []snapshot.Action{}
	}
	f.all = append(f.all, p)
}

func above(limit float64) func(float64) bool { return func(v float64) bool { return v > limit } }

// refusedRequests returns the requests a second that throttles refused. A request may have several refusals: a flight asks
// again while only its client's own flights are in its way.
func refusedRequests(t *snapshot.Throttles) (perSecond float64) {
	kinds := map[fault.Kind]bool{}
	for _, row := range throttle.All() {
		kinds[row.Kind] = true
	}
	for kind := range kinds {
		perSecond += t.Requests[string(kind)]
	}
	return perSecond
}

// others says how the clients fare that are not the one with most refusals.
func others(t *snapshot.Throttles) string {
	if share := 1 - mostRefused(t); share >= .005 {
		return "others have " + percent(share)
	}
	return "others are served"
}

// stateOf sums up the cluster, from its problems in order.
func stateOf(t *snapshot.Throttles, all []snapshot.Problem) snapshot.State {
	requests, refused := sum(t.Requests), refusedRequests(t)
	serves := fmt.Sprintf("Serves %s of %s requests/s", rate(max(0, requests-refused)), rate(requests))
	culprit := slices.IndexFunc(all, func(p snapshot.Problem) bool { return p.Severity == snapshot.Warning && isOfClient(p) })
	switch {
	case len(all) > 0 && all[0].Severity == snapshot.Critical:
		return snapshot.State{Severity: snapshot.Critical, Word: "Failing", Sentence: serves + ". " + all[0].Sentence}
	case culprit >= 0 && refused > 0:
		return snapshot.State{Severity: snapshot.Warning, Word: "One client", Sentence: fmt.Sprintf("%s. %s causes %s of refusals; %s.", serves, all[culprit].Who, percent(mostRefused(t)), others(t))}
	case len(all) > 0 && all[0].Severity == snapshot.Warning:
		if refused > 0 {
			serves += ", refuses " + rate(refused)
		}
		return snapshot.State{Severity: snapshot.Warning, Word: "Strained", Sentence: serves + "."}
	}
	return snapshot.State{Severity: snapshot.Good, Word: "Healthy", Sentence: fmt.Sprintf("%s; %s, %s wanted.", serves, many(live(t), "renderer"), count(t.Wanted))}
}
