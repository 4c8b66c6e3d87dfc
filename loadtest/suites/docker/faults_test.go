package docker

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
	"github.com/thumbmill/thumbmill/shared/deadline"
)

// fault is a fault of the site, and its budget.
type fault struct {
	name   string
	do     func(s *site)
	budget visitors.Budget
	short  bool // part of the short form
}

const (
	perSecond = 6.0
	before    = 2.0 // seconds of load answered before the fault
	after     = 4.0 // seconds of load answered after requests stop failing
)

// away is the budget while a part is away that renders or all requests need.
func away(within time.Duration, more ...int) visitors.Budget {
	return visitors.Budget{Answers: append(more, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout), Within: within}
}

func faults() (all []fault) {
	all = append(all,
		fault{name: "nothing", do: func(*site) { visitors.Lasts(2 * time.Second) }},
		fault{name: "each role is recreated in turn", do: roll("renderer", "edge-1", "edge-2", "coordinator-1", "coordinator-2", "purger"), short: true},
		fault{name: "NATS servers, memcached and Prometheus are recreated in turn", do: roll("nats-1", "nats-2", "nats-3", "memcached-1", "memcached-2", "prometheus")},
		fault{name: "renderers scale from 1 to 4 to 1", do: scale, short: true},
		fault{name: "a process of each role dies, and the engine restarts it", do: crash, short: true},
	)
	for _, s := range services() {
		all = append(all,
			fault{"docker kill " + s.name, kill(s.name), s.budget, s.short},
			fault{"docker pause " + s.name, pause(s.name), s.budget, false},
			fault{"docker network disconnect " + s.name, disconnect(s.name), s.cut, s.cutShort},
		)
	}
	return append(all, fault{name: "the renderers' disk is full", do: fill, budget: away(5 * time.Second), short: true})
}

// service is a service that faults break, with the budget while it is away, and while packets to it
// are lost.
type service struct {
	name            string
	budget, cut     visitors.Budget
	short, cutShort bool // parts of the short form
}

func services() []service {
	none := visitors.Budget{}
	return []service{
		{"edge-1", none, none, true, true},
		{"coordinator-1", none, none, false, false},
		{"renderer", none, none, false, true},
		{"nats-1", none, none, true, false},
		{"coordinator-2", none, none, false, false},
		{"edge-2", none, none, false, false},
		{"purger", none, none, false, false},
		{"nats-2", none, none, false, false},
		{"nats-3", none, none, false, false},
		{"memcached-1", none, none, false, false},
		{"memcached-2", none, none, false, false},
		{"prometheus", none, none, false, false},
		{"swift", away(15 * time.Second), away(15 * time.Second), false, false},
		{"front", away(5*time.Second, 0), away(5*time.Second, 0), false, false},
	}
}

// roll recreates containers in turn, as an upgrade does.
func roll(services ...string) func(*site) {
	return func(s *site) {
		for _, name := range services {
			s.up("--no-deps", "--force-recreate", name)
		}
	}
}

func scale(s *site) {
	for _, n := range []int{1, 4, 1, 2} {
		s.up("--no-deps", "--no-recreate", "--scale", fmt.Sprintf("renderer=%d", n), "renderer")
		if n == 4 {
			s.scraped(n)
		}
	}
	s.scraped(2)
}

// crash kills a process of each role, behind the engine's back. The edges need deadline.AckWait to notice that a renderer
// is dead which had jobs without the queue. An edge that dies before takes these jobs with it: their clients have their
// pictures, but the store does not.
func crash(s *site) {
	for _, name := range []string{"renderer", "edge-1", "coordinator-1"} {
		s.engine.run("kill", "-KILL", s.engine.docker("inspect", "--format", "{{.State.Pid}}", container(name)))
		visitors.Lasts(deadline.AckWait)
	}
}

func kill(name string) func(*site) {
	return func(s *site) {
		s.engine.docker("kill", container(name))
		visitors.Lasts(4 * time.Second)
		s.engine.docker("start", container(name))
	}
}

func pause(name string) func(*site) {
	return func(s *site) {
		s.engine.docker("pause", container(name))
		visitors.Lasts(8 * time.Second)
		s.engine.docker("unpause", container(name))
	}
}

func disconnect(name string) func(*site) {
	return func(s *site) {
		address := s.address(container(name))
		s.engine.docker("network", "disconnect", "thumbmill_default", container(name))
		visitors.Lasts(8 * time.Second)
		words := []string{"network", "connect", "--alias", name}
		if strings.HasPrefix(address, "10.87.53.1") && len(address) == len("10.87.53.1x") { // a fixed address
			words = append(words, "--ip", address)
		}
		s.engine.docker(append(words, "thumbmill_default", container(name))...)
	}
}

// fill fills the small disk of all renderers.
func fill(s *site) {
	renderer := container("renderer")
	s.engine.docker("exec", renderer, "sh", "-c", "dd if=/dev/zero of=/work/filler bs=1M 2>/dev/null || true") // until the disk is full
	visitors.Lasts(5 * time.Second)
	s.engine.docker("exec", renderer, "rm", "/work/filler")
}

// judgement is the table of results.
type judgement struct {
	out   strings.Builder
	table *tabwriter.Writer
}

// run causes the fault under load, and compares the failures with the budget.
func (j *judgement) run(t *testing.T, f fault, s *site, l *visitors.Load) {
	s.engine.t = t
	l.Use(t)
	l.Begin()
	l.AwaitAnswers(before, time.Now())
	f.do(s)
	ended := time.Now()
	l.AwaitAnswers(after, ended.Add(f.budget.Within))
	o := l.End()
	s.settled()
	if lost := l.Lost(); len(lost) > 0 && f.budget.Answers == nil {
		t.Errorf("%d rendered thumbnails are not stored: %v", len(lost), lost[:min(len(lost), 3)])
	}
	f.budget.Hold(t, o, ended)
	_, _ = fmt.Fprintf(j.table, "%s\t%d\t%d\t%.1f s\t%s\t%.1f s\t%v\t%v\n", f.name, o.Requests, o.Failed, o.Length.Seconds(), o.Kinds(),
		o.Slowest.Seconds(), f.budget, map[bool]string{true: "no", false: "yes"}[t.Failed()])
}

// breaks runs all faults if THUMBMILL_DOCKER is a file for the table, otherwise the short form.
// THUMBMILL_FAULT is a regular expression that selects faults.
func (s *site) breaks(t *testing.T) {
	file, only := os.Getenv("THUMBMILL_DOCKER"), regexp.MustCompile(os.Getenv("THUMBMILL_FAULT"))
	j := &judgement{}
	j.table = tabwriter.NewWriter(&j.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(j.table, "fault\trequests\tfailed\tfor\tanswers\tslowest\tbudget\tmet")
	s.engine.t = t
	l := s.visitors(perSecond)
	for _, f := range faults() {
		if only.MatchString(f.name) && (f.short || file != "1" || only.String() != "") {
			t.Run(f.name, func(t *testing.T) { j.run(t, f, s, l) })
		}
	}
	s.engine.t = t
	_ = j.table.Flush()
	t.Log("\n" + j.out.String())
	if file != "1" {
		if err := os.WriteFile(file, []byte(j.out.String()), 0o600); err != nil {
			t.Error(err)
		}
	}
}
