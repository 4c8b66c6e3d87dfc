package dispatch

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// hears subscribes for a renderer, and calls answer with each job that the renderer is given.
func hears(t *testing.T, conn *nats.Conn, renderer string, answer func(*nats.Msg, renderjob.HandOver)) <-chan renderjob.HandOver {
	t.Helper()
	given := make(chan renderjob.HandOver, 9)
	_, err := conn.Subscribe(renderjob.HandOverSubject(renderer), func(m *nats.Msg) {
		h, err := renderjob.ReadHandOver(m)
		if err != nil {
			t.Error(err)
		}
		given <- h
		answer(m, h)
	})
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return given
}

// says subscribes for a renderer, which answers each job with a state; "" means no answer.
func says(t *testing.T, conn *nats.Conn, renderer string, state renderjob.State) <-chan renderjob.HandOver {
	t.Helper()
	return hears(t, conn, renderer, func(_ *nats.Msg, h renderjob.HandOver) {
		if state != "" {
			tell(t, conn, renderer, h.Job.ID, state)
		}
	})
}

// tell sends a result without a request for an answer.
func tell(t *testing.T, conn *nats.Conn, renderer, id string, state renderjob.State) {
	t.Helper()
	m, err := renderjob.Result{Version: 1, JobID: id, State: state, Renderer: renderer}.Message("e")
	if err == nil {
		err = conn.PublishMsg(m)
	}
	if err != nil {
		t.Error(err)
	}
}

// asks returns the edge's answer to a renderer that pulled a job.
func asks(t *testing.T, conn *nats.Conn, renderer, id string) string {
	t.Helper()
	m, err := renderjob.Result{Version: 1, JobID: id, State: renderjob.StateStarted, Renderer: renderer, Lane: renderjob.LaneStandard}.Message("e")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := conn.RequestMsgWithContext(within(t), m)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer.Data)
}

// waiting returns the jobs in the queue.
func (d *Dispatcher) waiting(t *testing.T) uint64 {
	t.Helper()
	stream, err := d.js.Stream(t.Context(), queue.Stream)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

// A renderer with room gets a job without the queue. When the renderer falls silent, the queue gets the job, as a second
// delivery.
func TestAJobBeginsAtOnce(t *testing.T) {
	d, conn := start(t)
	world := d.fleet.(*world)
	world.set("r")
	world.offer("r")
	given, ctx := says(t, conn, "r", renderjob.StateStarted), within(t)
	h, err := d.Publish(ctx, job())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if got := <-given; got.Job.ID != h.job.ID || !got.AtOnce || got.Deliveries != 1 || got.Job.DeadlineMS <= 0 {
		t.Errorf("the renderer gets %+v", got)
	}
	if r := <-h.Results(); r.State != renderjob.StateStarted || d.waiting(t) != 0 || h.Recall(ctx) {
		t.Errorf("the flight hears %q, %d jobs are in the queue", r.State, d.waiting(t))
	}
	for _, living := range [][]string{{}, {"r"}} {
		world.set(living...)
		d.Tend(ctx)
	}
	<-h.Reconnected() // results may be lost
	if err := h.Restore(ctx); err != nil || d.waiting(t) != 0 {
		t.Errorf("a job is published whose renderer is heard again: %v", err)
	}
	if word := asks(t, conn, "other", h.job.ID); word != renderjob.Gone {
		t.Errorf("the edge tells another renderer %q", word)
	}
	if word := begin(t, d, conn, h.job.ID); word != renderjob.Proceed { // from another lane
		t.Errorf("the edge tells a renderer of the lane that the job moved to %q", word)
	}
	if err := h.Restore(ctx); err != nil || d.waiting(t) != 0 {
		t.Errorf("a job of a living renderer is published: %v", err)
	}
	world.set()
	d.Tend(ctx)
	if err := h.Restore(ctx); err != nil || d.waiting(t) != 0 {
		t.Errorf("a job is published whose renderer missed a few heartbeats: %v", err)
	}
	h.missed = h.missed.Add(-deadline.AckWait)
	d.Tend(ctx)
	<-h.Reconnected()
	if err := h.Restore(ctx); err != nil || d.waiting(t) != 1 || h.job.Attempt != 1 {
		t.Errorf("%v; %d jobs in the queue, attempt %d", err, d.waiting(t), h.job.Attempt)
	}
	if word := asks(t, conn, "other", h.job.ID); word != renderjob.Proceed {
		t.Errorf("the edge tells the next renderer %q", word)
	}
}

// The queue gets a job that a renderer refuses or gives up, or that no renderer would take at once.
func TestAJobThatDoesNotBeginAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		offered []string
		state   renderjob.State
		change  func(*renderjob.Job)
		given   int
	}{
		"no room":  {},
		"refused":  {offered: []string{"r"}, state: renderjob.StateBusy, given: 1},
		"slow":     {offered: []string{"r"}, change: func(j *renderjob.Job) { j.Slow = true }},
		"advance":  {offered: []string{"r"}, change: func(j *renderjob.Job) { j.Lane = renderjob.LaneBulk }},
		"given up": {offered: []string{"r"}, state: renderjob.StateStarted, given: 1},
	} {
		t.Run(name, func(t *testing.T) {
			d, conn := start(t)
			world := d.fleet.(*world)
			world.set("r")
			world.offer(c.offered...)
			given, ctx, j := says(t, conn, "r", c.state), within(t), job()
			if c.change != nil {
				c.change(&j)
			}
			h, err := d.Publish(ctx, j)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if c.state == renderjob.StateStarted {
				tell(t, conn, "r", j.ID, renderjob.StateBusy)
				<-h.Reconnected()
				if err := h.Restore(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if d.waiting(t) != 1 || len(given) != c.given || h.job.Attempt != 0 {
				t.Errorf("%d jobs in the queue, %d given, attempt %d", d.waiting(t), len(given), h.job.Attempt)
			}
			if word := asks(t, conn, "other", j.ID); word != renderjob.Proceed {
				t.Errorf("the edge tells the renderer that pulls the job %q", word)
			}
		})
	}
}

// A renderer that does not answer in time costs a delivery. One of the two renderers draws the job: the first that begins.
func TestAnAnswerThatComesLate(t *testing.T) {
	for name, c := range map[string]struct {
		late, want string
	}{"before the other asks": {renderjob.Gone, "r"}, "after the other asked": {renderjob.Proceed, ""}} {
		t.Run(name, func(t *testing.T) {
			d, conn := start(t)
			world := d.fleet.(*world)
			world.set("r")
			world.offer("r")
			given := says(t, conn, "r", "")
			h, err := d.Publish(within(t), job())
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if <-given; d.waiting(t) != 1 || h.job.Attempt != 1 {
				t.Fatalf("%d jobs in the queue, attempt %d", d.waiting(t), h.job.Attempt)
			}
			begins := func() { tell(t, conn, "r", h.job.ID, renderjob.StateStarted) } // the connection keeps the order
			asked := func() {
				if word := asks(t, conn, "other", h.job.ID); word != c.late {
					t.Errorf("the edge tells the other renderer %q", word)
				}
			}
			if c.want == "r" {
				begins()
				asked()
			} else {
				asked()
				begins()
				asked() // its question comes after the late answer
			}
			if got := h.handedTo(); got != c.want {
				t.Errorf("%q has the job, want %q", got, c.want)
			}
		})
	}
}
