package dispatch

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// takes subscribes for a renderer, which answers each job with a word.
func takes(t *testing.T, conn *nats.Conn, renderer, word string) <-chan renderjob.HandOver {
	t.Helper()
	return hears(t, conn, renderer, func(m *nats.Msg, _ renderjob.HandOver) { _ = m.Respond([]byte(word)) })
}

// closeQueue makes the queue take no jobs until the test ends: a stream of the same name refuses them, and cannot be changed.
func closeQueue(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	err := js.DeleteStream(t.Context(), queue.Stream)
	if err == nil {
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: queue.Stream, Subjects: []string{"render.job.>"}, Storage: jetstream.FileStorage})
	}
	if err == nil {
		_, err = js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: queue.Stream, Subjects: []string{"render.job.>"}, Storage: jetstream.FileStorage, Sealed: true})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// While the queue takes no jobs, a renderer with a free slot gets a job directly, and another one when that dies.
func TestJobsWithoutTheQueue(t *testing.T) {
	d, conn := start(t)
	closeQueue(t, d.js)
	living := d.fleet.(*world)
	living.set("gone", "busy", "first")
	busy, first, second := takes(t, conn, "busy", renderjob.Busy), takes(t, conn, "first", renderjob.Taken), takes(t, conn, "second", renderjob.Taken)
	ctx := within(t)
	h, err := d.Publish(ctx, job())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	got := <-first
	if got.Job.ID != h.job.ID || got.Job.DeadlineMS <= 0 || got.Receipt != "" || len(busy) != 1 {
		t.Errorf("the renderer gets %+v, the busy one gets %d", got, len(busy))
	}
	if word := begin(t, d, conn, h.job.ID); word != renderjob.Proceed {
		t.Errorf("the edge tells the renderer %q", word)
	}
	if err := h.Restore(ctx); err != nil || len(first)+len(second) > 0 {
		t.Errorf("a job of a living renderer is given again: %v", err)
	}
	living.set("second")
	d.Tend(ctx)
	<-h.Reconnected()
	if err := h.Restore(ctx); err != nil {
		t.Fatal(err)
	}
	if got := <-second; got.Job.ID != h.job.ID {
		t.Errorf("another renderer gets %+v", got)
	}
}

// A stream that is gone is made again although renderers take the jobs without it.
func TestTheStreamIsMadeAgain(t *testing.T) {
	d, conn := start(t)
	d.fleet.(*world).set("one")
	given := takes(t, conn, "one", renderjob.Taken)
	ctx := within(t)
	if err := d.js.DeleteStream(ctx, queue.Stream); err != nil {
		t.Fatal(err)
	}
	h, err := d.Publish(ctx, job())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	<-given
	d.Tend(ctx)
	if _, err := d.js.Stream(ctx, queue.Stream); err != nil {
		t.Error(err)
	}
}
