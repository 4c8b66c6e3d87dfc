package coordinators

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/lease"
)

const (
	failoverEdges  = 50
	failoverLeases = 50_000
)

// BenchmarkFailover reports the time from the loss of a coordinator, which is killed or hangs, until the next one grants
// a request of each of fifty edges. The edges hold 50,000 leases, and claim them there.
func BenchmarkFailover(b *testing.B) {
	for name, lose := range map[string]func(*servers.Coordinator){"killed": (*servers.Coordinator).Kill, "hangs": (*servers.Coordinator).Stop} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				first, second := servers.StartCoordinator(b), servers.StartCoordinator(b)
				var edges []*Coordinators
				for i := range failoverEdges {
					edges = append(edges, newCapaciousEdge(b, fmt.Sprint("edge-", i), first.Address, second.Address))
				}
				eachAtOnce(b, edges, func(e *Coordinators, n int) error { return hold(b, e, n, failoverLeases/failoverEdges) })
				lose(first)
				lost := time.Now()
				eachAtOnce(b, edges, func(e *Coordinators, n int) error { return hold(b, e, n, 1) })
				took := time.Since(lost)
				for _, e := range edges {
					if address, _ := e.First(b.Context()); address != second.Address {
						b.Errorf("an edge asks %s of %s, %s, %v after the loss", address, first.Address, second.Address, took)
					}
				}
				b.ReportMetric(took.Seconds(), "s-to-grant")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// BenchmarkFalseAlarms reports how many of fifty edges leave, or suspect, a coordinator that is as busy as it can be for
// five seconds: each edge takes and gives back leases over forty lines, and holds a thousand others.
func BenchmarkFalseAlarms(b *testing.B) {
	const lines, lasting = 40, 5 * time.Second
	for b.Loop() {
		first, second := servers.StartCoordinator(b), servers.StartCoordinator(b)
		var edges []*Coordinators
		for i := range failoverEdges {
			edges = append(edges, newCapaciousEdge(b, fmt.Sprint("edge-", i), first.Address, second.Address))
		}
		eachAtOnce(b, edges, func(e *Coordinators, n int) error { return hold(b, e, n, failoverLeases/failoverEdges) })
		before := map[*Coordinators]*conn{}
		for _, e := range edges {
			before[e], _ = asked(e)
			e.mu.Lock()
			e.readied = time.Time{}
			e.mu.Unlock()
		}
		var leases atomic.Int64
		end := time.Now().Add(lasting)
		eachAtOnce(b, edges, func(e *Coordinators, n int) error { return churn(b, e, n, lines, end, &leases) })
		moved, suspected := 0, 0
		for _, e := range edges {
			if c, _ := asked(e); c != before[e] {
				moved++
			}
			e.mu.Lock()
			if !e.readied.IsZero() {
				suspected++
			}
			e.mu.Unlock()
		}
		b.ReportMetric(float64(moved), "edges-moved")
		b.ReportMetric(float64(suspected), "edges-suspected")
		b.ReportMetric(float64(leases.Load())/lasting.Seconds(), "leases/s")
		b.ReportMetric(0, "ns/op")
	}
}

// churn takes and gives back leases over several lines at once until end.
func churn(b *testing.B, e *Coordinators, edge, lines int, end time.Time, leases *atomic.Int64) error {
	var all errgroup.Group
	for line := range lines {
		all.Go(func() error {
			for time.Now().Before(end) {
				held, answer, err := e.Acquire(b.Context(), wanted(fmt.Sprintf("busy-%d-%d", edge, line)))
				if held == nil {
					return fmt.Errorf("no lease: %+v: %w", answer, err)
				}
				held.Release(lease.Stored, "")
				leases.Add(1)
			}
			return nil
		})
	}
	return all.Wait()
}

func eachAtOnce(b *testing.B, edges []*Coordinators, do func(e *Coordinators, n int) error) {
	b.Helper()
	var all errgroup.Group
	for n, e := range edges {
		all.Go(func() error { return do(e, n) })
	}
	if err := all.Wait(); err != nil {
		b.Fatal(err)
	}
}

// hold takes leases that last until the end of the benchmark.
func hold(b *testing.B, e *Coordinators, edge, n int) error {
	for i := range n {
		if held, answer, err := e.Acquire(b.Context(), wanted(fmt.Sprintf("%d-%d", edge, i))); held == nil {
			return fmt.Errorf("no lease: %+v: %w", answer, err)
		}
	}
	return nil
}

// wanted returns a request for three pools: the lane's, and two of the client's own.
func wanted(client string) lease.Request {
	return lease.Request{Client: client, Wait: 20_000, Pools: []lease.Pool{
		{Rule: 0, Places: 1, Key: "lane:x"}, {Rule: 0, Places: 1, Key: "ip:" + client}, {Rule: 0, Places: 1, Key: "original:" + client},
	}}
}
