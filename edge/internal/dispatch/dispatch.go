// Package dispatch publishes jobs and hears their results.
//
// A job is published until JetStream acknowledges it, each time with the same
// message id, so that a lost acknowledgement does no harm. Results come over
// core NATS to this edge's own subject, and may be lost; whoever waits for one
// looks into the store after each reconnect, and publishes its job again when
// the stream has lost it.
package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/breaker"
	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	retryPause    = 100 * time.Millisecond
	resultBacklog = 6 // two deliveries' results
)

// Dispatcher publishes jobs for one edge.
type Dispatcher struct {
	edge     string
	conn     *nats.Conn
	js       jetstream.JetStream
	replicas int
	log      *slog.Logger
	breaker  *gobreaker.CircuitBreaker[*jetstream.PubAck]
	sub      *nats.Subscription

	mu      sync.Mutex
	open    map[string]*Handle
	line    line
	stalled stall
}

// New makes the stream, where it is missing, and listens for results.
func New(ctx context.Context, edge string, conn *nats.Conn, replicas int, log *slog.Logger) (*Dispatcher, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	d := &Dispatcher{edge: edge, conn: conn, js: js, replicas: replicas, log: log, open: map[string]*Handle{}, line: line{}}
	d.breaker = breaker.New[*jetstream.PubAck](gobreaker.Settings{
		Name: "queue", Timeout: time.Second, ReadyToTrip: breaker.Consecutive(5),
		IsSuccessful: func(err error) bool { return err == nil || queue.IsFull(err) || errors.Is(err, context.Canceled) },
	}, log)
	if err := queue.Open(ctx, js, replicas); err != nil {
		return nil, err
	}
	if d.sub, err = queue.Subscribe(conn, renderjob.ResultSubject(edge), d.hear); err != nil {
		return nil, err
	}
	return d, nil
}

// Breaker is the queue's.
func (d *Dispatcher) Breaker() *gobreaker.CircuitBreaker[*jetstream.PubAck] { return d.breaker }

// JetStream is the queue, for who watches it.
func (d *Dispatcher) JetStream() jetstream.JetStream { return d.js }

// Open is how many jobs wait for their end.
func (d *Dispatcher) Open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}

// Reconnected is to be called after each reconnect to NATS.
func (d *Dispatcher) Reconnected() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.open {
		h.lookAgain()
	}
}

func (d *Dispatcher) hear(m *nats.Msg) {
	r, err := renderjob.ReadResult(m)
	if err != nil {
		d.log.Warn("a result that cannot be read", "error", err)
		return
	}
	if r.State == renderjob.StateStarted {
		d.hearBegin(m, r)
		return
	}
	d.mu.Lock()
	h := d.open[r.JobID]
	waits := h != nil && !h.withdrawn
	if waits {
		d.hearOf(h, r)
	}
	d.mu.Unlock()
	d.answer(m, waits)
}

// hearBegin tells a renderer that is about to begin whether anybody waits, and for what else of
// the original.
func (d *Dispatcher) hearBegin(m *nats.Msg, r renderjob.Result) {
	d.mu.Lock()
	h := d.open[r.JobID]
	answer := d.begin(h, r.Batch)
	if answer.Word == renderjob.Proceed {
		h.pass(r, d.log)
	}
	d.mu.Unlock()
	text, err := answer.Text()
	if err == nil {
		err = queue.Answer(m, text)
	}
	if err != nil {
		d.log.Warn("a renderer was not answered", "error", err)
	}
}

// hearOf takes what a renderer tells of a job that is open.
func (d *Dispatcher) hearOf(h *Handle, r renderjob.Result) {
	switch {
	case r.State != renderjob.StateReleased:
		h.over = h.over || r.Last()
		h.pass(r, d.log)
	case h.primary != nil:
		d.release(h)
	}
}

// answer tells a renderer that its word arrived, and whether anybody waits.
func (d *Dispatcher) answer(m *nats.Msg, waits bool) {
	word := renderjob.Gone
	if waits {
		word = renderjob.Proceed
	}
	if err := queue.Answer(m, word); err != nil {
		d.log.Warn("a renderer was not answered", "error", err)
	}
}

// Handle is one job from its publishing to its end. It is for one goroutine.
type Handle struct {
	dispatcher  *Dispatcher
	job         renderjob.Job
	deadline    time.Time
	sequence    uint64
	results     chan renderjob.Result
	reconnected chan struct{}
	opened      time.Time
	// the rest is guarded by the dispatcher's mutex; started and withdrawn are never both true
	started, withdrawn bool
	over               bool // a renderer has told the last of it
	alone              bool // it is done with no other
	primary            *Handle
	siblings           []*Handle // that are done with it, or held for it
	published          time.Time
}

func (d *Dispatcher) newHandle(job renderjob.Job, deadline time.Time) *Handle {
	job.Version, job.Edge = renderjob.Version, d.edge
	return &Handle{
		dispatcher: d, job: job, deadline: deadline, opened: time.Now(),
		results: make(chan renderjob.Result, resultBacklog), reconnected: make(chan struct{}, 1),
	}
}

// pass gives the job's flight a result.
func (h *Handle) pass(r renderjob.Result, log *slog.Logger) {
	select {
	case h.results <- r:
	default:
		log.Warn("too many results of one job", "job", r.JobID)
	}
}

// lookAgain has the job's flight look into the store, and into the queue.
func (h *Handle) lookAgain() {
	select {
	case h.reconnected <- struct{}{}:
	default: // it is to look already
	}
}

// Publish publishes the job, which must have an ID of its own and end by the
// deadline of ctx. Jobs that were held for it are done with it, or published when it is not.
// Faults: LaneFull, Unavailable. The caller closes the handle.
func (d *Dispatcher) Publish(ctx context.Context, job renderjob.Job, held ...*Handle) (*Handle, error) {
	deadline, _ := ctx.Deadline()
	h := d.newHandle(job, deadline)
	d.mu.Lock()
	d.open[job.ID] = h
	d.line.add(h)
	for _, s := range held {
		if !s.over && !s.withdrawn {
			d.join(s, h)
		}
	}
	d.mu.Unlock()
	if err := h.publish(ctx, job.ID); err != nil && !h.rides() {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Results are what renderers tell of the job.
func (h *Handle) Results() <-chan renderjob.Result { return h.results }

// Reconnected says that results may have been lost, or that the job whose sibling this one is
// has ended without it.
func (h *Handle) Reconnected() <-chan struct{} { return h.reconnected }

// Close ends the hearing of results.
func (h *Handle) Close() {
	d := h.dispatcher
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, h.job.ID)
	h.over = true
	d.part(h)
}

// publish tries until the job is acknowledged, the lane is full or time is over.
func (h *Handle) publish(ctx context.Context, messageID string) error {
	ctx, cancel := context.WithTimeout(ctx, deadline.Publish)
	defer cancel()
	for {
		err := h.publishOnce(ctx, messageID)
		if err == nil {
			return nil
		}
		if queue.IsFull(err) {
			return full(h.job.Lane, err)
		}
		if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrStreamNotFound) {
			h.dispatcher.ensure(ctx)
		}
		if periodic.Sleep(ctx, retryPause) != nil {
			return fault.Wrap(err, fault.Unavailable, "the queue does not take the job")
		}
	}
}

// full is the refusal of a job for which the queue has no room.
func full(lane renderjob.Lane, cause error) *fault.Fault {
	return throttle.All().Get(throttle.Lane).Refuse(0, "the queue of lane %s is full", lane).Because(cause)
}

// ensure makes the stream where it is gone; if not now, then at the next attempt.
func (d *Dispatcher) ensure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, deadline.Acknowledge)
	defer cancel()
	_, _ = queue.Ensure(ctx, d.js, d.replicas)
}

func (h *Handle) publishOnce(ctx context.Context, messageID string) error {
	left := time.Until(h.deadline)
	job := h.job
	job.DeadlineMS = left.Milliseconds()
	message, err := job.Message()
	if err != nil {
		return err
	}
	ack, err := h.dispatcher.breaker.Execute(func() (*jetstream.PubAck, error) {
		once, cancel := context.WithTimeout(ctx, deadline.Acknowledge)
		defer cancel()
		return h.dispatcher.js.PublishMsg(once, message,
			jetstream.WithMsgID(messageID), jetstream.WithMsgTTL(renderjob.TTL(left)), jetstream.WithRetryAttempts(0))
	})
	if err == nil {
		h.sequence = ack.Sequence
		h.dispatcher.mu.Lock()
		h.published = time.Now()
		h.dispatcher.mu.Unlock()
	}
	h.dispatcher.note(err)
	return err
}

// note keeps when the queue took nothing.
func (d *Dispatcher) note(err error) {
	if err == nil || queue.IsFull(err) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if now.Sub(d.stalled.last) > deadline.Election {
		d.stalled.first = now
	}
	d.stalled.last = now
}

// stall is when the queue took nothing, the first and the last time in a row.
type stall struct{ first, last time.Time }

// Unstarted is how long the oldest job of a lane waits that no renderer has begun.
func (d *Dispatcher) Unstarted(lane renderjob.Lane) (longest time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.open {
		if h.job.Lane == lane && !h.started && !h.published.IsZero() {
			longest = max(longest, time.Since(h.published))
		}
	}
	return longest
}

// Electing reports whether the queue takes nothing and may soon again, since its servers
// elect who leads, or what gathered meanwhile is still in the way.
func (d *Dispatcher) Electing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.stalled.last) < deadline.Election && time.Since(d.stalled.first) < deadline.Publish+deadline.Election
}

// Withdraw takes the job back, and reports whether it could: not when a renderer
// has begun. One that pulled it meanwhile, or pulls it later because a renderer
// handed it back under another sequence, is told that nobody waits; deleting the
// message only saves it the way.
func (h *Handle) Withdraw(ctx context.Context) bool {
	h.dispatcher.mu.Lock()
	h.withdrawn = !h.started
	withdrawn := h.withdrawn
	if withdrawn {
		h.dispatcher.part(h)
	}
	h.dispatcher.mu.Unlock()
	if !withdrawn || h.sequence == 0 { // a renderer has it, or it was only held
		return withdrawn
	}
	stream, err := h.dispatcher.js.Stream(ctx, queue.Stream)
	if err == nil {
		err = stream.DeleteMsg(ctx, h.sequence)
	}
	if err != nil {
		h.dispatcher.log.Debug("a job that was withdrawn could not be deleted", "job", h.job.ID, "error", err)
	}
	return true
}

// Restore publishes the job again if the stream no longer has it, and makes the
// stream again if it is gone. The message id is a new one, since the stream may
// remember the old one and not its message.
//
// A sibling's is the primary's, which is restored for it.
func (h *Handle) Restore(ctx context.Context) error {
	if h.rides() {
		return nil
	}
	if h.sequence == 0 {
		return h.publish(ctx, h.job.ID)
	}
	stream, err := queue.Ensure(ctx, h.dispatcher.js, h.dispatcher.replicas)
	if err != nil {
		return err
	}
	msg, err := stream.GetMsg(ctx, h.sequence)
	if err == nil {
		var there renderjob.Job
		if json.Unmarshal(msg.Data, &there) == nil && there.ID == h.job.ID {
			return nil
		}
	} else if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return err
	}
	h.dispatcher.log.Info("the stream lost a job; it is published again", "job", h.job.ID)
	return h.publish(ctx, h.job.ID+"-"+nuid.Next())
}
