package problems

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/demand"
	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// values has the latest value of each series. began is the time from which on a series holds.
type values map[string]float64

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (v values) Since(series string, holds func(float64) bool) time.Time {
	if value, known := v[series]; known && holds(value) {
		return began
	}
	return time.Time{}
}

// Typical is a tenth of the latest value of a series that has one.
func (v values) Typical(series string) float64 {
	if value, known := v[series]; known {
		return value / 10
	}
	return unmeasured
}

// healthy is a cluster without problems.
func healthy() *snapshot.Throttles {
	return &snapshot.Throttles{
		Edges:     []snapshot.Edge{{Name: "edge-1", Connected: true, Status: &lease.Status{Asked: "c1:7531"}}},
		Renderers: []renderjob.Heartbeat{{Renderer: "r1"}},
		Rules:     []snapshot.Rule{{Name: "per-ip"}},
		Requests:  map[string]float64{"hit": 1990, "rendered": 10},
		Refusals:  map[string]float64{},
		Wanted:    1,
	}
}

// flooded has one client that takes most of the cluster.
func flooded() *snapshot.Throttles {
	t := healthy()
	t.Refusals["per-ip"], t.Requests["throttled"] = 4, 4
	t.Clients = []demand.Client{{
		Name: "192.0.2.7", Refused: 4, RefusedShare: 1, Asked: 9, WorkShare: .5, Since: began,
		By: map[throttle.Name]float64{throttle.PerIP: 3, throttle.Lane: 1},
	}}
	return t
}

// said writes problems, a line for each.
func said(all []snapshot.Problem) string {
	var lines []string
	for _, p := range all {
		line := fmt.Sprintf("%s %s %s [%s]", p.Severity, p.Page, p.Sentence, p.Who)
		for _, a := range p.Actions {
			line += fmt.Sprintf(" %s %s%s", a.Kind, a.Target, a.ID)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestProblems(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*snapshot.Throttles)
		want   string
	}{
		"none":                {func(*snapshot.Throttles) {}, ""},
		"no edge":             {func(t *snapshot.Throttles) { t.Edges, t.Renderers = nil, nil }, "critical edges No edge is connected to this coordinator. []"},
		"an edge asks nobody": {func(t *snapshot.Throttles) { t.Edges[0].Status.Asked = "" }, "critical coordinators No coordinator answers edge-1. [edge-1]"},
		"a breaker is open": {func(t *snapshot.Throttles) {
			t.Edges[0].Status.Breakers = map[string]string{"queue": "closed", "store": "open"}
		}, "critical edges edge-1 pauses calls to store, which fails (breaker open). [edge-1]"},
		"two coordinators": {func(t *snapshot.Throttles) {
			t.Edges = append(t.Edges, snapshot.Edge{Connected: true, Status: &lease.Status{Asked: "a:1"}})
		}, "critical coordinators Edges ask different coordinators (a:1, c1:7531): each enforces its limits alone. []"},
		"edges differ": {func(t *snapshot.Throttles) { t.Rules[0].Differing = map[string]snapshot.Limits{"edge-1": {}} }, "warning throttles Edges have different limits for per-ip; the lowest is in force. [per-ip]"},
		"lanes differ": {func(t *snapshot.Throttles) {
			t.Rules = []snapshot.Rule{{Name: "lane:bulk", Differing: map[string]snapshot.Limits{"edge-1": {}}}}
		}, ""},
		"no renderer":       {func(t *snapshot.Throttles) { t.Renderers = nil }, "critical renderers No renderer takes jobs: nothing new is rendered. []"},
		"too few renderers": {func(t *snapshot.Throttles) { t.Wanted = 3 }, "warning renderers The demand needs 3 renderers, and 1 takes jobs. []"},
		"a renderer drains": {func(t *snapshot.Throttles) {
			t.Renderers = append(t.Renderers, renderjob.Heartbeat{Renderer: "r2", Draining: true, Directed: true})
		}, "note renderers r2 drains: an operator told it to. [r2]"},
		"an original fails": {func(t *snapshot.Throttles) {
			t.Failing = []lease.Failing{{Original: "c/a.jpg", Fault: "undecodable", Failures: 2, Limit: 4}}
		}, "note originals c/a.jpg (undecodable) fails. 2 of 4 attempts; then refused. [c/a.jpg] clear c/a.jpg"},
		"originals are refused": {func(t *snapshot.Throttles) {
			t.Failing = []lease.Failing{{Original: "c/a.jpg", Fault: "lost", Again: began}, {Original: "c/b.jpg", Fault: "lost"}, {Original: "c"}}
		}, "note originals 3 originals fail: c/a.jpg (lost), c/b.jpg (lost) and 1 more. The latest: [c/a.jpg] clear c/a.jpg"},
		"failing is no more": {func(t *snapshot.Throttles) { t.Refusals["failure"] = 9 }, ""},
		"an old job": {func(t *snapshot.Throttles) {
			t.Lanes = []snapshot.Lane{{Name: "standard", AgeMS: 2001}, {Name: "bulk", AgeMS: 999_999}, {Name: "expensive", AgeMS: 2000}}
		}, "warning lanes The lane standard is behind: its oldest job is 2.0 s old. [standard]"},
		"a full lane": {func(t *snapshot.Throttles) {
			t.Refusals["lane"] = 1
			t.Lanes = []snapshot.Lane{{Name: "standard", Waiting: 1, Running: 6, Limit: 6}}
		}, "warning throttles lane refuses 1.0 requests/s. All renderers are busy. [lane]\nwarning lanes The lane standard is behind: 1 request in line for 6 places. [standard]"},
		"a lack of renderers": {func(t *snapshot.Throttles) { t.Refusals["lane"] = 1234 }, "critical throttles lane refuses 1,234 requests/s. All renderers are busy. [lane]"},
		"a pause": {func(t *snapshot.Throttles) {
			t.Refusals["lane"] = 500
			t.Lanes = []snapshot.Lane{{Name: "bulk", Paused: true}}
			t.Directives = []directive.Directive{{ID: "#1", Kind: directive.Pause, Target: "bulk", Who: "ann", Why: "a test"}}
		}, "warning throttles lane refuses 500 requests/s. Operators paused bulk. [lane]\nwarning actions The lane bulk is paused by ann: a test. [bulk] pause bulk#1"},
		"an original is popular": {func(t *snapshot.Throttles) {
			t.Refusals["per-original"] = 0.05
			t.Busiest.RefusedOriginals = []activity.Busy{{Name: "x.jpg", By: "lane:standard"}, {Name: "c%2Fa.jpg", By: "per-original"}}
		}, "warning throttles per-original refuses <0.1 requests/s, most of all c/a.jpg. One original is rendered in more sizes at once than throttle.per_original allows. [per-original]"},
		"an edge is alone": {func(t *snapshot.Throttles) { t.Refusals["local"] = 20 }, "critical throttles local refuses 20 requests/s. No coordinator answers, and the edge has reached its own limit. [local]"},
	} {
		t.Run(name, func(t *testing.T) {
			r := healthy()
			c.change(r)
			Describe(r, values{})
			if got := said(r.Problems); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAClientThatStandsOut(t *testing.T) {
	const sentence = "192.0.2.7 has 100 % of all refusals (4.0/s, by per-ip, lane) and takes 50 % of the renderers’ time"
	const actions = " block 192.0.2.7 limit per-ip:192.0.2.7/32 exempt 192.0.2.7"
	r := flooded()
	r.Lanes = []snapshot.Lane{{Name: "standard", AgeMS: 5000}}
	Describe(r, values{})
	// The client explains the refusals, and the lane's old job is no lack of renderers.
	want := "warning clients/192.0.2.7 " + sentence + ". [192.0.2.7]" + actions + "\nnote lanes The lane standard is behind: its oldest job is 5.0 s old. [standard]"
	if got := said(r.Problems); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if p := r.Problems[0]; !p.Since.Equal(began) || p.Actions[0].Why != "it "+strings.TrimPrefix(sentence, "192.0.2.7 ") || p.Actions[1].Why != p.Actions[0].Why || p.Actions[2].Why != "" {
		t.Errorf("%+v", p)
	}
	// The refusals of others' failing originals are not the client's.
	r = flooded()
	r.Refusals["failure"] = 1
	if Describe(r, values{}); r.Clients[0].RefusedShare != .8 || !strings.Contains(r.Clients[0].Takes, "has 80 % of all refusals (4.0/s") || !strings.Contains(r.State.Sentence, "causes 80 % of refusals; others have 20 %") {
		t.Error(r.Clients[0].RefusedShare, r.Clients[0].Takes, r.State.Sentence)
	}
	// With nearly all refusals, the client explains a full lane too, also when its renders are short.
	r = flooded()
	r.Clients[0].WorkShare = .2
	r.Lanes = []snapshot.Lane{{Name: "standard", AgeMS: 5000}}
	if Describe(r, values{}); !strings.Contains(said(r.Problems), "note lanes The lane standard is behind") {
		t.Error(said(r.Problems))
	}
	for name, change := range map[string]func(*snapshot.Throttles){
		"few refusals":  func(t *snapshot.Throttles) { t.Clients[0].Refused, t.Clients[0].Asked = .4, 1 },
		"a small share": func(t *snapshot.Throttles) { t.Clients[0].RefusedShare, t.Clients[0].WorkShare = .2, .4 },
		"blocked already": func(t *snapshot.Throttles) {
			t.Directives = []directive.Directive{{Kind: directive.Block, Target: "192.0.2.0/24"}}
		},
	} {
		r := flooded()
		change(r)
		Describe(r, values{})
		if got := said(r.Problems); strings.Contains(got, "clients/") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Only a client whose name is a network can be blocked.
func TestActionsAgainstClients(t *testing.T) {
	for name, want := range map[string]string{
		"exempt 10.1.1.1": "block 10.1.1.1 exempt 10.1.1.1", "2001%3Adb8%3A%3A%2F64": "block 2001:db8::/64 limit per-ip:2001:db8::/64 exempt 2001:db8::/64", "exempt nobody": "",
	} {
		r := flooded()
		r.Clients[0].Name = name
		Describe(r, values{})
		if _, got, _ := strings.Cut(said(r.Problems), "] "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestTakes(t *testing.T) {
	if got := takes(healthy(), demand.Client{Asked: .25}); got != "asks for 0.2 renders/s" {
		t.Error(got)
	}
}

func TestTheBeginningOfAProblem(t *testing.T) {
	r := healthy()
	r.Wanted = 3
	r.Refusals["per-original"] = 1
	Describe(r, values{"wanted": 3, "refuse per-original": 0})
	if r.Problems[0].Since != began || !r.Problems[1].Since.IsZero() {
		t.Errorf("%+v", r.Problems)
	}
}

func TestTheStateIsOneSentence(t *testing.T) {
	busy := healthy()
	busy.Refusals["per-original"], busy.Requests["throttled"] = 40, 40
	alone := healthy()
	alone.Edges[0].Status.Asked = ""
	for want, r := range map[string]*snapshot.Throttles{
		"good Healthy: Serves 2,000 of 2,000 requests/s; 1 renderer, 1 wanted.":                                        healthy(),
		"warning One client: Serves 2,000 of 2,004 requests/s. 192.0.2.7 causes 100 % of refusals; others are served.": flooded(),
		"warning Strained: Serves 2,000 of 2,040 requests/s, refuses 40.":                                              busy,
		"critical Failing: Serves 2,000 of 2,000 requests/s. No coordinator answers edge-1.":                           alone,
	} {
		Describe(r, values{})
		if got := fmt.Sprintf("%s %s: %s", r.State.Severity, r.State.Word, r.State.Sentence); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestSpans(t *testing.T) {
	for want, d := range map[string]time.Duration{"2.5 s": 2500 * time.Millisecond, "45 s": 45 * time.Second, "5 min": 5 * time.Minute, "2.0 h": 2 * time.Hour} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
