package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/sleepers"
)

// BenchmarkCrowd reports the costs of a renderer that sleeps, in a process of 100, 500 and 2,000 of them: the processor time
// of its start and of an idle second, there and at NATS, and its memory.
func BenchmarkCrowd(b *testing.B) {
	for _, n := range []int{100, 500, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				measureCrowd(b, n)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func measureCrowd(b *testing.B, n int) {
	b.Helper()
	const rest = 20 * time.Second // two pulls of each lane
	server, _, _ := startQueue(b)
	began := time.Now()
	before, _ := processes.Time(server.PID())
	dir := b.TempDir()
	crowd := sleepers.Start(b, sleepers.Order{Renderers: n, Slow: 1, Settings: []string{
		"THUMBMILL_NATS_URL=" + server.URL(), "THUMBMILL_RENDERER_SLOTS=2", "THUMBMILL_RENDERER_TEMP_DIR=" + dir,
		"THUMBMILL_STORE_ORIGINALS_PATH=" + dir, "THUMBMILL_STORE_THUMBNAILS_PATH=" + dir,
	}})
	defer crowd.End()
	crowd.AwaitStart(10 * startWithin)
	took := time.Since(began)
	started, _ := processes.Time(crowd.PID())
	connected, _ := processes.Time(server.PID())
	pass(rest)
	rested, _ := processes.Time(crowd.PID())
	served, _ := processes.Time(server.PID())
	each := func(d time.Duration) float64 { return milliseconds(d) / float64(n) }
	b.ReportMetric(took.Seconds(), "s-start")
	b.ReportMetric(each(started), "ms-start")
	b.ReportMetric(each(connected-before), "nats-ms-start")
	b.ReportMetric(each(rested-started)/rest.Seconds(), "ms/s")
	b.ReportMetric(each(served-connected)/rest.Seconds(), "nats-ms/s")
	b.ReportMetric(float64(processes.PSS(crowd.PID()))/1024/float64(n), "KB")
}
