package report

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/demand"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/coordinator/internal/requests"
	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type class = throttle.Name

// sources holds all sources of a reporter.
type sources struct {
	view       pools.View
	most       atomic.Int64 // the bound of pools in the last request
	classes    map[class]pools.Class
	renderers  []renderjob.Heartbeat
	directives []directive.Directive
	past       Past
}

func (s *sources) View(most int) pools.View {
	s.most.Store(int64(most))
	return s.view
}

func (s *sources) Counts() (pools.Counts, map[class]pools.Class, pools.Times) {
	return pools.Counts{}, s.classes, pools.Times{}
}

func (s *sources) Busiest(of class, what activity.Measure) []activity.Busy {
	return []activity.Busy{{Name: fmt.Sprint(of, " ", what), Count: 1}}
}

func (s *sources) Living() []renderjob.Heartbeat  { return s.renderers }
func (s *sources) Holding() []directive.Directive { return s.directives }
func (s *sources) Renderers() int                 { return 3 }
func (s *sources) Clients() []demand.Client {
	return []demand.Client{}
}

func (s *sources) OfClient(name string) []requests.Request {
	return []requests.Request{{Client: name}}
}

func (s *sources) OfOriginal(name string) []requests.Request {
	return []requests.Request{{Original: name}}
}

func (s *sources) reporter() *Reporter {
	return New(Config{s, s, s, s, s, s, s, s.past, slog.New(slog.DiscardHandler)})
}
func (s *sources) addEdge(name string, st any)      { s.addOwner(name, st, true) }
func (s *sources) addDisconnected(n string, st any) { s.addOwner(n, st, false) }

func (s *sources) addOwner(name string, status any, connected bool) {
	text, _ := json.Marshal(status)
	s.view.Owners = append(s.view.Owners, pools.OwnerView{Name: name, Connected: connected, Leases: 1, Waiting: 2, Status: string(text)})
}

func encode(t *testing.T, what any) string {
	t.Helper()
	text, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wantJSON(t *testing.T, what any, want string) {
	t.Helper()
	if got := encode(t, what); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Empty lists are [] and not null, for programs that read them.
func TestAnEmptyReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the fake clock starts in the year 2000
		r := (&sources{}).reporter().Throttles(0)
		r.Busiest = snapshot.Busiest{}
		wantJSON(t, r, `{"time":"2000-01-01T00:00:00Z","started":"2000-01-01T00:00:00Z","classes":{},"pools":[],"pools_omitted":0,"rules":[],`+
			`"busiest":{"clients":null,"originals":null,"refused_clients":null,"refused_originals":null,"costly_originals":null},"edges":[],"failing":[],`+
			`"requests_per_second":{},"refusals_per_second":{},"steps_ms":{},"lanes":[`+
			`{"name":"standard","depth":0,"age_ms":0,"slots":0,"running":0,"waiting":0,"limit":0,"paused":false,"behind":false},`+
			`{"name":"expensive","depth":0,"age_ms":0,"slots":0,"running":0,"waiting":0,"limit":0,"paused":false,"behind":false},`+
			`{"name":"bulk","depth":0,"age_ms":0,"slots":0,"running":0,"waiting":0,"limit":0,"paused":false,"behind":false}],`+
			`"renderers":[],"directives":[],"renderers_wanted":3,"latest":{"end":"0001-01-01T00:00:00Z","values":{}},"clients":[],`+
			`"state":{"severity":"critical","word":"Failing","sentence":"Serves 0 of 0 requests/s. No edge is connected to this coordinator."},`+
			`"speed":{"sentence":"","page":"edges"},"problems":[{"severity":"critical","sentence":"No edge is connected to this coordinator.","remedy":"start an edge, with this coordinator in its coordinator.servers","who":"","page":"edges","actions":[]}]}`)
	})
}

func TestPoolsRulesAndClasses(t *testing.T) {
	s := &sources{classes: map[class]pools.Class{"lane": {Holders: 1, Waiters: 2, Granted: 3, NearLimit: 4, Shadowed: 5, Full: 6, TimedOut: 7}}}
	s.view = pools.View{
		Pools:   []pools.PoolView{{Key: "lane:bulk", Class: "lane", Holders: 1, Waiters: 2, Limit: 3, MaxQueue: 4, OldestWait: 1500 * time.Millisecond, Shadow: true}},
		Omitted: 5,
		Rules: []pools.RuleView{
			{Name: "one", Workers: 1, MaxQueue: 2, Shadow: true, Directed: true},
			{Name: "two", Workers: 1, MaxQueue: 2, Differing: map[string]lease.Rule{"edge": {Name: "two", Workers: 3, MaxQueue: 4, Shadow: true}}},
		},
	}
	r := s.reporter().Throttles(7)
	if s.most.Load() != 7 || r.Omitted != 5 {
		t.Errorf("%d pools were asked for, %d are omitted", s.most.Load(), r.Omitted)
	}
	wantJSON(t, r.Pools, `[{"key":"lane:bulk","name":"lane:bulk","class":"lane","holders":1,"waiters":2,"limit":3,"max_queue":4,"oldest_wait_ms":1500,"shadow":true}]`)
	wantJSON(t, r.Rules, `[{"name":"one","workers":1,"max_queue":2,"shadow":true,"directed":true},`+
		`{"name":"two","workers":1,"max_queue":2,"shadow":false,"directed":false,"differing":{"edge":{"workers":3,"max_queue":4,"shadow":true}}}]`)
	wantJSON(t, r.Classes, `{"lane":{"holders":1,"waiters":2,"refused_full_total":6,"refused_timeout_total":7,"near_limit_total":4,"shadowed_total":5}}`)
	if b := r.Busiest; b.Clients[0] == b.Originals[0] || b.Clients[0] == b.RefusedClients[0] || b.Originals[0] == b.RefusedOriginals[0] {
		t.Errorf("%+v", b)
	}
}

// A lane has the depth that edges see, the slots of its renderers, its pool, its limit, and the pause
// of a directive.
func TestLanes(t *testing.T) {
	s := &sources{
		renderers:  []renderjob.Heartbeat{{Renderer: "a", Slots: 4}, {Renderer: "b", Slots: 3}, {Renderer: "c", Slots: 9, Draining: true}},
		directives: []directive.Directive{{ID: "1", Kind: directive.Pause, Target: "bulk"}},
	}
	s.view.Lanes = []pools.PoolView{{Key: "lane:bulk", Holders: 5, Waiters: 6}}
	s.view.Rules = []pools.RuleView{{Name: "lane:bulk", Workers: 7}, {Name: "lane:standard", Workers: 8}}
	s.addEdge("one", lease.Status{Lanes: []lease.Lane{{Name: "bulk", Depth: 10, AgeMS: 100}}})
	s.addEdge("two", lease.Status{Lanes: []lease.Lane{{Name: "bulk", Depth: 9, AgeMS: 200}, {Name: "standard", Depth: 1, AgeMS: 2}}})
	s.addDisconnected("gone", lease.Status{Lanes: []lease.Lane{{Name: "bulk", Depth: 1000, AgeMS: 1000}}})
	wantJSON(t, s.reporter().Throttles(0).Lanes, `[`+
		`{"name":"standard","depth":1,"age_ms":2,"slots":7,"running":0,"waiting":0,"limit":8,"paused":false,"behind":false},`+
		`{"name":"expensive","depth":0,"age_ms":0,"slots":3,"running":0,"waiting":0,"limit":0,"paused":false,"behind":false},`+
		`{"name":"bulk","depth":10,"age_ms":200,"slots":3,"running":5,"waiting":6,"limit":7,"paused":true,"behind":false}]`)
}

// The report has each failing original once, outside the edges, with the latest data of any edge.
func TestFailingOriginals(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	old := lease.Failing{Original: "c/x.tiff", Fault: "undecodable", Failures: 1, Last: at}
	recent := lease.Failing{Original: "c/x.tiff", Fault: "undecodable", Failures: 4, Last: at.Add(time.Minute)}
	other := lease.Failing{Original: "c/y.tiff", Fault: "undecodable", Failures: 2, Last: at.Add(2 * time.Minute)}
	s := &sources{}
	s.addEdge("a", lease.Status{Version: "v1", Failing: []lease.Failing{recent, other}})
	s.addEdge("b", lease.Status{Version: "v1", Failing: []lease.Failing{old}})
	s.view.Owners = append(s.view.Owners, pools.OwnerView{Name: "silent"}, pools.OwnerView{Name: "garbled", Status: "{"})
	r := s.reporter().Throttles(0)
	if !slices.Equal(r.Failing, []lease.Failing{other, recent}) {
		t.Errorf("%+v", r.Failing)
	}
	if e := r.Edges; len(e) != 4 || e[0].Status.Version != "v1" || e[0].Status.Failing != nil || e[0].Leases != 1 || e[0].Waiting != 2 || e[2].Status != nil || e[3].Status != nil {
		t.Errorf("%+v", e)
	}
	many := lease.Status{}
	for i := range mostFailing + 1 {
		many.Failing = append(many.Failing, lease.Failing{Original: fmt.Sprint(i), Last: at.Add(time.Duration(i))})
	}
	s.addEdge("many", many)
	if r := s.reporter().Throttles(0); len(r.Failing) != mostFailing {
		t.Errorf("%d failing originals", len(r.Failing))
	}
}
