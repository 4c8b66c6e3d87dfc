// Package report tells operators what is throttled, and why, as JSON over HTTP:
//
//	GET /api/v1/throttles          once; ?pools=N for at most N pools, 200 without
//	GET /api/v1/throttles/stream   every second, as server-sent events
//	GET /api/v1/throttles/history  values of the last hour
//
// coordinator/README.md tells what each field means.
package report

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/directives"
	"github.com/thumbmill/thumbmill/coordinator/internal/fleet"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/coordinator/internal/wanted"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Throttles is the report.
type Throttles struct {
	Time    time.Time                   `json:"time"`
	Started time.Time                   `json:"started"`
	Classes map[poolcounter.Class]Class `json:"classes"`
	Pools   []Pool                      `json:"pools"`
	Omitted int                         `json:"pools_omitted"`
	Rules   []Rule                      `json:"rules"`
	Busiest Busiest                     `json:"busiest"`
	Edges   []Edge                      `json:"edges"`
	Failing []lease.Failing             `json:"failing"`
	// Requests are those of all edges by outcome, Refusals by throttle: per second, of the
	// last ten.
	Requests   map[string]float64    `json:"requests_per_second"`
	Refusals   map[string]float64    `json:"refusals_per_second"`
	Lanes      []Lane                `json:"lanes"`
	Renderers  []renderjob.Heartbeat `json:"renderers"`
	Directives []directive.Directive `json:"directives"`
	// Wanted is how many renderers would be right.
	Wanted int `json:"renderers_wanted"`
}

// Lane is one lane of the queue.
type Lane struct {
	lease.Lane
	Slots   int    `json:"slots"`   // of all renderers, that it may take
	Running uint32 `json:"running"` // requests that hold a place of its pool
	Waiting uint32 `json:"waiting"` // requests that wait for one
	Limit   uint32 `json:"limit"`   // places
	Paused  bool   `json:"paused"`
}

// Class is all pools of one class. What ends in total counts since the start.
type Class struct {
	Holders   int64 `json:"holders"`
	Waiters   int64 `json:"waiters"`
	Full      int64 `json:"refused_full_total"`
	TimedOut  int64 `json:"refused_timeout_total"`
	NearLimit int64 `json:"near_limit_total"`
	Shadowed  int64 `json:"shadowed_total"`
}

// Pool is one pool. Limit and MaxQueue are 0 where only PoolCounter's clients,
// who state their own, use it.
type Pool struct {
	Key        string            `json:"key"`
	Class      poolcounter.Class `json:"class"`
	Holders    uint32            `json:"holders"`
	Waiters    uint32            `json:"waiters"`
	Limit      uint32            `json:"limit"`
	MaxQueue   uint32            `json:"max_queue"`
	OldestWait int64             `json:"oldest_wait_ms"`
	Shadow     bool              `json:"shadow"`
}

// Limits are the limits of a rule.
type Limits struct {
	Workers  uint32 `json:"workers"`
	MaxQueue uint32 `json:"max_queue"`
	Shadow   bool   `json:"shadow"`
}

// Rule is the limits that hold for a kind of pool, and what each edge has where
// they differ.
type Rule struct {
	Name string `json:"name"`
	Limits
	// Overridden: a directive has it so.
	Overridden bool              `json:"overridden"`
	Differing  map[string]Limits `json:"differing,omitempty"`
}

// Busiest are the clients and originals of the last minutes.
type Busiest struct {
	Clients          []activity.Busy `json:"clients"`
	Originals        []activity.Busy `json:"originals"`
	RefusedClients   []activity.Busy `json:"refused_clients"`
	RefusedOriginals []activity.Busy `json:"refused_originals"`
}

// Edge is one edge with what it tells of itself.
type Edge struct {
	Name      string        `json:"name"`
	Connected bool          `json:"connected"`
	Leases    int           `json:"leases"`
	Waiting   int           `json:"waiting"`
	Status    *lease.Status `json:"status,omitempty"`
}

const (
	defaultPools = 200
	mostPools    = 10_000
	mostFailing  = 100
	streams      = 16 // at once
	every        = time.Second
	writeTimeout = 5 * time.Second
)

// Config is what a reporter reads.
type Config struct {
	Table      *pools.Table
	Activity   *activity.Activity
	Fleet      *fleet.Fleet
	Directives *directives.Book
	Wanted     *wanted.Estimator
}

// Reporter makes reports.
type Reporter struct {
	Config
	history *history
	group   sync.WaitGroup

	started time.Time
	streams *semaphore.Weighted
	ended   context.Context //nolint:containedctx // its end is the reporter's
	end     context.CancelFunc
}

// New makes a reporter.
func New(c Config) *Reporter {
	r := &Reporter{Config: c, history: newHistory(), started: time.Now(), streams: semaphore.NewWeighted(streams)}
	r.ended, r.end = context.WithCancel(context.Background())
	return r
}

// Start begins to keep the history.
func (r *Reporter) Start() { r.group.Go(r.remember) }

// Close ends the streams and the history.
func (r *Reporter) Close() {
	r.end()
	r.group.Wait()
}

func (r *Reporter) remember() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			r.note(now)
		case <-r.ended.Done():
			return
		}
	}
}

// note takes what there is now into the history.
func (r *Reporter) note(now time.Time) {
	t := r.Throttles(0)
	edges := map[string]map[string]int64{}
	for _, e := range t.Edges {
		if e.Status != nil {
			edges[e.Name] = counted(e.Status)
		}
	}
	gauges := map[string]float64{"busy": 0, "slots": 0, "waiting": 0}
	for _, l := range t.Lanes {
		gauges["depth "+l.Name] = float64(l.Depth)
		gauges["waiting"] += float64(l.Waiting)
	}
	for _, h := range t.Renderers {
		gauges["busy"] += float64(h.Busy)
		gauges["slots"] += float64(h.Slots)
	}
	r.history.note(now, edges, gauges)
}

// Handler serves the paths of the package's comment.
func (r *Reporter) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+operators.Throttles, r.once)
	mux.HandleFunc("GET "+operators.ThrottlesStream, r.stream)
	mux.HandleFunc("GET "+operators.ThrottlesHistory, func(w http.ResponseWriter, _ *http.Request) { answer(w, r.history.Series()) })
	return mux
}

func asked(q *http.Request) (int, error) {
	text := q.URL.Query().Get("pools")
	if text == "" {
		return defaultPools, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > mostPools {
		return 0, fmt.Errorf("pools is a number from 0 to %d", mostPools)
	}
	return n, nil
}

func (r *Reporter) once(w http.ResponseWriter, q *http.Request) {
	n, err := asked(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, r.Throttles(n))
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) // the client left
}

// stream sends an event a second. The first comes at once.
func (r *Reporter) stream(w http.ResponseWriter, q *http.Request) {
	n, err := asked(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !r.streams.TryAcquire(1) {
		http.Error(w, fmt.Sprintf("%d streams are open already", streams), http.StatusServiceUnavailable)
		return
	}
	defer r.streams.Release(1)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := send(w, control, r.Throttles(n)); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-q.Context().Done():
			return
		case <-r.ended.Done():
			return
		}
	}
}

func send(w http.ResponseWriter, control *http.ResponseController, t Throttles) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // a recorder in a test has none
	if _, err := fmt.Fprintf(w, "event: throttles\ndata: %s\n\n", text); err != nil {
		return err
	}
	return control.Flush()
}

// Throttles makes one report with at most so many pools.
func (r *Reporter) Throttles(most int) Throttles {
	view := r.Table.View(most)
	_, classes, _ := r.Table.Counts()
	t := Throttles{
		Time: time.Now().UTC(), Started: r.started.UTC(), Classes: map[poolcounter.Class]Class{},
		Pools: []Pool{}, Omitted: view.Omitted, Rules: []Rule{}, Edges: []Edge{}, Failing: []lease.Failing{},
		Wanted: r.Wanted.Renderers(), Requests: map[string]float64{}, Refusals: map[string]float64{}, Lanes: []Lane{},
		Renderers: append([]renderjob.Heartbeat{}, r.Fleet.Living()...), Directives: append([]directive.Directive{}, r.Directives.Holding()...),
		Busiest: Busiest{
			Clients:          r.Activity.Busiest(poolcounter.ClassIP, false),
			Originals:        r.Activity.Busiest(poolcounter.ClassOriginal, false),
			RefusedClients:   r.Activity.Busiest(poolcounter.ClassIP, true),
			RefusedOriginals: r.Activity.Busiest(poolcounter.ClassOriginal, true),
		},
	}
	for class, c := range classes {
		t.Classes[class] = Class{c.Holders, c.Waiters, c.Full, c.TimedOut, c.NearLimit, c.Shadowed}
	}
	for _, p := range view.Pools {
		t.Pools = append(t.Pools, Pool{p.Key, p.Class, p.Holders, p.Waiters, p.Limit, p.MaxQueue, p.OldestWait.Milliseconds(), p.Shadow})
	}
	for _, v := range view.Rules {
		t.Rules = append(t.Rules, rule(v))
	}
	r.addEdges(&t, view.Owners)
	r.addLanes(&t, view.Lanes)
	for name, rate := range r.history.Rates() {
		if outcome, ok := strings.CutPrefix(name, "request "); ok {
			t.Requests[outcome] = rate
		}
		if throttle, ok := strings.CutPrefix(name, "refuse "); ok {
			t.Refusals[throttle] = rate
		}
	}
	return t
}

// addLanes adds what edges see of the queue, and the pools of the lanes.
func (r *Reporter) addLanes(t *Throttles, used []pools.PoolView) {
	for _, name := range renderjob.Lanes() {
		l := Lane{Lane: lease.Lane{Name: string(name)}}
		for _, e := range t.Edges { // they look at different moments
			if e.Status == nil || !e.Connected {
				continue
			}
			for _, seen := range e.Status.Lanes {
				if seen.Name == l.Name {
					l.Depth, l.AgeMS = max(l.Depth, seen.Depth), max(l.AgeMS, seen.AgeMS)
				}
			}
		}
		for _, h := range t.Renderers {
			if !h.Draining && h.Slots > 0 {
				l.Slots += name.Cap(h.Slots)
			}
		}
		for _, p := range used {
			if p.Key == poolcounter.Key(poolcounter.ClassLane, l.Name) {
				l.Running, l.Waiting = p.Holders, p.Waiters
			}
		}
		for _, rule := range t.Rules {
			if rule.Name == "lane:"+l.Name {
				l.Limit = rule.Workers
			}
		}
		_, l.Paused = directive.Find(t.Directives, directive.Pause, l.Name)
		t.Lanes = append(t.Lanes, l)
	}
}

func rule(v pools.RuleView) Rule {
	r := Rule{Name: v.Name, Limits: Limits{v.Workers, v.MaxQueue, v.Shadow}, Overridden: v.Overridden}
	for edge, declared := range v.Differing {
		if r.Differing == nil {
			r.Differing = map[string]Limits{}
		}
		r.Differing[edge] = Limits{declared.Workers, declared.MaxQueue, declared.Shadow}
	}
	return r
}

// addEdges adds the edges, and the failing originals that any of them knows.
func (r *Reporter) addEdges(t *Throttles, owners []pools.OwnerView) {
	latest := map[lease.Failing]lease.Failing{}
	for _, o := range owners {
		e := Edge{Name: o.Name, Connected: o.Connected, Leases: o.Leases, Waiting: o.Waiting}
		var status lease.Status
		if o.Status != "" && json.Unmarshal([]byte(o.Status), &status) == nil {
			for _, f := range status.Failing {
				of := f
				of.Failures, of.Last = 0, time.Time{} // edges look at different moments
				if known, ok := latest[of]; !ok || known.Last.Before(f.Last) {
					latest[of] = f
				}
			}
			status.Failing = nil
			e.Status = &status
		}
		t.Edges = append(t.Edges, e)
	}
	t.Failing = append(t.Failing, slices.Collect(maps.Values(latest))...)
	slices.SortFunc(t.Failing, func(a, b lease.Failing) int { return b.Last.Compare(a.Last) })
	t.Failing = t.Failing[:min(len(t.Failing), mostFailing)]
}
