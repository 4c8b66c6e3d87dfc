// Package report reports the throttles and their refusals to operators, as JSON over HTTP:
//
//	GET /api/v1/throttles          one report; ?pools=N sets the bound of pools, 200 by default
//	GET /api/v1/throttles/stream   a report every second, as server-sent events
//	GET /api/v1/throttles/history  values of the last hour, and of the hour a day before
//	GET /api/v1/throttles/requests the latest requests of ?client= or ?original=
//	GET /api/v1/throttles/table    the throttles with their meanings
//
// coordinator/PROTOCOL.md explains each field.
package report

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/demand"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/coordinator/internal/problems"
	"github.com/thumbmill/thumbmill/coordinator/internal/requests"
	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const mostFailing = 100

// Table is the part of the lock table that a report reads.
type Table interface {
	View(most int) pools.View
	Counts() (pools.Counts, map[throttle.Name]pools.Class, pools.Times)
}

// Activity lists the busiest clients and originals.
type Activity interface {
	Busiest(class throttle.Name, what activity.Measure) []activity.Busy
}

// Fleet lists the living renderers.
type Fleet interface{ Living() []renderjob.Heartbeat }

// Directives lists the directives in force.
type Directives interface{ Holding() []directive.Directive }

// Demand measures the clients.
type Demand interface{ Clients() []demand.Client }

// Wanted estimates the right number of renderers.
type Wanted interface{ Renderers() int }

// Requests has the latest requests of each client and each original.
type Requests interface {
	OfClient(name string) []requests.Request
	OfOriginal(name string) []requests.Request
}

// Past has the values of an earlier time by the names of history, such as a Prometheus server's. A value is NaN where none is known.
type Past interface {
	// Values returns n values of each series, one every step until end.
	Values(ctx context.Context, end time.Time, step time.Duration, n int) (map[string][]float64, error)
}

// Config holds the sources of a reporter. All but Past are required.
type Config struct {
	Table      Table
	Activity   Activity
	Fleet      Fleet
	Directives Directives
	Wanted     Wanted
	Demand     Demand
	Requests   Requests
	Past       Past // nil: only the process remembers
	Log        *slog.Logger
}

// Reporter makes reports, and is a part of the coordinator (service.Part).
type Reporter struct {
	config  Config
	history *history
	group   sync.WaitGroup

	started time.Time
	streams *semaphore.Weighted
	latest  encoded
	past    past
	stopped context.Context //nolint:containedctx // its end is the reporter's
	stop    context.CancelFunc
}

// New makes a reporter with an empty history.
func New(c Config) *Reporter {
	r := &Reporter{config: c, history: newHistory(), started: time.Now(), streams: semaphore.NewWeighted(maxStreams)}
	r.stopped, r.stop = context.WithCancel(context.Background())
	return r
}

// Start starts to record the history.
func (r *Reporter) Start(context.Context) error {
	r.group.Go(func() { periodic.Do(r.stopped, tick, func(context.Context) { r.keepHistory(time.Now()) }) })
	return nil
}

// Stop ends the streams and the history.
func (r *Reporter) Stop(context.Context) error {
	r.stop()
	r.group.Wait()
	return nil
}

// keepHistory adds the current report to the history.
func (r *Reporter) keepHistory(now time.Time) {
	t := r.Throttles(0)
	edges := map[string]map[string]int64{}
	for _, e := range t.Edges {
		if e.Status != nil {
			edges[e.Name] = totalsOf(e.Status)
		}
	}
	gauges := map[string]float64{"busy": 0, "slots": 0, "waiting": 0, "live": 0, "wanted": float64(t.Wanted)}
	for _, l := range t.Lanes {
		gauges["depth "+l.Name] = float64(l.Depth)
		gauges["age "+l.Name] = float64(l.AgeMS)
		gauges["waiting"] += float64(l.Waiting)
	}
	for _, h := range t.Renderers {
		gauges["busy"] += h.Utilisation * float64(max(h.Whole, h.Slots))
		gauges["slots"] += float64(h.Slots)
		if !h.Draining {
			gauges["live"]++
		}
	}
	r.history.note(now, edges, gauges)
}

// Throttles returns a report with at most the given number of pools.
func (r *Reporter) Throttles(mostPools int) snapshot.Throttles {
	view := r.config.Table.View(mostPools)
	t := snapshot.Throttles{
		Time: time.Now().UTC(), Started: r.started.UTC(), Classes: r.classes(), Pools: []snapshot.Pool{}, Omitted: view.Omitted,
		Rules: []snapshot.Rule{}, Busiest: r.busiest(), Edges: []snapshot.Edge{}, Failing: []lease.Failing{}, Lanes: []snapshot.Lane{},
		Renderers:  append([]renderjob.Heartbeat{}, r.config.Fleet.Living()...),
		Directives: append([]directive.Directive{}, r.config.Directives.Holding()...),
		Wanted:     r.config.Wanted.Renderers(),
		Clients:    r.config.Demand.Clients(),
		Latest:     r.history.Latest(),
	}
	for _, p := range view.Pools {
		t.Pools = append(t.Pools, snapshot.Pool{
			Key: p.Key, Name: throttle.All().PoolName(p.Key), Class: p.Class, Holders: p.Holders, Waiters: p.Waiters, Limit: p.Limit, MaxQueue: p.MaxQueue,
			OldestWait: p.OldestWait.Milliseconds(), Shadow: p.Shadow,
		})
	}
	for _, v := range view.Rules {
		if _, network := throttle.OfNetworkRule(v.Name); v.Directed || !network { // edges declare a network's rule longer than its directive lasts
			t.Rules = append(t.Rules, ruleOf(v))
		}
	}
	addEdges(&t, view.Owners)
	for _, lane := range renderjob.Lanes() {
		t.Lanes = append(t.Lanes, laneOf(t, lane, view.Lanes))
	}
	t.Requests, t.Refusals = splitRates(r.history.Rates())
	t.Steps = r.history.Steps()
	problems.Describe(&t, r.history)
	return t
}

func (r *Reporter) classes() map[throttle.Name]snapshot.Class {
	_, counted, _ := r.config.Table.Counts()
	all := map[throttle.Name]snapshot.Class{}
	for class, c := range counted {
		all[class] = snapshot.Class{
			Holders: c.Holders, Waiters: c.Waiters, Full: c.Full, TimedOut: c.TimedOut, NearLimit: c.NearLimit, Shadowed: c.Shadowed,
		}
	}
	return all
}

func (r *Reporter) busiest() snapshot.Busiest {
	busiest := r.config.Activity.Busiest
	return snapshot.Busiest{
		Clients:          busiest(throttle.PerIP, activity.Requests),
		Originals:        busiest(throttle.PerOriginal, activity.Requests),
		RefusedClients:   busiest(throttle.PerIP, activity.Refusals),
		RefusedOriginals: busiest(throttle.PerOriginal, activity.Refusals),
		CostlyOriginals:  busiest(throttle.PerOriginal, activity.CPU),
	}
}

// splitRates splits the rates of the history into requests and refusals.
func splitRates(all map[string]float64) (requests, refusals map[string]float64) {
	requests, refusals = map[string]float64{}, map[string]float64{}
	for name, rate := range all {
		if outcome, ok := strings.CutPrefix(name, requestPrefix); ok {
			requests[outcome] = rate
		}
		if throttle, ok := strings.CutPrefix(name, refusePrefix); ok {
			refusals[throttle] = rate
		}
	}
	return requests, refusals
}

func ruleOf(v pools.RuleView) snapshot.Rule {
	r := snapshot.Rule{Name: v.Name, Workers: v.Workers, MaxQueue: v.MaxQueue, Shadow: v.Shadow, Directed: v.Directed}
	for edge, declared := range v.Differing {
		if r.Differing == nil {
			r.Differing = map[string]snapshot.Limits{}
		}
		r.Differing[edge] = snapshot.Limits{Workers: declared.Workers, MaxQueue: declared.MaxQueue, Shadow: declared.Shadow}
	}
	return r
}

// laneOf sums up one lane from the edges, renderers, rules and directives of the report, and from its
// pool if there is one.
func laneOf(t snapshot.Throttles, lane renderjob.Lane, used []pools.PoolView) snapshot.Lane {
	l := snapshot.Lane{Name: string(lane)}
	for _, e := range t.Edges {
		if e.Status != nil && e.Connected {
			addSeen(&l, e.Status.Lanes)
		}
	}
	for _, h := range t.Renderers {
		if !h.Draining && h.Slots > 0 {
			l.Slots += lanes.Slots(lane, h.Slots)
		}
	}
	for _, p := range used {
		if p.Key == throttle.All().PoolOf(lane) {
			l.Running, l.Waiting = p.Holders, p.Waiters
		}
	}
	for _, rule := range t.Rules {
		if rule.Name == throttle.RuleOf(lane) {
			l.Limit = rule.Workers
		}
	}
	_, l.Paused = directive.Find(t.Directives, directive.Pause, l.Name)
	return l
}

// addSeen takes the maximum over edges, because they look at different moments.
func addSeen(l *snapshot.Lane, lanes []lease.Lane) {
	for _, seen := range lanes {
		if seen.Name == l.Name {
			l.Depth, l.AgeMS = max(l.Depth, seen.Depth), max(l.AgeMS, seen.AgeMS)
		}
	}
}

// addEdges adds the edges and their failing originals.
func addEdges(t *snapshot.Throttles, owners []pools.OwnerView) {
	latest := map[lease.Failing]lease.Failing{}
	for _, o := range owners {
		e := snapshot.Edge{Name: o.Name, Connected: o.Connected, Leases: o.Leases, Waiting: o.Waiting}
		var status lease.Status
		if o.Status != "" && json.Unmarshal([]byte(o.Status), &status) == nil {
			keepLatest(latest, status.Failing)
			status.Failing = nil
			e.Status = &status
		}
		t.Edges = append(t.Edges, e)
	}
	t.Failing = append(t.Failing, slices.Collect(maps.Values(latest))...)
	slices.SortFunc(t.Failing, func(a, b lease.Failing) int { return b.Last.Compare(a.Last) })
	t.Failing = t.Failing[:min(len(t.Failing), mostFailing)]
}

// keepLatest keeps the latest report of each failing original: edges look at different moments.
func keepLatest(latest map[lease.Failing]lease.Failing, told []lease.Failing) {
	for _, f := range told {
		of := f
		of.Failures, of.Last, of.Again = 0, time.Time{}, time.Time{}
		if known, ok := latest[of]; !ok || known.Last.Before(f.Last) {
			latest[of] = f
		}
	}
}
