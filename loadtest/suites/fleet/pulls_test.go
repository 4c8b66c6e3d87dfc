package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// line is the processor time of NATS for a job while a number of pulls wait, in milliseconds.
type line struct {
	waiting int
	job     float64
}

// pulls returns the processor time that each waiting pull adds to a job at NATS, in milliseconds, and the measured times.
func pulls(b *testing.B) (each float64, all []line) {
	b.Helper()
	for _, n := range []int{1, 100, 1250} {
		all = append(all, line{n, pulled(b, n, 4000)})
	}
	first, last := all[0], all[len(all)-1]
	return max(0, last.job-first.job) / float64(last.waiting-first.waiting), all
}

// startQueue starts a NATS server with the queue, and connects to it.
func startQueue(b *testing.B) (*servers.NATS, *nats.Conn, jetstream.JetStream) {
	b.Helper()
	server := servers.StartNATS(b)
	conn := connect(b, server)
	js, err := jetstream.New(conn)
	if err == nil {
		err = queue.Open(b.Context(), js, settings.NATS{Replicas: 1})
	}
	if err != nil {
		b.Fatal(err)
	}
	return server, conn, js
}

// pulled returns NATS' processor time for a job, in milliseconds. Jobs come one after another; a waiting renderer takes and
// acknowledges each before it pulls again.
func pulled(b *testing.B, waiting, jobs int) float64 {
	b.Helper()
	server, conn, js := startQueue(b)
	acknowledged := make(chan struct{}, 1)
	for range waiting {
		inbox := conn.NewInbox()
		again := func() {
			if err := conn.PublishRequest(pullSubject(), inbox+".1", []byte(`{"batch":1,"expires":600000000000}`)); err != nil {
				b.Error(err)
			}
		}
		if _, err := conn.Subscribe(inbox+".*", func(m *nats.Msg) {
			if m.Subject != renderjob.LaneStandard.Subject() {
				b.Errorf("a pull ends with %v", m.Header)
				return
			}
			_ = m.Ack()
			again()
			acknowledged <- struct{}{}
		}); err != nil {
			b.Fatal(err)
		}
		again()
	}
	if err := conn.Flush(); err != nil {
		b.Fatal(err)
	}
	return busy(b, server, jobs, func() error {
		_, err := js.Publish(b.Context(), renderjob.LaneStandard.Subject(), []byte("job"))
		<-acknowledged
		return err
	})
}

// busy returns a server's processor time of one of n calls, in milliseconds.
func busy(b *testing.B, server *servers.NATS, n int, call func() error) float64 {
	b.Helper()
	pass(100 * time.Millisecond) // the server works through earlier messages
	before, _ := processes.Time(server.PID())
	for range n {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	after, _ := processes.Time(server.PID())
	return milliseconds(after-before) / float64(n)
}

func pullSubject() string {
	return "$JS.API.CONSUMER.MSG.NEXT." + queue.Stream + "." + renderjob.LaneStandard.Consumer()
}

func printWaiting(all []line) {
	fmt.Print("\n| pulls that wait at NATS | NATS for a job, ms |\n|---|---|\n")
	for _, l := range all {
		fmt.Printf("| %d | %.3f |\n", l.waiting, l.job)
	}
}

// idling returns NATS' processor time of an idle renderer's lane in a second, in milliseconds, while n renderers pull again
// each time that their pulls have waited.
func idling(b *testing.B, n int, wait time.Duration) float64 {
	b.Helper()
	const seconds = 10
	server, conn, _ := startQueue(b)
	pull := fmt.Appendf(nil, `{"batch":1,"expires":%d}`, wait.Nanoseconds())
	for i := range n {
		inbox := conn.NewInbox()
		again := func() { _ = conn.PublishRequest(pullSubject(), inbox+".1", pull) } // fails only after the measurement
		if _, err := conn.Subscribe(inbox+".*", func(*nats.Msg) { again() }); err != nil {
			b.Fatal(err)
		}
		time.AfterFunc(wait*time.Duration(i)/time.Duration(n), again) // renderers start at different times
	}
	pass(wait) // until all have begun
	before, _ := processes.Time(server.PID())
	pass(seconds * time.Second)
	after, _ := processes.Time(server.PID())
	return milliseconds(after-before) / seconds / float64(n)
}

// BenchmarkPulls reports NATS' processor time for a job while pulls wait, and of idle renderers by the time that a pull waits.
func BenchmarkPulls(b *testing.B) {
	for b.Loop() {
		_, all := pulls(b)
		for _, l := range all {
			b.ReportMetric(l.job, fmt.Sprintf("ms/job-of-%d", l.waiting))
		}
		for _, n := range []int{100, 1250} {
			for _, wait := range []time.Duration{time.Second, 10 * time.Second} {
				b.ReportMetric(idling(b, n, wait), fmt.Sprintf("ms/s-of-%d-each-%v", n, wait))
			}
		}
		b.ReportMetric(0, "ns/op")
	}
}
