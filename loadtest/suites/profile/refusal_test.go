package profile

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
)

// refusalSteps returns the steps of a refusal at once, in their order.
func refusalSteps() []step {
	return []step{
		{"wait for the request, and read it", []string{"edge/internal/front.(*gathering).Read"}},
		{"read its head", []string{"edge/internal/front.(*gathering).follow", "edge/internal/front.plainHead", "edge/internal/front.(*head)"}},
		{"find its client, and begin", []string{"edge/internal/web.(*exchange).begin", "edge/internal/web.(*Handler)", "edge/internal/web.(*exchange).checkHost", "edge/internal/front.(*quick)"}},
		{"read the URL", []string{"edge/internal/web.(*exchange).parse"}},
		{"look for the thumbnail", []string{"edge/internal/web.(*exchange).atHand"}},
		{"admission: find no room", []string{"edge/internal/web.(*exchange).refuseAtOnce"}},
		{"admission: report to the coordinator", []string{"edge/internal/admission.(*Admitter).TurnAway", "edge/internal/coordinators", "shared/lease.(*Outbox)"}},
		{"admission: the coordinator counts it", []string{"coordinator/"}},
		{"make the answer", []string{"edge/internal/web.(*exchange).refuse"}},
		{"log", []string{"edge/internal/web.(*exchange).logRefusal", "log/slog"}},
		{"metrics", []string{"edge/internal/web.(*exchange).finish", "github.com/prometheus/", "edge/internal/admission.(*decisions)"}},
		{"send the answer", []string{"edge/internal/front.(*answer).end"}},
		{"switch goroutines", []string{"runtime.schedule", "runtime.findRunnable", "runtime.park_m", "runtime.mcall"}},
		{"collect garbage", []string{"runtime.gc", "runtime.bg"}},
	}
}

const elsewhere = "renders meanwhile, and everything else"

// refusalStep returns the step of a sample.
func (t trace) refusalStep() string { return cmp.Or(t.among(refusalSteps()), elsewhere) }

// flood keeps a client's line full, and sends requests that the site therefore refuses.
type flood struct {
	cluster *cluster
	n       atomic.Int64 // refusals
}

const holders = 3 // connections that fill the line

const askers = 4 // connections whose requests are refused

// run sends requests until ctx ends.
func (f *flood) run(ctx context.Context, b *testing.B) {
	var all sync.WaitGroup
	for i := range holders {
		all.Go(func() {
			f.keepAsking(ctx, b, func(n int) string { return fmt.Sprintf("/unsafe/%dx/large-%d.jpg", 4000+n%2000, i) })
		})
	}
	for range askers {
		all.Go(func() {
			f.keepAsking(ctx, b, func(n int) string {
				return fmt.Sprintf("/unsafe/300x/filters:quality(85):max_bytes(%d)/%d.jpg", 1_000_000+n, n%originals)
			})
		})
	}
	all.Wait()
}

// keepAsking sends the requests of one connection, which takes less of the machine than http.Client's.
func (f *flood) keepAsking(ctx context.Context, b *testing.B, next func(n int) (path string)) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.cluster.base, "http://"))
	if err != nil {
		b.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	in := bufio.NewReader(conn)
	for ctx.Err() == nil {
		path := next(int(f.cluster.asked.Add(1))) // a new URL each time, as attackers ask: the edge remembers URLs
		_, _ = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")
		answer, err := http.ReadResponse(in, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			b.Error(err)
			return
		case answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusServiceUnavailable:
			f.n.Add(1)
		}
	}
}

// budget is the processor time of refusals.
type budget struct {
	steps   map[string]float64 // µs
	sampled float64            // µs by the profile
	spent   float64            // µs by the kernel's account
	n       int64
}

// BenchmarkRefusal prints the processor time of a refusal at once, step by step, while a client's line is full. Each flight
// that holds a place takes nearly a second of the only slot, so that nearly all of the time goes to refusals.
func BenchmarkRefusal(b *testing.B) {
	c := start(b, "this", program(b), "THUMBMILL_EDGE_TRUSTED_PROXIES=127.0.0.1", "THUMBMILL_EDGE_ALLOW_UNSAFE=true", "THUMBMILL_THROTTLE_EXEMPT=127.0.0.0/8", "THUMBMILL_RENDERER_SLOTS=1",
		"THUMBMILL_THROTTLE_PER_IP_WORKERS=1", "THUMBMILL_THROTTLE_PER_IP_MAX_QUEUE=2")
	all := (&flood{cluster: c}).budget(b)
	fmt.Printf("\n%d refusals, %d a second:\n\n| step of a refusal | µs |\n|---|---|\n", all.n, all.n/profileSeconds)
	for _, step := range refusalSteps() {
		fmt.Printf("| %s | %.1f |\n", step.name, all.steps[step.name])
	}
	fmt.Printf("| %s | %.1f |\n| together | %.1f |\n| by the kernel's account | %.1f |\n", elsewhere, all.steps[elsewhere], all.sampled, all.spent)
	b.ReportMetric(all.spent, "µs/refusal")
	b.ReportMetric(0, "ns/op")
}

// budget sends requests and returns the processor time of each refusal.
func (f *flood) budget(b *testing.B) (all budget) {
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { f.run(ctx, b) })
	defer running.Wait()
	defer cancel()
	if !eventually.Holds(b, time.Minute, "the site refuses requests", func() bool { return f.n.Load() > 1000 }) {
		return all
	}
	before, _ := processes.Time(f.cluster.pid)
	first := f.n.Load()
	profile, err := f.cluster.get(fmt.Sprintf("/debug/pprof/profile?seconds=%d", profileSeconds))
	must(b, err)
	n := f.n.Load() - first
	after, _ := processes.Time(f.cluster.pid)
	file := filepath.Join(b.TempDir(), "processor")
	must(b, os.WriteFile(file, profile, 0o600))
	all = budget{steps: map[string]float64{}, n: n, spent: 1e6 * (after - before).Seconds() / float64(max(n, 1))}
	for _, t := range traces(b, "cpu", file) {
		each := 1e6 * t.value / float64(max(n, 1))
		all.steps[t.refusalStep()] += each
		all.sampled += each
	}
	return all
}

func TestStepsOfRefusals(t *testing.T) {
	const own = "github.com/thumbmill/thumbmill/edge/internal/"
	for want, stack := range map[string][]string{
		"read the URL":            {"runtime.mallocgc", own + "grammar.(*Reader).Read", own + "web.(*exchange).parse", own + "web.(*Handler).ServeAtHand"},
		"make the answer":         {"fmt.Sprintf", own + "web.(*exchange).refuse", own + "web.(*exchange).refuseAtOnce"},
		"admission: find no room": {own + "places.(*Places).RefuseFull", own + "web.(*exchange).refuseAtOnce", own + "front.(*quick).serve"},
		"collect garbage":         {"runtime.gcDrain", "runtime.mallocgc", own + "web.(*exchange).parse"},
		elsewhere:                 {"github.com/nats-io/nats%2ego.(*Conn).publish"},
	} {
		if got := (trace{stack: stack}).refusalStep(); got != want {
			t.Errorf("%v: %s, want %s", stack, got, want)
		}
	}
}
