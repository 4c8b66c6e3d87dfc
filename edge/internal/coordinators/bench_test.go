package coordinators

import (
	"fmt"
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
		r := lease.Request{Client: fmt.Sprintf("%d-%d", edge, i), Wait: 20_000, Pools: []lease.Pool{
			{Rule: 0, Places: 1, Key: "lane:x"}, {Rule: 0, Places: 1, Key: fmt.Sprintf("ip:%d-%d", edge, i)}, {Rule: 0, Places: 1, Key: fmt.Sprintf("original:%d-%d", edge, i)},
		}}
		if held, answer, err := e.Acquire(b.Context(), r); held == nil {
			return fmt.Errorf("no lease: %+v: %w", answer, err)
		}
	}
	return nil
}
