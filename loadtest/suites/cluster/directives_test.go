package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// operator sends a request to a coordinator's API.
func operator(t *testing.T, co *coordinator.Coordinator, method, path string, body any) (int, string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	co.API().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(text)))
	return w.Code, w.Body.String()
}

func give(t *testing.T, co *coordinator.Coordinator, kind directive.Kind, target string, more map[string]any) directive.Directive {
	t.Helper()
	wish := map[string]any{"kind": kind, "target": target, "hold": "1h", "who": "ann", "why": "a test"}
	for name, value := range more {
		wish[name] = value
	}
	status, text := operator(t, co, http.MethodPost, "/api/v1/directives", wish)
	var d directive.Directive
	if err := json.Unmarshal([]byte(text), &d); status != http.StatusOK || err != nil {
		t.Fatalf("%d %s", status, text)
	}
	return d
}

func withdraw(t *testing.T, co *coordinator.Coordinator, d directive.Directive) {
	t.Helper()
	if status, text := operator(t, co, http.MethodDelete, "/api/v1/directives/"+d.ID+"?who=bob", nil); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
}

func reportOf(t *testing.T, co *coordinator.Coordinator) (r coordinator.Throttles) {
	t.Helper()
	_, text := operator(t, co, http.MethodGet, "/api/v1/throttles", nil)
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func statusOf(c *Cluster, e *Edge, path, client string) int {
	return c.Get(context.Background(), e, path, client).Status
}

// A directive at one coordinator applies on all edges. It ends there when an operator withdraws it
// at another coordinator.
func TestDirectivesReachEveryEdge(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Edges: 2, Coordinators: 2})
	landscape(c, "a.jpg")
	first, second := c.Coordinators[0], c.Coordinators[1]
	everywhere := func(what, path, client string, status int) {
		t.Helper()
		for _, e := range c.Edges {
			Eventually(t, what, func() bool { return statusOf(c, e, path, client) == status })
		}
	}
	block := give(t, first, directive.Block, "192.0.2.0/24", nil)
	everywhere("a network is kept out", "/unsafe/60x/a.jpg", "192.0.2.7", http.StatusForbidden)
	everywhere("others are served", "/unsafe/60x/a.jpg", "198.51.100.7", http.StatusOK)
	Eventually(t, "the other coordinator knows the block", func() bool { return len(reportOf(t, second).Directives) == 1 })
	withdraw(t, second, block)
	everywhere("the network is served again", "/unsafe/60x/a.jpg", "192.0.2.7", http.StatusOK)

	pause := give(t, second, directive.Pause, "standard", nil)
	everywhere("a lane pauses, stored thumbnails are served", "/unsafe/60x/a.jpg", alice, http.StatusOK)
	width := 60
	anew := func(what string, status int) { // thumbnails that were rendered before the edge knew the pause are served
		t.Helper()
		for _, e := range c.Edges {
			Eventually(t, what, func() bool {
				width++
				return statusOf(c, e, fmt.Sprintf("/unsafe/%dx/a.jpg", width), alice) == status
			})
		}
	}
	anew("nothing new is rendered", http.StatusServiceUnavailable)
	Eventually(t, "the other coordinator knows the pause", func() bool { return len(reportOf(t, first).Directives) == 1 })
	withdraw(t, first, pause)
	anew("the lane goes on", http.StatusOK)
}

func TestAnotherLimitForATime(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	co := c.Coordinators[0]
	limit := func(name string) coordinator.Rule { return ruleOf(t, co, name) }
	Eventually(t, "the edge has told its rules", func() bool { return limit("per-original").Workers > 0 })
	before := limit("per-original")
	d := give(t, co, directive.Limit, "per-original", map[string]any{"workers": 1, "max_queue": 1})
	if now := limit("per-original"); now.Workers != 1 || now.MaxQueue != 1 || !now.Directed {
		t.Errorf("%+v", now)
	}
	held := c.Hooks.Hold()
	waiting := c.Go(t.Context(), c.Edges[0], "/unsafe/60x/a.jpg", alice)
	Eventually(t, "one renders", func() bool { return c.Edges[0].OpenJobs() == 1 })
	c.Get(t.Context(), c.Edges[0], "/unsafe/62x/a.jpg", bob).Wants(t, http.StatusTooManyRequests)
	held()
	(<-waiting).Wants(t, http.StatusOK)
	withdraw(t, co, d)
	if now := limit("per-original"); now.Workers != before.Workers || now.MaxQueue != before.MaxQueue || now.Directed {
		t.Errorf("%+v, before %+v", now, before)
	}
	if status, text := operator(t, co, http.MethodPost, "/api/v1/directives", map[string]any{
		"kind": "limit", "target": "orginal", "workers": 1, "hold": "1h", "who": "ann", "why": "a typo",
	}); status != http.StatusBadRequest || !strings.Contains(text, "orginal") {
		t.Errorf("%d %s", status, text)
	}
}

// A limit for one client leaves the others as they were.
func TestALimitForOneClient(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Edges: 2, Settings: func(s *settings.Settings) { s.Renderer.Slots = 8 }})
	landscape(c, "a.jpg")
	co := c.Coordinators[0]
	d := give(t, co, directive.Limit, "per_ip:"+alice, map[string]any{"workers": 1, "max_queue": 1})
	held := c.Hooks.Hold()
	width := 60
	next := func() string { width++; return fmt.Sprintf("/unsafe/%dx/a.jpg", width) }
	first := c.Go(t.Context(), c.Edges[0], next(), alice)
	Eventually(t, "one renders", func() bool { return c.Edges[0].OpenJobs() == 1 })
	for _, e := range c.Edges {
		Eventually(t, "the second request of the client is refused", func() bool {
			ctx, leave := context.WithTimeout(t.Context(), 200*time.Millisecond) // it renders as long as the edge does not know the limit
			defer leave()
			return c.Get(ctx, e, next(), alice).Status == http.StatusTooManyRequests
		})
	}
	if r := ruleOf(t, co, "per-ip:"+alice+"/32"); r.Workers != 1 || !r.Directed || d.Target != r.Name {
		t.Errorf("%+v of %+v", r, d)
	}
	open := c.Edges[0].OpenJobs() // the ones that the client left are among them
	others := []<-chan Answer{c.Go(t.Context(), c.Edges[0], next(), bob), c.Go(t.Context(), c.Edges[0], next(), bob)}
	Eventually(t, "two of another client render", func() bool { return c.Edges[0].OpenJobs() == open+2 })
	held()
	for _, answer := range append(others, first) {
		(<-answer).Wants(t, http.StatusOK)
	}
	withdraw(t, co, d)
	if r := ruleOf(t, co, d.Target); r.Name != "" {
		t.Errorf("left: %+v", r)
	}
}

// ruleOf returns a rule in force.
func ruleOf(t *testing.T, co *coordinator.Coordinator, name string) (found coordinator.Rule) {
	t.Helper()
	for _, r := range reportOf(t, co).Rules {
		if r.Name == name {
			found = r
		}
	}
	return found
}

// A renderer drains and continues. Meanwhile other renderers get its jobs.
func TestARendererDrainsAsAnOperatorWants(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Renderers: 2})
	landscape(c, "a.jpg")
	co, name := c.Coordinators[0], c.Renderers[0].Name()
	drains := func() (draining, known bool) {
		for _, h := range reportOf(t, co).Renderers {
			if h.Renderer == name {
				return h.Draining && h.Directed, true
			}
		}
		return false, false
	}
	Eventually(t, "the coordinator knows both", func() bool { return len(reportOf(t, co).Renderers) == 2 })
	d := give(t, co, directive.Drain, name, nil)
	Eventually(t, "the renderer drains", func() bool { draining, _ := drains(); return draining })
	for i := range 6 {
		answer := c.Get(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/%dx/a.jpg", 60+i), alice)
		answer.Wants(t, http.StatusOK)
		if c.Renderers[0].InHand() > 0 {
			t.Error("the draining renderer took a job")
		}
	}
	withdraw(t, co, d)
	Eventually(t, "the renderer takes jobs again", func() bool { draining, known := drains(); return known && !draining })
}

// A new coordinator learns earlier directives from the edges.
func TestDirectivesOutliveACoordinator(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	give(t, c.Coordinators[0], directive.Block, "2001:db8::/48", nil)
	blocked := func() bool {
		return statusOf(c, c.Edges[0], "/unsafe/60x/a.jpg", "2001:db8:0:7::1") == http.StatusForbidden
	}
	Eventually(t, "the network is kept out", blocked)
	c.Settings.Coordinator.Listen = []string{c.Coordinators[0].Addr()}
	c.must(c.Coordinators[0].Stop(t.Context()))
	anew := c.AddCoordinator()
	Eventually(t, "the new coordinator knows the block", func() bool { return len(reportOf(t, anew).Directives) == 1 })
	if !blocked() {
		t.Error("the block was forgotten")
	}
}

func TestAnExemptionAndForgottenFailures(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	c.Original("bad.jpg", []byte("no picture"), nil)
	co := c.Coordinators[0]
	// Only an engine's failures count: without a known renderer, an edge has no failures.
	Eventually(t, "the edge knows the renderer", func() bool { return c.LaneWorkers(renderjob.LaneStandard) == 2 })
	give(t, co, directive.Exempt, "203.0.113.9", nil)
	for range c.Settings.Throttle.Failure.Max {
		c.Get(t.Context(), c.Edges[0], "/unsafe/60x/bad.jpg", "203.0.113.9").Wants(t, http.StatusUnprocessableEntity)
	}
	c.Get(t.Context(), c.Edges[0], "/unsafe/60x/bad.jpg", "203.0.113.9").Wants(t, http.StatusTooManyRequests)
	if n := c.Edges[0].Metric(t, "thumbmill_throttle_decisions_total", "throttle", "per-ip", "decision", "exempt"); n == 0 {
		t.Error("per-ip counted an exempt network")
	}
	Eventually(t, "the report names the original", func() bool { return len(reportOf(t, co).Failing) == 1 })
	give(t, co, directive.Clear, reportOf(t, co).Failing[0].Original, nil)
	Eventually(t, "the original is tried again", func() bool {
		return statusOf(c, c.Edges[0], "/unsafe/60x/bad.jpg", "203.0.113.9") == http.StatusUnprocessableEntity
	})
}

// The report has the rates of requests, and the waiting jobs.
func TestTheReportTellsOfRequestsAndLanes(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	landscape(c, "b.jpg")
	co := c.Coordinators[0]
	Eventually(t, "the report has rates, lanes and renderers", func() bool {
		c.Get(t.Context(), c.Edges[0], "/unsafe/60x/a.jpg", alice).Wants(t, http.StatusOK)
		r := reportOf(t, co)
		return r.Requests["hit"] > 0 && len(r.Lanes) == 3 && r.Lanes[0].Slots == 1 && len(r.Renderers) == 1 && r.Renderers[0].Build != ""
	})
	held := c.Hooks.Hold()
	defer held()
	waiting := c.Go(t.Context(), c.Edges[0], "/unsafe/80x/b.jpg", alice)
	Eventually(t, "the report shows the lane's job", func() bool {
		l := reportOf(t, co).Lanes[0]
		return l.Depth == 1 && l.AgeMS > 0 && l.Running == 1
	})
	held()
	(<-waiting).Wants(t, http.StatusOK)
}
