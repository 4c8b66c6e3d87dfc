package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	costs "github.com/thumbmill/thumbmill/loadtest/tool/fleet"
)

// file is the variable that names the file for the costs.
const file = "THUMBMILL_FLEET_COSTS"

// row is the cost of a miss with a number of renderers.
type row struct {
	renderers, sockets                int
	load                              float64 // requests under way for each slot
	rate                              float64 // misses per second
	edge, coordinator, nats, renderer float64 // processor time, ms
	kilobytes                         float64 // read and written by NATS
	idle                              used    // of the site in a second without requests
}

// BenchmarkFleet prints the costs of misses with 1 to 32 renderers of two slots, busy and half idle, and the other costs of
// a fleet.
func BenchmarkFleet(b *testing.B) {
	s := newSite(b)
	var rows []row
	for n := 1; n <= 32; n *= 2 {
		rows = append(rows, s.measure(b, n, 2, full, 5*time.Second))
	}
	busiest := rows[len(rows)-1] // with the least of the costs of every second, such as beats
	idle := s.measure(b, 32, 2, half, 10*time.Second)
	rows = append(rows, idle)
	c := busiest.costs()
	s.renderWith(1, 8)
	c.EdgeHit = s.hits(20_000)
	s.endRenderers()
	c.EdgeHeartbeat, c.CoordinatorReport, c.EdgeSecond = s.beats()
	c.CoordinatorEdge, c.Store = idleEdges(b), storing(b)
	c.NATSHeartbeat, c.NATSWatch = heartbeats(b, s.queue), looks(b, s.queue)
	var waiting []line
	c.NATSWaiting, waiting = pulls(b)
	printTables(rows, c)
	printWaiting(waiting)
	b.ReportMetric(c.Outside(), "outside-ms/miss")
	b.ReportMetric(idle.costs().Outside(), "outside-half-idle-ms/miss")
	b.ReportMetric(0, "ns/op")
	if path := os.Getenv(file); path != "" {
		text, err := json.MarshalIndent(c, "", " ")
		if err == nil {
			err = os.WriteFile(path, append(text, '\n'), 0o644)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// costs returns the costs of a miss without the costs of every second, and the costs of an idle renderer at NATS.
func (r row) costs() costs.Costs {
	beside := func(all float64, idle time.Duration) float64 { return max(0, all-milliseconds(idle)/r.rate) }
	return costs.Costs{
		EdgeMiss: beside(r.edge, r.idle.edge), CoordinatorMiss: beside(r.coordinator, r.idle.coordinator), NATSMiss: beside(r.nats, r.idle.nats),
		RendererMiss: beside(r.renderer, r.idle.renderers), NATSRenderer: milliseconds(r.idle.nats) / float64(r.renderers),
	}
}

// half is the number of requests under way for each slot of a fleet that is half idle.
const half = .5

// measure drives misses through n renderers for about the given time.
func (s *site) measure(t testing.TB, n, slots int, load float64, d time.Duration) row {
	t.Helper()
	s.renderWith(n, slots)
	defer s.endRenderers()
	const rest = 3 * time.Second
	resting := s.used()
	pass(rest) // idle renderers pull and beat
	idle := s.used().less(resting).over(rest.Seconds())
	// A slot renders about one and a half times a second: the mean of the recorded times, slowed down.
	misses := max(n*slots, int(1.5*min(load, 1)*d.Seconds()*float64(n*slots)))
	before, began := s.used(), time.Now()
	s.must(s.driveAt(load, misses, s.miss))
	took, u := time.Since(began), s.used().less(before)
	each := func(d time.Duration) float64 { return milliseconds(d) / float64(misses) }
	return row{
		renderers: n, load: load, idle: idle, sockets: sockets(t, s.queue.PID()), rate: float64(misses) / took.Seconds(),
		edge: each(u.edge), coordinator: each(u.coordinator), nats: each(u.nats), renderer: each(u.renderers), kilobytes: float64(u.bytes) / 1024 / float64(misses),
	}
}

// hits returns the edge's processor time of a stored thumbnail in milliseconds.
func (s *site) hits(n int) float64 {
	s.t.Helper()
	s.must(s.drive(n/10, s.hit))
	before := s.used()
	s.must(s.drive(n, s.hit))
	return float64(s.used().less(before).edge.Microseconds()) / 1000 / float64(n)
}

// pass lets time pass that is measured.
func pass(d time.Duration) { time.Sleep(d) }

func printTables(rows []row, c costs.Costs) {
	fmt.Print("\nA miss, in milliseconds of processor time outside of the worker:\n\n")
	fmt.Println("| renderers | requests under way for a slot | misses/s | edge | coordinator | NATS | renderers | all | KB through NATS | sockets of NATS | NATS for an idle renderer, ms/s |\n|---|---|---|---|---|---|---|---|---|---|---|")
	for _, r := range rows {
		fmt.Printf("| %d | %.1f | %.1f | %.2f | %.2f | %.2f | %.2f | %.2f | %.1f | %d | %.2f |\n",
			r.renderers, r.load, r.rate, r.edge, r.coordinator, r.nats, r.renderer, r.edge+r.coordinator+r.nats+r.renderer, r.kilobytes, r.sockets, milliseconds(r.idle.nats)/float64(r.renderers))
	}
	fmt.Printf("\nOf a miss at a renderer, %.2f ms are the storing of the thumbnail in a directory.\n", c.Store)
	fmt.Print("\nFor a core of processor time:\n\n| | a second |\n|---|---|\n")
	for _, r := range []struct {
		name string
		ms   float64
	}{
		{"misses at an edge", c.EdgeMiss}, {"hits at an edge", c.EdgeHit}, {"misses at a coordinator", c.CoordinatorMiss}, {"misses at a NATS server", c.NATSMiss},
		{"heartbeats that a NATS server delivers", c.NATSHeartbeat}, {"looks at the queue", c.NATSWatch},
	} {
		fmt.Printf("| %s | %.0f |\n", r.name, 1000/r.ms)
	}
}

// The short form: the whole way works with the sleeping renderers, and each role's cost is counted.
func TestTheFleetIsMeasured(t *testing.T) {
	s := newSite(t)
	r := s.measure(t, 2, 4, full, time.Second)
	if r.rate <= 0 || r.edge <= 0 || r.nats <= 0 || r.renderer <= 0 || r.kilobytes < 1 || r.sockets < 3 {
		t.Errorf("%+v", r)
	}
}
