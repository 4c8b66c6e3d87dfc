package faults

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/thumbmill/thumbmill/deploy/credentials"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

// fault is a fault of the site, and its budget.
type fault struct {
	name string
	do   func(s *site)
	// answers has the statuses of allowed failures; nil means that no request may fail.
	answers []int
	// within is the time after the fault's end in which requests may still fail.
	within time.Duration
	// limits is the allowed multiple of a client's limit; 0 means 1. While leases move from a
	// coordinator or an edge it is 2, as PROTOCOL.md says.
	limits int
	short  bool // part of the short form
	fills  bool // needs a file system to fill
	traces bool // needs strace
}

// anyMany is for edges without a coordinator: they only limit all clients together.
const anyMany = -1

// The requests that a fault is judged by, in seconds of load.
const (
	before  = 2.0 // answered before the fault
	between = 1.0 // answered between two steps of a fault
	after   = 4.0 // answered after requests stop failing
	fewest  = 2.5 // sent at least
)

// nothing is the run without a fault.
func nothing(*site) { visitors.Lasts(2 * time.Second) }

func all() []fault {
	refusal := []int{http.StatusServiceUnavailable}
	away := []int{http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout}
	return slices.Concat(
		[]fault{
			{name: "nothing", do: nothing},
			{name: "renderers restart in turn", do: restart(renderersOf()), short: true},
			{name: "edges restart in turn", do: restart(edgesOf())},
			{name: "coordinators restart in turn", do: restart(coordinatorsOf()), limits: 2},
			{name: "NATS servers restart in turn", do: restart(natsOf())},
			{name: "a renderer is killed", do: kill("renderer-1"), short: true},
			{name: "an edge is killed", do: kill("edge-1"), limits: 2},
			{name: "the coordinator that is asked is killed", do: kill("coordinator-1"), limits: 2, short: true},
			{name: "one NATS server of three, that leads, is killed", do: func(s *site) { kill(s.leader())(s) }, short: true},
			{name: "all of memcached is killed", do: kill(memcachedOf()...)},
			{name: "a renderer is held for 15 s", do: hold("renderer-1", 15*time.Second)},
			{name: "an edge is held for 5 s", do: hold("edge-1", 5*time.Second), limits: 2},
			{name: "the coordinator that is asked is held for 5 s", do: hold("coordinator-1", 5*time.Second), limits: 2},
			{name: "the NATS server that leads is held for 10 s", do: func(s *site) { s.parts[s.leader()].hold(10 * time.Second) }, answers: refusal, within: 5 * time.Second},
			{name: "memcached is held for 5 s", do: hold("memcached-1", 5*time.Second)},
			{name: "all NATS servers are killed at once", do: kill(natsOf()...), answers: refusal, within: 15 * time.Second},
			{name: "everything is killed at once", do: killAll, limits: anyMany, answers: []int{0, 502, 503, 504}, within: 15 * time.Second},
		},
		cuts(),
		[]fault{
			{name: "no network between the NATS server that leads and the others for 10s", do: part, answers: refusal, within: 15 * time.Second},
			{name: "Swift answers after 2 s", do: swiftDoes(wire.Slow(2*time.Second), 8*time.Second)},
			{name: "Swift answers 503", do: swiftDoes(wire.Answer(http.StatusServiceUnavailable), 8*time.Second), answers: away, within: 5 * time.Second},
			{name: "Swift does not answer", do: swiftDoes(blackHole, 20*time.Second), answers: away, within: 15 * time.Second},
			{name: "Swift forgets all tokens", do: func(s *site) { s.swift.ForgetTokens() }},
			{name: "NATS' credentials are replaced and the old ones revoked", do: rotate},
			{name: "the renderers' disk is full for 5 s", do: fillDisk, fills: true, answers: away, within: 5 * time.Second},
			{name: "JetStream's disks are full for 5 s", do: fullQueue(nothing), fills: true},
			{name: "JetStream's disks are full while edges restart in turn", do: fullQueue(restart(edgesOf())), fills: true},
			{name: "JetStream's disks are full while the NATS server that leads is killed", do: leaderDiesOfAFullDisk, fills: true},
			{name: "a flood of 404s, five times the load", do: flood},
		},
	)
}

func restart(names []string) func(*site) {
	return func(s *site) {
		for _, name := range names {
			s.parts[name].restart()
			s.load.AwaitAnswers(between, time.Now())
		}
	}
}

func kill(names ...string) func(*site) {
	return func(s *site) {
		for _, name := range names {
			s.parts[name].kill()
		}
		visitors.Lasts(3 * time.Second)
		for _, name := range names {
			s.parts[name].launch()
		}
		s.relaunched = time.Now()
		for _, name := range names {
			s.parts[name].await()
		}
	}
}

func killAll(s *site) {
	for _, p := range s.parts {
		p.kill()
	}
	s.startAll()
}

func hold(name string, d time.Duration) func(*site) {
	return func(s *site) { s.parts[name].hold(d) }
}

func cuts() (all []fault) {
	for _, c := range []struct {
		from string
		to   []string
		time time.Duration
	}{
		{"edge-1", natsOf(), 8 * time.Second}, {"edge-1", natsOf()[:1], 8 * time.Second}, {"edge-1", coordinatorsOf(), 8 * time.Second},
		{"edge-1", coordinatorsOf()[:1], 5 * time.Second}, {"edge-1", memcachedOf(), 5 * time.Second}, {"edge-1", []string{"swift"}, 10 * time.Second},
		{"renderer-1", natsOf(), 15 * time.Second}, {"renderer-1", natsOf()[:1], 8 * time.Second}, {"renderer-1", []string{"swift"}, 10 * time.Second},
	} {
		all = append(all, cut(c.from, c.to, c.time))
	}
	return all
}

// cut cuts the network between two parts. All packets are lost, as with a dead switch.
func cut(from string, to []string, d time.Duration) fault {
	f := fault{name: fmt.Sprintf("no network between %s and %s for %v", from, strings.Join(to, ", "), d), do: func(s *site) {
		var links []*wire.Link
		for _, name := range to {
			links = append(links, s.links[from+" "+name])
		}
		freeze(links, d)
	}}
	switch {
	case slices.Equal(to, coordinatorsOf()):
		f.limits = anyMany
	case slices.Contains(to, "coordinator-1"):
		f.limits = 2
	}
	if slices.Contains(to, "swift") || len(to) == len(natsOf()) && from == "edge-1" {
		f.answers, f.within = []int{http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout}, 15*time.Second
	}
	return f
}

// part separates the leading NATS server from the other servers. Roles still reach all of them.
func part(s *site) {
	leads := s.leader()
	var links []*wire.Link
	for _, other := range natsOf() {
		if other != leads {
			links = append(links, s.links[leads+" "+other], s.links[other+" "+leads])
		}
	}
	freeze(links, 10*time.Second)
}

func freeze(links []*wire.Link, d time.Duration) {
	for _, l := range links {
		l.Freeze()
	}
	visitors.Lasts(d)
	for _, l := range links {
		l.Thaw()
	}
}

func everything(*http.Request) bool { return true }

func swiftDoes(what wire.Disturbance, d time.Duration) func(*site) {
	return func(s *site) {
		s.backend.Do(everything, what)
		visitors.Lasts(d)
		s.backend.Undo()
	}
}

// blackHole reads a request, and does not answer.
func blackHole(_ http.ResponseWriter, r *http.Request, _ func(func(*http.Response) error)) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func rotate(s *site) {
	// Credentials have the second of their making, which is long before this fault.
	if err := credentials.Write(s.path("nats"), credentials.Options{Revoke: true}); err != nil {
		s.t.Error(err)
	}
	for _, name := range natsOf() {
		if out, err := exec.Command(s.nats, "--signal", fmt.Sprintf("reload=%d", s.parts[name].cmd.Process.Pid)).CombinedOutput(); err != nil {
			s.t.Errorf("%v %s", err, out)
		}
		s.load.AwaitAnswers(between, time.Now())
	}
}

// flood is like Wikimedia's flood of May 2020: most requests are for originals that do not exist.
func flood(s *site) {
	l := s.visitors(0) // without Begin: only for its Ask
	var group sync.WaitGroup
	const number, each = 300, 17 * time.Millisecond
	refused := make(chan visitors.Answer, number)
	ctx, enough := context.WithCancel(s.t.Context())
	defer enough()
	i := 0
	periodic.Do(ctx, each, func(context.Context) {
		path, client := s.signer().Sign(fmt.Sprintf("100x/absent/%d.jpg", i)), fmt.Sprintf("10.2.%d.%d", i/200, i%200)
		group.Go(func() { refused <- l.Ask(path, client, time.Now()) })
		if i++; i == number {
			enough()
		}
	})
	group.Wait()
	close(refused)
	others := map[int]int{}
	for a := range refused {
		others[a.Status]++
	}
	if others[http.StatusNotFound]+others[http.StatusTooManyRequests] < number {
		s.t.Errorf("the answers for absent originals are %v", others)
	}
}

// earlier is the commit of a version in which edges did not see each other's stalls.
const earlier = "ee78bfc"

// upgrade replaces each role by this version in turn, while the others still have the earlier one.
// Renderers come first, because older renderers leave jobs of newer edges to newer renderers.
func upgrade(s *site) {
	for _, name := range slices.Concat(renderersOf(), edgesOf(), coordinatorsOf()) {
		role, _, _ := strings.Cut(name, "-")
		s.parts[name].command[0] = filepath.Join(s.binaries, role)
		s.parts[name].restart()
		s.load.AwaitAnswers(between, time.Now())
	}
}

// sitePlan is a site and its faults.
type sitePlan struct {
	variant variant
	faults  []fault
}

func plan() []sitePlan {
	return []sitePlan{
		{variant{}, all()},
		{variant{name: "poolcounterd", classic: true}, []fault{
			{name: "nothing", do: nothing},
			{name: "edges restart in turn", do: restart(edgesOf())},
			{name: "a renderer is killed", do: kill("renderer-1")},
			cut("edge-1", coordinatorsOf()[:1], 5*time.Second),
		}},
		{variant{name: "clocks", clocks: true}, []fault{
			clock("edge-1", 5*time.Minute), clock("edge-1", -5*time.Minute), clock("renderer-1", 5*time.Minute),
			clock("renderer-1", -5*time.Minute), clock("coordinator-1", 5*time.Minute), clock("coordinator-1", -5*time.Minute),
		}},
		{variant{name: "slow disks", slow: true}, []fault{
			{name: "JetStream's disks take 0.3 s for each write while NATS servers restart in turn", do: slowQueue(restart(natsOf()))},
			{name: "JetStream's disks take 0.3 s for each write while the NATS server that leads restarts", do: slowQueue(restartLeader)},
			{name: "a NATS server is killed in the middle of its writes", do: killNATSAtWrites, traces: true},
		}},
		{variant{name: "folder", folder: true}, []fault{
			{name: "a renderer is killed in the middle of the writes of a thumbnail", do: killRendererAtWrites, traces: true},
		}},
		{variant{name: "rolling upgrade", earlier: earlier}, []fault{{name: "every role is rolled from " + earlier + " to this version", do: upgrade, limits: 2}}},
	}
}

// TestFaults runs all faults if THUMBMILL_FAULTS names a file for the table, otherwise the short
// form.
func TestFaults(t *testing.T) {
	j := &judgement{file: os.Getenv("THUMBMILL_FAULTS"), only: regexp.MustCompile(os.Getenv("THUMBMILL_FAULT"))}
	j.table = tabwriter.NewWriter(&j.out, 0, 0, 2, ' ', 0)
	j.row("site", "fault", "at once", "requests", "failed", "for", "answers", "slowest", "budget", "met")
	for _, p := range plan() {
		faults := slices.DeleteFunc(p.faults, j.leavesOut)
		if len(faults) == 0 {
			continue
		}
		j.tried += len(faults)
		name := p.variant.name
		if name == "" {
			name = "whole"
		}
		t.Run(name, func(t *testing.T) {
			s := startSite(t, p.variant)
			l := s.visitors(j.perSecond())
			s.load = l
			for _, f := range faults {
				t.Run(f.name, func(t *testing.T) { j.run(t, name, f, s, l) })
			}
			s.use(t)
		})
	}
	_ = j.table.Flush()
	_, _ = fmt.Fprintf(&j.out, "budgets met: %d of %d\n", j.met, j.tried)
	if j.file != "" && j.met < j.tried && !t.Failed() {
		t.Error("some faults were skipped or exceeded their budget")
	}
	t.Log("\n" + j.out.String())
	if j.file != "" {
		if err := os.WriteFile(j.file, []byte(j.out.String()), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// judgement is the table of results.
type judgement struct {
	file       string
	only       *regexp.Regexp // faults to run; empty means all
	out        strings.Builder
	table      *tabwriter.Writer
	met, tried int
}

func (j *judgement) leavesOut(f fault) bool {
	return j.file == "" && j.only.String() == "" && !f.short || !j.only.MatchString(f.name)
}

// perSecond returns the requests per second. The short form shares the machine, and half of its
// requests need a render.
func (j *judgement) perSecond() float64 {
	if j.file == "" {
		return 6
	}
	return 12
}

func (j *judgement) row(cells ...any) {
	for i, c := range cells {
		_, _ = fmt.Fprint(j.table, map[bool]string{true: "", false: "\t"}[i == 0], c)
	}
	_, _ = fmt.Fprintln(j.table)
}

// run causes the fault under load, and compares the failures with the budget.
func (j *judgement) run(t *testing.T, site string, f fault, s *site, l *visitors.Load) {
	s.use(t)
	if f.fills && !s.small {
		t.Skip("there is no small file system to fill")
	}
	if _, err := exec.LookPath("strace"); f.traces && err != nil {
		t.Skip("strace is not installed: run `make deps`")
	}
	l.Begin()
	s.greedy.begin()
	l.AwaitAnswers(before, time.Now())
	began := time.Now()
	f.do(s)
	ended := time.Now()
	if s.relaunched.After(began) {
		ended = s.relaunched
	}
	l.AwaitAnswers(after, ended.Add(f.within))
	most, o := s.greedy.end(), l.End()
	s.settled()
	held(t, most, cmp.Or(f.limits, 1))
	if lost := l.Lost(); len(lost) > 0 && f.answers == nil {
		t.Errorf("%d rendered thumbnails are not stored: %v", len(lost), lost[:min(len(lost), 3)])
	}
	if float64(o.Requests) < fewest*j.perSecond() {
		t.Errorf("only %d requests were sent", o.Requests)
	}
	budget := visitors.Budget{Answers: f.answers, Within: f.within}
	budget.Hold(t, o, ended)
	if !t.Failed() {
		j.met++
	}
	j.row(site, f.name, most, o.Requests, o.Failed, fmt.Sprintf("%.1f s", o.Length.Seconds()), o.Kinds(),
		fmt.Sprintf("%.1f s", o.Slowest.Seconds()), budget, map[bool]string{true: "no", false: "yes"}[t.Failed()])
}
