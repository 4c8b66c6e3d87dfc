// Package dispatch publishes jobs and receives their results.
//
// A renderer that would begin a job at once gets the job without the queue (atonce.go). While the queue takes no jobs, it
// gives them to renderers with free slots (direct.go).
//
// For all other jobs it publishes a job until JetStream acknowledges the job. All attempts have the same message id,
// so a lost acknowledgement does no harm. Results come over core NATS to this edge's own subject,
// and may be lost. After each reconnect, a flight that waits for a result therefore looks into the
// store, and publishes its job again if the stream has lost the job.
package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	retryPause    = 100 * time.Millisecond
	resultBacklog = 6 // results of two deliveries
)

// Fleet knows the living renderers. Its methods must not call the dispatcher.
type Fleet interface {
	// Choose returns the site whose queue gets the next job of a lane, or "" for the edge's own.
	Choose(renderjob.Lane) (site string)
	// Lives reports whether a renderer of a site lives.
	Lives(site string) bool
	// Free returns the names of at most so many renderers of this site with a free slot.
	Free(most int) []string
	// Has reports whether a renderer of this site lives.
	Has(renderer string) bool
	// Offer returns a renderer of this site that would take a job at once, and counts the job there. ok is false if there
	// is none. near is the renderer that the job prefers.
	Offer(near string) (renderer string, ok bool)
	// Told records the number of jobs that a renderer would take at once.
	Told(renderer string, free int)
}

// Dispatcher publishes jobs for one edge. Its methods are safe for concurrent use.
type Dispatcher struct {
	edge     string
	conn     *nats.Conn
	js       jetstream.JetStream
	settings settings.NATS
	fleet    Fleet
	log      *slog.Logger
	breaker  *gobreaker.CircuitBreaker[*jetstream.PubAck]
	sub      *nats.Subscription

	mu      sync.Mutex
	open    map[string]*Handle
	line    line
	stalled stall
	missing missing
}

// New returns a dispatcher that receives the results of the edge's jobs. It creates the stream if
// the stream is missing.
func New(ctx context.Context, edge string, conn *nats.Conn, s settings.NATS, fleet Fleet, log *slog.Logger) (*Dispatcher, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	d := &Dispatcher{edge: edge, conn: conn, js: js, settings: s, fleet: fleet, log: log, open: map[string]*Handle{}, line: line{}}
	d.breaker = breaker.New[*jetstream.PubAck](gobreaker.Settings{
		Name: "queue", Timeout: time.Second, ReadyToTrip: breaker.Consecutive(5),
		IsSuccessful: func(err error) bool { return err == nil || queue.IsFull(err) || errors.Is(err, context.Canceled) },
	}, log)
	if err := queue.Open(ctx, js, s); err != nil {
		return nil, err
	}
	if d.sub, err = queue.Subscribe(conn, renderjob.ResultSubject(edge), d.hear); err != nil {
		return nil, err
	}
	return d, nil
}

// Breaker returns the queue's circuit breaker.
func (d *Dispatcher) Breaker() *gobreaker.CircuitBreaker[*jetstream.PubAck] { return d.breaker }

// JetStream returns the queue, for package backlog.
func (d *Dispatcher) JetStream() jetstream.JetStream { return d.js }

// Open returns the number of jobs that have not ended.
func (d *Dispatcher) Open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}

// Reconnected tells all open flights to look again. The caller calls it after each reconnect to
// NATS.
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
		d.log.Warn("skip a result that cannot be read", "error", err)
		return
	}
	d.fleet.Told(r.Renderer, r.Free)
	if r.State == renderjob.StateStarted {
		d.hearBegin(m, r)
		return
	}
	d.mu.Lock()
	h := d.open[r.JobID]
	waits := h != nil && !h.recalled
	if waits {
		d.hearOf(h, r)
	}
	d.mu.Unlock()
	d.answer(m, waits)
}

// hearBegin tells a renderer that is about to begin a job whether its flight waits, and which
// siblings to render with it.
func (d *Dispatcher) hearBegin(m *nats.Msg, r renderjob.Result) {
	d.mu.Lock()
	h := d.open[r.JobID]
	if h != nil && (h.isElsewhere(r.Site) || h.isWith(r)) {
		h = nil
	}
	if m.Reply == "" {
		d.noteTaken(h, r)
		d.mu.Unlock()
		return
	}
	answer := d.begin(h, r.Batch)
	if answer.Word == renderjob.Proceed {
		for _, one := range append([]*Handle{h}, h.siblings...) {
			one.begunBy = r.Renderer
		}
		h.pass(r, d.log)
	}
	d.mu.Unlock()
	text, err := answer.Text()
	if err == nil {
		err = queue.Answer(m, text)
	}
	if err != nil {
		d.log.Warn("give up an answer to a renderer", "error", err)
	}
}

// hearOf takes a renderer's result of an open job.
func (d *Dispatcher) hearOf(h *Handle, r renderjob.Result) {
	switch {
	case r.State == renderjob.StateBusy:
		d.noteBusy(h, r)
	case r.State != renderjob.StateReleased:
		h.over = h.over || r.Last()
		if r.State == renderjob.StateMoved {
			h.alone, h.renderer = true, "" // jobs of its old lane must not ride with it
		}
		h.pass(r, d.log)
	case h.primary != nil:
		d.release(h)
	}
}

// answer tells a renderer that its result arrived, and whether the job's flight waits.
func (d *Dispatcher) answer(m *nats.Msg, waits bool) {
	word := renderjob.Gone
	if waits {
		word = renderjob.Proceed
	}
	if err := queue.Answer(m, word); err != nil {
		d.log.Warn("give up an answer to a renderer", "error", err)
	}
}

// Handle is one job, from its publishing to its end. It is for one goroutine.
type Handle struct {
	dispatcher  *Dispatcher
	job         renderjob.Job
	deadline    time.Time
	sequence    uint64
	results     chan renderjob.Result
	reconnected chan struct{}
	opened      time.Time
	// The dispatcher's mutex guards the fields below. started and recalled are never both true.
	started, recalled bool
	over              bool      // a renderer has sent the last result, or the handle is closed
	alone             bool      // must be rendered without siblings
	primary           *Handle   // the job that this one is a sibling of; nil = none
	siblings          []*Handle // rendered with this job, or held for it
	published         time.Time
	site              string    // whose queue has the job; "" = this edge's
	renderer          string    // that got the job without the queue; "" = the queue has it
	offered           string    // the renderer that the job was handed to at once; "" = none
	missed            time.Time // when this edge first missed the heartbeats of the renderer that has the job; zero = it lives
	settled           chan bool // whether that renderer begins the job
	begunBy           string    // the renderer that last began the job; "" = none
	silent            bool      // this edge misses its heartbeats
}

func (d *Dispatcher) newHandle(job renderjob.Job, deadline time.Time) *Handle {
	job.Version, job.Edge, job.Site = renderjob.Version, d.edge, d.settings.Site
	return &Handle{
		dispatcher: d, job: job, deadline: deadline, opened: time.Now(),
		results: make(chan renderjob.Result, resultBacklog), reconnected: make(chan struct{}, 1), settled: make(chan bool, 1),
	}
}

// pass sends a result to the job's flight. It drops the result when the flight has resultBacklog
// results to read.
func (h *Handle) pass(r renderjob.Result, log *slog.Logger) {
	select {
	case h.results <- r:
	default:
		log.Warn("drop a result of a job with too many results", "job", r.JobID)
	}
}

// lookAgain tells the job's flight to look into the store and into the queue.
func (h *Handle) lookAgain() {
	select {
	case h.reconnected <- struct{}{}:
	default: // an earlier call is still in the channel
	}
}

// Publish hands the job to a renderer that begins it at once, or publishes it. The job must have a unique ID, and ends by
// the deadline of ctx. The held jobs become siblings of the job; a sibling that is not rendered with the job is published
// by itself. Faults: LaneFull, Unavailable. The caller closes the handle.
func (d *Dispatcher) Publish(ctx context.Context, job renderjob.Job, held ...*Handle) (*Handle, error) {
	deadline, _ := ctx.Deadline()
	h := d.newHandle(job, deadline)
	d.mu.Lock()
	d.open[job.ID] = h
	d.mu.Unlock()
	if len(held) == 0 && h.beginsAtOnce(ctx) {
		return h, nil
	}
	d.mu.Lock()
	d.line.add(h)
	for _, s := range held {
		if !s.over && !s.recalled {
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

// Results returns the channel with the renderers' results of the job.
func (h *Handle) Results() <-chan renderjob.Result { return h.results }

// Reconnected returns a channel that receives a value when results may be lost, or when the primary
// ended without this sibling.
func (h *Handle) Reconnected() <-chan struct{} { return h.reconnected }

// Close ends the job: it receives no more results, and releases its siblings.
func (h *Handle) Close() {
	d := h.dispatcher
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, h.job.ID)
	h.over = true
	d.part(h)
}

// publish tries until the queue acknowledges the job, a renderer takes it, the lane is full, or deadline.Publish is
// over. Its errors are faults: LaneFull, Unavailable.
func (h *Handle) publish(ctx context.Context, messageID string) error {
	ctx, cancel := context.WithTimeout(ctx, deadline.Publish)
	defer cancel()
	for site := h.dispatcher.fleet.Choose(h.job.Lane); ; site = "" {
		err := h.publishOnce(ctx, messageID, site)
		if err == nil {
			return nil
		}
		if site != "" {
			h.dispatcher.log.Warn("publish a job here, since another site does not take it", "site", site, "error", err)
			continue
		}
		if queue.IsFull(err) {
			return full(h.job.Lane, err)
		}
		h.dispatcher.missing.note(err)
		if ctx.Err() == nil && h.hand() {
			return nil
		}
		if h.dispatcher.missing.noted.Swap(false) {
			h.dispatcher.ensure(ctx)
		}
		if periodic.Sleep(ctx, retryPause) != nil {
			return fault.Wrap(err, fault.Unavailable, "the queue did not take the job in time: try again")
		}
	}
}

// full returns the refusal of a job when the queue of its lane is full.
func full(lane renderjob.Lane, cause error) *fault.Fault {
	return throttle.All().Get(throttle.Lane).Refuse(0, throttle.QueueFull).Because(fmt.Errorf("the queue of lane %s is full: %w", lane, cause))
}

// ensure creates the stream if the stream is gone. It drops errors, since publish tries again.
func (d *Dispatcher) ensure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, deadline.Acknowledge)
	defer cancel()
	_, _ = queue.Ensure(ctx, d.js, d.settings)
}

// publishOnce publishes the job to the queue of a site, or to this edge's for "". The breaker watches only this edge's
// queue.
func (h *Handle) publishOnce(ctx context.Context, messageID, site string) error {
	message, left, err := h.message(site)
	if err != nil {
		return err
	}
	send := func() (*jetstream.PubAck, error) {
		once, cancel := context.WithTimeout(ctx, deadline.Acknowledge)
		defer cancel()
		return h.dispatcher.js.PublishMsg(once, message,
			jetstream.WithMsgID(messageID), jetstream.WithMsgTTL(renderjob.TTL(left)), jetstream.WithRetryAttempts(0))
	}
	h.setSite(site) // before a renderer there can ask for the job
	var ack *jetstream.PubAck
	if site == "" {
		ack, err = h.dispatcher.breaker.Execute(send)
		h.dispatcher.note(err)
	} else {
		ack, err = send()
	}
	if err == nil {
		h.sequence = ack.Sequence
		h.dispatcher.mu.Lock()
		h.published = time.Now()
		h.dispatcher.mu.Unlock()
	}
	return err
}

// message returns the job's message for a site, and the time that the job has left. Another site's renderers cannot
// take over a job of this site's queue, so a job for them names no renderer near its original.
func (h *Handle) message(site string) (*nats.Msg, time.Duration, error) {
	left := time.Until(h.deadline)
	job := h.job
	job.DeadlineMS = left.Milliseconds()
	if site != "" {
		job.Near = ""
	}
	message, err := job.Message()
	if err == nil && site != "" {
		message.Subject = job.Lane.SiteSubject(site)
	}
	return message, left, err
}

// note records the time of an attempt that the queue did not take.
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

// stall is the times of the first and the last attempt in a row that the queue did not take.
type stall struct{ first, last time.Time }

// Unstarted returns the longest wait of this edge's jobs in a lane of this site's queue that no renderer has begun; 0
// if there are none.
func (d *Dispatcher) Unstarted(lane renderjob.Lane) (longest time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.open {
		if h.job.Lane == lane && h.site == "" && !h.started && !h.published.IsZero() {
			longest = max(longest, time.Since(h.published))
		}
	}
	return longest
}

// Electing reports whether the queue takes no jobs now, but may take jobs soon: its servers may
// elect a leader, or may work through the messages that gathered meanwhile. It reports false after
// deadline.Publish and deadline.Election together.
func (d *Dispatcher) Electing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.stalled.last) < deadline.Election && time.Since(d.stalled.first) < deadline.Publish+deadline.Election
}

// Recall takes the job back. It reports false when a renderer has begun the job. A renderer that
// has pulled the job meanwhile, or that pulls it later because another renderer handed it back
// under another sequence, is told that nobody waits. Recall also deletes the message,
// which only saves a renderer the pull.
func (h *Handle) Recall(ctx context.Context) bool {
	h.dispatcher.mu.Lock()
	h.recalled = !h.started
	recalled, abroad := h.recalled, h.site != ""
	if recalled {
		h.dispatcher.part(h)
	}
	h.dispatcher.mu.Unlock()
	if !recalled || h.sequence == 0 || abroad { // a renderer has begun the job, the job was never published, or no site deletes for another
		return recalled
	}
	h.dispatcher.delete(ctx, h.job.ID, h.sequence)
	return true
}

// delete deletes a job's message from this site's queue. It drops errors: renderers learn from the edge that they must not
// begin the job.
func (d *Dispatcher) delete(ctx context.Context, job string, sequence uint64) {
	stream, err := d.js.Stream(ctx, queue.Stream)
	if err == nil {
		err = stream.DeleteMsg(ctx, sequence)
	}
	if err != nil {
		d.log.Debug("leave a job in the queue", "job", job, "error", err)
	}
}

// Restore publishes the job again if the stream has lost it, and creates the stream again if the
// stream is gone. The message has a new id, since the stream may remember the old id without its
// message. A sibling needs no restoring: its primary is restored. A job whose site has no renderers moves to
// another site; a job at another site that lives stays there.
func (h *Handle) Restore(ctx context.Context) error {
	if h.rides() || h.handedTo() != "" && !h.forsakes() {
		return nil
	}
	if h.sequence == 0 {
		return h.publish(ctx, h.job.ID)
	}
	site, lost := h.place()
	switch {
	case lost:
		return h.move(ctx, site)
	case site != "":
		return nil
	}
	stream, err := queue.Ensure(ctx, h.dispatcher.js, h.dispatcher.settings)
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
	h.dispatcher.log.Info("publish a job again that the stream lost", "job", h.job.ID)
	return h.publish(ctx, h.job.ID+"-"+nuid.Next())
}
